/**
 * Two accounts of one configuration with the same bot, in a whole Gateway.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Channels } from "../../src/services/ChannelRouter.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

describe("two accounts with one bot", () => {
  it.live("one receives, the other says which, and nobody ends the other's polls", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const services = yield* Layer.build(
        GatewayTest.layer({
          models: ScriptedModel.layer([{ text: "hello yourself" }]),
          config: {
            channels: {
              telegram: {
                apiRoot: bot.url,
                dmPolicy: "open",
                allowFrom: ["*"],
                accounts: { a: { botToken: bot.token }, b: { botToken: bot.token } }
              }
            }
          }
        })
      )
      yield* bot.sendText({ from: { id: 7, firstName: "Ada" }, text: "hello" })
      yield* bot.awaitReply({ matching: (reply) => reply.text === "hello yourself" })
      const { channelAccounts } = yield* Context.get(services, Channels).status()
      const rows = channelAccounts["telegram"] ?? []
      const waiting = rows.filter((row) => row.healthState === "standby")
      assert.lengthOf(waiting, 1)
      assert.match(waiting[0]?.lastError ?? "", /^account [ab] of this Gateway receives for this bot$/)
      assert.deepInclude(
        rows.find((row) => row.healthState !== "standby"),
        { connected: true, lastError: null, healthState: "healthy" }
      )
    }).pipe(Effect.scoped)
  )
})
