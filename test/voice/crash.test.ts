/** What was said to a device and acknowledged outlives a `kill -9`, and is answered once. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as ProviderServer from "../../src/testing/ProviderServer.ts"
import * as SpeakingNode from "../../src/testing/SpeakingNode.ts"
import { makeState, startProcess } from "../e2e/gatewayProcess.ts"

const ada = { id: 4711, firstName: "Ada" }

const configured = (url: string) => ({
  agents: { defaults: { model: "mock/m" } },
  models: {
    providers: { mock: { baseUrl: `${url}/v1`, apiKey: "k", api: "openai-completions", models: [{ id: "m" }] } }
  }
})

describe("kill -9 after a transcript was acknowledged", () => {
  it.live("is answered after the restart, once, where its user is; sent again it is the same turn", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const provider = Context.get(yield* Layer.build(ProviderServer.layer), ProviderServer.ProviderServer)
      const dir = yield* makeState({
        ...configured(provider.url),
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

  it.live("without a chat is told to the device that comes back, and once", () =>
    Effect.gen(function* () {
      const provider = Context.get(yield* Layer.build(ProviderServer.layer), ProviderServer.ProviderServer)
      const dir = yield* makeState(configured(provider.url))
      yield* provider.push({ text: ["it is"], end: "hold" })
      const before = yield* startProcess(dir)
      const node = yield* SpeakingNode.make(before)
      yield* node.say("what time is it", { eventId: "e1" })
      yield* Effect.repeat(provider.requests, { until: (requests) => requests.length === 1 })
      yield* before.signal("SIGKILL")
      yield* before.ended

      yield* provider.push({ text: ["it is noon"] })
      const after = yield* startProcess(dir)
      const again = yield* SpeakingNode.make({ connect: after.connect, device: node.device })
      assert.deepStrictEqual(yield* again.reply, { state: "final", text: "it is noon" })
      assert.deepInclude(yield* again.say("what time is it", { eventId: "e1" }), { reason: "duplicate" })
      yield* after.signal("SIGKILL")
      yield* after.ended

      const last = yield* startProcess(dir)
      const third = yield* SpeakingNode.make({ connect: last.connect, device: node.device })
      yield* third.event("node.presence.alive", { trigger: "background" })
      assert.deepStrictEqual(yield* Effect.timeoutOption(third.next, 0), Option.none())
    }).pipe(Effect.scoped)
  )
})
