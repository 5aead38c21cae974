/** Requests whose callers left. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { ConnId, NodeId } from "../../src/domain/Ids.ts"
import { MOST_LEFT } from "../../src/layers/nodes/invoke.ts"
import { type InvokeOptions, NodeRegistry } from "../../src/services/NodeRegistry.ts"
import { approveAll, linux, live, wire } from "./kit.ts"

describe("a detached request", () => {
  it.effect("goes on when its caller leaves, but not more of them than are kept, nor after its deadline", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const socket = wire()
      yield* registry.connect(linux("n1", "c1", ["system.which"]), socket)
      yield* approveAll
      const asked = (key: string): InvokeOptions => ({
        nodeId: NodeId.make("n1"),
        command: "system.which",
        params: { bins: ["sh"] },
        idempotencyKey: key,
        timeoutMs: 60_000,
        detached: true
      })
      const leaves = Effect.fnUntraced(function* (key: string) {
        const call = yield* Effect.forkChild(registry.invoke(asked(key)), { startImmediately: true })
        while (!socket.sent.some(({ idempotencyKey }) => idempotencyKey === key)) yield* Effect.yieldNow
        yield* Fiber.interrupt(call)
      })
      for (let index = 0; index < MOST_LEFT + 2; index++) yield* leaves(`k${index}`)
      const ended = socket.sent.slice(MOST_LEFT).map(({ id }) => id)
      assert.deepStrictEqual(socket.cancelled, ended)
      // Whoever comes back has the answer.
      const back = yield* Effect.forkChild(registry.invoke(asked("k0")), { startImmediately: true })
      yield* registry.complete(ConnId.make("c1"), { id: socket.sent[0]!.id, nodeId: "n1", ok: true, payloadJSON: "1" })
      assert.strictEqual((yield* Fiber.join(back)).payload, 1)
      assert.lengthOf(socket.sent, MOST_LEFT + 2)
      // One has its answer, so there is room for one.
      yield* leaves("more")
      assert.deepStrictEqual(socket.cancelled, ended)
      yield* TestClock.adjust("60 seconds")
      assert.lengthOf(socket.cancelled, MOST_LEFT + 2)
      yield* leaves("later")
      assert.lengthOf(socket.cancelled, MOST_LEFT + 2)
    }).pipe(Effect.provide(live))
  )
})
