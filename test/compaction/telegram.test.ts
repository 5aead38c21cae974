/** `/compact` from a chat: the answer comes back there, and the next message is told the summary. */
import { assert, describe, it } from "@effect/vitest"
import type * as Prompt from "effect/ai/Prompt"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SUMMARY_INTRO } from "../../src/layers/agent/history.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

const ada = { id: 4711, firstName: "Ada" }
const textOf = (message: Prompt.Message | undefined) => JSON.stringify(message?.content)

describe("/compact", () => {
  it.live("from Telegram is answered there", () =>
    Effect.gen(function* () {
      const scripted = yield* Layer.build(
        ScriptedModel.layer([{ text: "one" }, { text: "two" }, { text: "the summary" }, { text: "three" }])
      )
      const bot = yield* BotApi.serve()
      yield* Layer.build(
        GatewayTest.layer({
          models: Layer.succeedContext(scripted),
          config: {
            channels: {
              telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [ada.id] }
            }
          }
        })
      )
      yield* bot.awaitPolling
      let after = 0
      const say = Effect.fnUntraced(function* (text: string, expected: RegExp) {
        yield* bot.sendText({ from: ada, text })
        const reply = yield* bot.awaitReply({
          chatId: ada.id,
          after,
          matching: (message) => expected.test(message.text)
        })
        after = reply.messageId
        return reply.text
      })
      yield* say("first", /^one$/)
      yield* say("second", /^two$/)
      assert.match(yield* say("/compact what matters", /^⚙️/), /^⚙️ Compacted \(\d+ → \d+ tokens\)$/)
      yield* say("third", /^three$/)
      const calls = yield* Context.get(scripted, ScriptedModel.ScriptedModel).calls
      assert.include(textOf(calls[2]?.at(-1)), "Look above all at this: what matters")
      assert.include(textOf(calls[3]?.[1]), SUMMARY_INTRO)
      assert.notInclude(JSON.stringify(calls[3]), "/compact")
    }).pipe(Effect.scoped)
  )
})
