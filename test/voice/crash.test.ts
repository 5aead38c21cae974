/** What was said to a device and acknowledged outlives a `kill -9`, and is answered once. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as ProviderServer from "../../src/testing/ProviderServer.ts"
import * as SpeakingNode from "../../src/testing/SpeakingNode.ts"
import { makeState, startProcess } from "../e2e/gatewayProcess.ts"

const ada = { id: 4711, firstName: "Ada" }

describe("kill -9 after a transcript was acknowledged", () => {
  it.live("is answered after the restart, once, where its user is; sent again it is the same turn", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const provider = Context.get(yield* Layer.build(ProviderServer.layer), ProviderServer.ProviderServer)
      const dir = yield* makeState({
        agents: { defaults: { model: "mock/m" } },
        models: {
          providers: {
            mock: { baseUrl: `${provider.url}/v1`, apiKey: "k", api: "openai-completions", models: [{ id: "m" }] }
          }
        },
        channels: { telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [ada.id] } }
      })
      yield* provider.push({ text: ["hello Ada"] }, { text: ["it is"], end: "hold" })
      const before = yield* startProcess(dir)
      yield* bot.sendText({ from: ada, text: "hi" })
      const first = yield* bot.awaitReply({ chatId: ada.id })
      const node = yield* SpeakingNode.make(before)
      assert.deepInclude(yield* node.say("what time is it", { eventId: "e1" }), { reason: "started" })
      // The model has begun to answer: the step is half done.
      yield* Effect.repeat(provider.requests, { until: (requests) => requests.length === 2 })
      yield* before.signal("SIGKILL")
      yield* before.ended

      yield* provider.push({ text: ["it is noon"] }, { text: ["later"] })
      const after = yield* startProcess(dir)
      const reply = yield* bot.awaitReply({ after: first.messageId })
      assert.strictEqual(reply.text, "it is noon")
      const again = yield* SpeakingNode.make({ connect: after.connect, device: node.device })
      assert.deepInclude(yield* again.say("what time is it", { eventId: "e1" }), { reason: "duplicate" })
      yield* bot.sendText({ from: ada, text: "more" })
      assert.strictEqual((yield* bot.awaitReply({ after: reply.messageId })).text, "later")
      assert.deepStrictEqual(
        (yield* bot.sent).map(({ text }) => text),
        ["hello Ada", "it is noon", "later"]
      )
    }).pipe(Effect.scoped)
  )
})
