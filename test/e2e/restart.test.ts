/**
 * An orderly stop in the middle of a turn, and what the next start makes of it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type * as BotApi from "../../src/testing/BotApi.ts"
import { startProcess } from "./gatewayProcess.ts"
import { ada, attic, stateFor, withAttic } from "./kit.ts"

const setUp = stateFor(ada)

const texts = (bot: BotApi.BotApiServer) => Effect.map(bot.sent, (sent) => sent.map(({ text }) => text))

describe("SIGTERM in the middle of a turn", () => {
  it.live("is announced, ends the process in order, and the turn resumes without its finished steps", () =>
    Effect.gen(function* () {
      const { bot, dir, provider } = yield* setUp
      yield* provider.push(
        { toolCalls: [{ id: "c1", name: "nodes", arguments: '{"action":"list"}' }] },
        { text: ["half"], end: "hold" }
      )
      const before = yield* startProcess(dir)
      const client = yield* before.connect()
      const told = yield* client.on("shutdown").pipe(Stream.runHead, Effect.forkScoped({ startImmediately: true }))
      const half = yield* client.on("chat").pipe(
        Stream.filter(({ state }) => state === "delta"),
        Stream.runHead,
        Effect.forkScoped({ startImmediately: true })
      )
      yield* bot.sendText({ from: ada, text: "hello" })
      yield* Fiber.join(half)
      const { supervisor } = yield* client.call.status({})
      assert.deepInclude(
        supervisor?.find(({ name }) => name === "sessions/agent:main:main"),
        { state: "running" }
      )

      yield* before.signal("SIGTERM")
      assert.strictEqual((yield* Fiber.join(told))._tag, "Some")
      assert.deepInclude(yield* client.closed, { code: 1012, reason: "service restart" })
      assert.strictEqual(yield* before.ended, 0)
      assert.deepStrictEqual(yield* texts(bot), [])

      yield* provider.push({ text: ["the whole answer"] })
      const after = yield* startProcess(dir)
      assert.strictEqual((yield* bot.awaitReply({ chatId: ada.id })).text, "the whole answer")
      // Once more the call that was cut, with the result of the one that was not.
      const requests = yield* provider.requests
      assert.lengthOf(requests, 3)
      assert.include(JSON.stringify(requests[2]?.body), `"role":"tool"`)
      const again = yield* after.connect()
      const idle = again.call
        .status({})
        .pipe(
          Effect.repeat({ until: (status) => !status.supervisor?.some(({ name }) => name.startsWith("sessions/")) })
        )
      yield* idle
      assert.deepStrictEqual(yield* texts(bot), ["the whole answer"])
    }).pipe(Effect.scoped)
  )

  it.live("leaves a command on its node alone, and finds its answer there after the restart", () =>
    Effect.gen(function* () {
      const { bot, dir, provider } = yield* setUp
      const asNode = yield* attic
      const before = yield* startProcess(dir)
      const { asked, node } = yield* withAttic(before, provider, asNode)
      const cancelled = yield* node
        .on("node.invoke.cancel")
        .pipe(Stream.runHead, Effect.forkScoped({ startImmediately: true }))
      yield* bot.sendText({ from: ada, text: "what is attic?" })
      const first = yield* Fiber.join(asked)
      assert(first._tag === "Some")
      yield* before.signal("SIGTERM")
      assert.strictEqual(yield* before.ended, 0)
      assert.deepInclude(yield* node.closed, { code: 1012 })
      assert.strictEqual((yield* Fiber.join(cancelled))._tag, "None")

      yield* provider.push({ text: ["an attic"] })
      const after = yield* startProcess(dir)
      const again = yield* after.connect(asNode)
      const second = yield* Stream.runHead(again.on("node.invoke.request"))
      assert(second._tag === "Some")
      assert.strictEqual(second.value.idempotencyKey, first.value.idempotencyKey)
      assert.deepStrictEqual([first.value.recall, second.value.recall], [undefined, true])
      yield* again.call["node.invoke.result"]({
        id: second.value.id,
        nodeId: second.value.nodeId,
        ok: true,
        payloadJSON: `{"deviceName":"Attic"}`
      })
      assert.strictEqual((yield* bot.awaitReply({ chatId: ada.id })).text, "an attic")
      const requests = yield* provider.requests
      assert.lengthOf(requests, 2)
      assert.include(JSON.stringify(requests[1]?.body), "deviceName")
    }).pipe(Effect.scoped)
  )
})
