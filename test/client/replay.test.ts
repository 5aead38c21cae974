/** A call whose connection is lost: where it may be sent once more, and what is said of it where not. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { KEPT_KEYS } from "../../src/protocol/Connect.ts"
import { start } from "./fakeGateway.ts"
import { mismatch, setup, until } from "./reconnecting.ts"

describe("a call that lost its connection", () => {
  it.effect.each([
    ["a Gateway that was started anew and may have forgotten its key", { bootId: "boot-2" }, [], false],
    ["a Gateway that does not say which one it is", {}, [], false],
    ["a Gateway that keeps keys", { bootId: "boot-2" }, [KEPT_KEYS], true]
  ] as const)("that has a key goes to the next connection of the same Gateway: %s", ([, boot, capabilities, repeats]) =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const keyed = yield* start(Effect.exit(client.call.send({ to: "1", message: "m", idempotencyKey: "k" })))
      const read = yield* start(client.call["node.list"]({}))
      const first = yield* gateway.accept
      yield* first.welcome()
      yield* first.next
      yield* first.next
      yield* first.vanish
      const waiting = yield* until(client, "Waiting")
      yield* TestClock.adjust(waiting.delayMs)
      const second = yield* gateway.accept
      const server = { version: "2026.9.6", connId: "conn-2", ...boot }
      yield* second.welcome({ server, features: { methods: ["health"], events: ["tick"], capabilities } })
      const methods: Array<string> = []
      for (const _ of repeats ? [1, 2] : [1]) {
        const frame = yield* second.next
        methods.push(frame.method)
        const sent = { runId: "k", messageId: "m", channel: "telegram", chatId: "1" }
        yield* second.answer(frame.id, frame.method === "send" ? sent : { nodes: [] })
      }
      assert.deepStrictEqual(methods.sort(), repeats ? ["node.list", "send"] : ["node.list"])
      yield* Fiber.join(read)
      const exit = yield* Fiber.join(keyed)
      if (repeats) assert.isTrue(Exit.isSuccess(exit))
      else {
        const error = Option.getOrThrow(Exit.findErrorOption(exit))
        assert(error._tag === "ConnectionClosed")
        assert.deepStrictEqual(error.request, { method: "send", sent: true })
      }
    })
  )

  it.effect("that was sent is not said to be harmless when the client stops for good", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const read = yield* start(Effect.flip(client.call["node.list"]({})))
      const first = yield* gateway.accept
      yield* first.welcome()
      yield* first.next
      yield* first.vanish
      const waiting = yield* until(client, "Waiting")
      yield* TestClock.adjust(waiting.delayMs)
      yield* (yield* gateway.accept).reject(mismatch(false))
      const error = yield* Fiber.join(read)
      assert(error._tag === "ConnectionClosed")
      assert.deepStrictEqual(error.request, { method: "node.list", sent: true })
    })
  )
})
