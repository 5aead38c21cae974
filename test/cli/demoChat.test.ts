import { assert, describe, it } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Chat from "../../src/cli/commands/demo/chat.ts"
import * as Hops from "../../src/cli/commands/demo/hops.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

const ada = { id: 4711, firstName: "Ada" }

describe("the demo's chat", () => {
  it.live("prints the whole of an answer that takes several messages, and nothing of it again", () =>
    Effect.gen(function* () {
      const words = Array.from({ length: 2_000 }, (_, index) => `w${index}`)
      const bot = yield* BotApi.serve()
      const config = {
        channels: {
          telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist" as const, allowFrom: [ada.id] }
        }
      }
      const models = ScriptedModel.layer([{ text: words.join(" ") }, { text: "short" }])
      const services = yield* Layer.build(GatewayTest.layer({ models, config }))
      const printed: Array<string> = []
      const console = {
        ...globalThis.console,
        log: (...values: ReadonlyArray<unknown>) => printed.push(values.join(" "))
      }
      const said = () => printed.splice(0).filter((line) => !line.includes("→"))
      const ask = Chat.ask(bot, ada, yield* Hops.make)
      const send = (text: string) =>
        ask(text).pipe(Effect.provideContext(services), Effect.provideService(Console.Console, console))

      yield* bot.awaitPolling
      yield* send("tell me all")
      assert.deepStrictEqual(said().join(" ").trim().split(/\s+/), words)
      yield* send("and now")
      assert.deepStrictEqual(said(), ["\nshort", ""])
      yield* send("/status")
      assert.include(said().join(), "Nothing is running here.")
    }).pipe(Effect.scoped)
  )
})
