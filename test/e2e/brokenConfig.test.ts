/**
 * Somebody breaks `openclaw.json` while the Gateway runs.
 */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"

const ada = { id: 4711, firstName: "Ada" }

describe("a broken openclaw.json", () => {
  it.live("stops no conversation, neither a new one nor one that goes on", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const services = yield* Layer.build(
        GatewayTest.layer({
          config: {
            agents: { defaults: { model: "builtin/offline" } },
            channels: {
              telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [ada.id] }
            }
          }
        })
      )
      yield* bot.awaitPolling
      const { connect, stateDir } = Context.get(services, GatewayTest.GatewayTest)
      const file = `${stateDir}/openclaw.json`
      const good = readFileSync(file, "utf8")
      appendFileSync(file, "}")
      for (const text of ["hello", "hello again"]) {
        const sent = yield* bot.sendText({ from: ada, text })
        const reply = yield* bot.awaitReply({ chatId: ada.id, after: sent.messageId })
        assert.include(reply.text, "no language model")
      }
      const client = yield* connect()
      const { defaultAgentId } = yield* client.call.health({})
      assert.strictEqual(defaultAgentId, "main")
      writeFileSync(file, good)
    }).pipe(Effect.scoped)
  )
})
