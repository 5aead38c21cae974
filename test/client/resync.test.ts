import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { methodNames, repeatOf } from "../../src/protocol/MethodTable.ts"
import { type Peer, start } from "./fakeGateway.ts"
import { mismatch, setup, until } from "./reconnecting.ts"

/** What `resynced` gives, one at a time. */
const following = Effect.gen(function* () {
  const { client, gateway } = yield* setup()
  const seen = yield* Queue.unbounded<unknown>()
  const reader = yield* client.resynced(client.call["node.list"]({})).pipe(
    Stream.runForEach(({ ts }) => Queue.offer(seen, ts)),
    start
  )
  const answer = (peer: Peer, ts: number) =>
    Effect.flatMap(peer.next, ({ id, method }) => {
      assert.strictEqual(method, "node.list")
      return peer.answer(id, { ts, nodes: [] })
    })
  return { client, gateway, seen: Queue.take(seen), reader, answer }
})

describe("what is kept in step", () => {
  it.effect("is fetched at first, after a gap and after a reconnect, and not for events that came", () =>
    Effect.gen(function* () {
      const { answer, client, gateway, seen } = yield* following
      const first = yield* gateway.accept
      yield* first.welcome()
      yield* answer(first, 1)
      assert.strictEqual(yield* seen, 1)
      yield* first.event("tick", { ts: 1 }, 1)
      yield* first.event("tick", { ts: 2 }, 2)
      yield* first.event("tick", { ts: 3 }, 5)
      yield* answer(first, 2)
      assert.strictEqual(yield* seen, 2)
      yield* first.vanish
      yield* TestClock.adjust((yield* until(client, "Waiting")).delayMs)
      const second = yield* gateway.accept
      yield* second.welcome()
      yield* answer(second, 3)
      assert.strictEqual(yield* seen, 3)
      // A first event with another number than 1 is a gap too.
      yield* second.event("tick", { ts: 1 }, 2)
      yield* answer(second, 4)
      assert.strictEqual(yield* seen, 4)
    })
  )

  it.effect("is fetched on the next connection when this one ended first", () =>
    Effect.gen(function* () {
      const { answer, client, gateway, seen } = yield* following
      const first = yield* gateway.accept
      yield* first.welcome()
      yield* first.next
      yield* first.vanish
      yield* TestClock.adjust((yield* until(client, "Waiting")).delayMs)
      const second = yield* gateway.accept
      yield* second.welcome()
      const { id } = yield* second.next
      yield* second.answer(id, { ts: 7, nodes: [] })
      // What was asked before the client knew that it is connected again may be asked once more.
      const more = yield* start(answer(second, 7))
      assert.strictEqual(yield* seen, 7)
      yield* Fiber.interrupt(more)
    })
  )

  it.effect("ends in the error that stopped the client", () =>
    Effect.gen(function* () {
      const { gateway, reader } = yield* following
      yield* (yield* gateway.accept).reject(mismatch(false))
      assert.strictEqual((yield* Effect.flip(Fiber.join(reader)))._tag, "HandshakeRejected")
    })
  )
})

it("the table says which methods may be asked twice", () => {
  const keyed = methodNames.filter((name) => repeatOf(name) === "keyed")
  for (const name of ["agent", "chat.send", "send"]) assert.include(keyed, name)
  assert.strictEqual(repeatOf("node.pair.list"), "safe")
  assert.strictEqual(repeatOf("health"), "safe")
  for (const name of ["node.invoke", "chat.abort", "node.event", "gateway.restart.request", "foo.list"]) {
    assert.strictEqual(repeatOf(name), "never", name)
  }
})
