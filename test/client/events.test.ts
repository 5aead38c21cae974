import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { GatewayClient } from "../../src/client/index.ts"
import { fakeGateway, options, pair, start } from "./fakeGateway.ts"

describe("events", () => {
  it.effect("come decoded, from hello-ok on, also those before anybody read", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      yield* peer.event("node.invoke.request", { id: "i1", nodeId: "n", command: "system.run", tomorrow: 1 })
      yield* peer.event("tick", { ts: 5 }, 1)
      yield* peer.event("event.of.tomorrow", { x: 1 }, 2)
      yield* peer.event("tick", { ts: "not a number" }, 3)
      const events = yield* client.events.pipe(Stream.take(4), Stream.runCollect)
      assert.deepStrictEqual(
        events.map((event) => [event.event, event.payload, event.seq]),
        [
          ["node.invoke.request", { id: "i1", nodeId: "n", command: "system.run" }, undefined],
          ["tick", { ts: 5 }, 1],
          ["*", { x: 1 }, 2],
          ["*", { ts: "not a number" }, 3]
        ]
      )
    })
  )

  it.effect("`on` gives one event's payloads, and ends with the connection", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const shutdowns = yield* start(Stream.runCollect(client.on("shutdown")))
      yield* peer.event("tick", { ts: 1 }, 1)
      yield* peer.event("shutdown", { reason: "gateway stopping" }, 2)
      yield* peer.close(1012, "service restart")
      assert.deepStrictEqual(yield* Fiber.join(shutdowns), [{ reason: "gateway stopping" }])
    })
  )

  it.effect("a reader that does not keep up is stopped, and nobody else waits for it", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const gate = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const stuck = yield* client.events.pipe(
        Stream.runForEach(() => Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(gate))),
        Effect.flip,
        start
      )
      yield* peer.event("tick", { ts: 0 }, 1)
      yield* Deferred.await(started)
      for (let index = 0; index < 5000; index++) yield* peer.event("tick", { ts: index }, index + 2)
      const call = yield* start(client.call.health({}))
      yield* peer.answer((yield* peer.next).id, {})
      yield* Fiber.join(call)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(stuck))._tag, "EventsOverflowed")
    })
  )
})

describe("what keeps a connection honest", () => {
  it.effect("silence for two ticks closes it with 4000", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      yield* TestClock.adjust("1900 millis")
      yield* peer.event("tick", { ts: 1 }, 1)
      yield* client.on("tick").pipe(Stream.take(1), Stream.runDrain)
      yield* TestClock.adjust("1900 millis")
      assert.isUndefined((yield* start(client.closed)).pollUnsafe())
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* client.closed).code, 4000)
      assert.deepStrictEqual(yield* peer.closed, { code: 4000, reason: "tick timeout" })
    })
  )

  it.effect("a half-open connection ends although the peer never answers the close", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const call = yield* start(Effect.flip(client.call.health({})))
      yield* peer.next
      peer.socket.pause()
      yield* TestClock.adjust("2 seconds")
      const error = yield* Fiber.join(call)
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 4000)
    })
  )

  it.effect("what is no frame is ignored, binary frames are read", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      yield* peer.text("garbage")
      yield* peer.text("[]")
      yield* peer.text(JSON.stringify({ type: "req", id: "x", method: "you.too" }))
      yield* peer.text(JSON.stringify({ type: "res", id: "nobody", ok: true }))
      const call = yield* start(client.call.health({}))
      const { id } = yield* peer.next
      yield* peer.text(Buffer.from(JSON.stringify({ type: "res", id, ok: true, payload: { ts: 4 } })))
      assert.strictEqual((yield* Fiber.join(call)).ts, 4)
    })
  )

  it.effect("the end of its scope fails what is still asked", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const asked = yield* Deferred.make<Fiber.Fiber<unknown, unknown>>()
      const life = yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* GatewayClient.make(options(gateway.endpoint))
          yield* Deferred.succeed(asked, yield* Effect.forkDetach(client.request("slow"), { startImmediately: true }))
          return yield* Effect.never
        })
      ).pipe(start)
      const peer = yield* gateway.accept
      yield* peer.welcome()
      yield* peer.next
      yield* Fiber.interrupt(life)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(yield* Deferred.await(asked))))
    })
  )
})
