import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { TestClock } from "effect/testing"
import type { ReconnectingClient } from "../../src/client/index.ts"
import { Supervisor } from "../../src/services/Supervisor.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import { type fakeGateway, start } from "./fakeGateway.ts"
import { mismatch, setup, until } from "./reconnecting.ts"

describe("a connection that is kept", () => {
  it.effect("comes back after a lost connection, waiting a random time below a growing limit", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const waits: Array<number> = []
      for (let round = 0; round < 6; round++) {
        const peer = yield* gateway.accept
        yield* peer.challenge
        yield* peer.vanish
        const waiting = yield* until(client, "Waiting")
        assert.strictEqual(waiting.error._tag, "ConnectionClosed")
        waits.push(waiting.delayMs)
        yield* TestClock.adjust(waiting.delayMs)
      }
      const peer = yield* gateway.accept
      yield* peer.welcome()
      const connected = yield* until(client, "Connected")
      assert.strictEqual(connected.hello.server.connId, "conn-1")
      assert.strictEqual((yield* client.ready).server.version, "2026.9.6")
      waits.forEach((wait, attempt) => assert.isAtMost(wait, Math.min(30_000, 1000 * 2 ** attempt)))
      // Full jitter: drawn from the whole range, not just below its end.
      assert.isTrue(waits.some((wait, attempt) => wait < 500 * 2 ** attempt))
      assert.isTrue(waits.some((wait, attempt) => wait > 500 * 2 ** attempt))
    }).pipe(Random.withSeed("reconnect"))
  )

  it.effect("waits as long as the Gateway asks, and goes on reading events on the next connection", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const ticks = yield* start(client.on("tick").pipe(Stream.take(2), Stream.runCollect))
      yield* (yield* gateway.accept).reject({
        code: "UNAVAILABLE",
        message: "gateway starting",
        retryable: true,
        retryAfterMs: 60_000
      })
      const waiting = yield* until(client, "Waiting")
      assert.isAtLeast(waiting.delayMs, 60_000)
      yield* TestClock.adjust(waiting.delayMs)
      const first = yield* gateway.accept
      yield* first.welcome()
      yield* first.event("tick", { ts: 1 }, 1)
      yield* first.close(1012, "service restart")
      const again = yield* until(client, "Waiting")
      yield* TestClock.adjust(again.delayMs)
      const second = yield* gateway.accept
      yield* second.welcome()
      yield* second.event("tick", { ts: 2 }, 1)
      assert.deepStrictEqual(yield* Fiber.join(ticks), [{ ts: 1 }, { ts: 2 }])
    })
  )

  it.effect("comes back within two seconds whenever there was a connection, however often it is lost", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      for (let round = 0; round < 8; round++) {
        const peer = yield* gateway.accept
        yield* peer.welcome()
        yield* until(client, "Connected")
        yield* TestClock.adjust("100 millis")
        yield* peer.vanish
        const waiting = yield* until(client, "Waiting")
        assert.isAtMost(waiting.delayMs, 2_000)
        yield* TestClock.adjust(waiting.delayMs)
      }
      // A Gateway that starts takes no connections for a while.
      for (let round = 0; round < 8; round++) {
        yield* (yield* gateway.accept).vanish
        const waiting = yield* until(client, "Waiting")
        assert.isAtMost(waiting.delayMs, 2_000)
        yield* TestClock.adjust(waiting.delayMs)
      }
    })
  )

  it.effect("counts broadcasts that it missed", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const peer = yield* gateway.accept
      yield* peer.welcome()
      yield* peer.event("tick", { ts: 1 }, 1)
      yield* peer.event("tick", { ts: 2 }, 5)
      yield* peer.event("node.invoke.request", { id: "i", nodeId: "n", command: "c" })
      yield* peer.event("tick", { ts: 3 }, 6)
      yield* client.on("tick").pipe(Stream.take(3), Stream.runDrain)
      const state = yield* SubscriptionRef.get(client.state)
      assert(state._tag === "Connected")
      assert.strictEqual(state.missedEvents, 3)
      assert.deepStrictEqual(state.lastGap, { expected: 2, received: 5 })
    })
  )

  it.effect("leaves a Gateway that has gone silent", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const peer = yield* gateway.accept
      yield* peer.welcome()
      yield* until(client, "Connected")
      peer.socket.pause()
      yield* TestClock.adjust("2 seconds")
      const waiting = yield* until(client, "Waiting")
      assert(waiting.error._tag === "ConnectionClosed")
      assert.strictEqual(waiting.error.code, 4000)
    })
  )

  it.effect.each<readonly [string, unknown]>([
    ["pairing required", { code: "NOT_PAIRED", message: "m", details: { code: "PAIRING_REQUIRED", retryable: true } }],
    ["a wrong token", mismatch(false)],
    ["a retry that has no device token", mismatch(true)]
  ])("stops when waiting cannot help: %s", ([, error]) =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const call = yield* start(Effect.flip(client.call.health({})))
      yield* (yield* gateway.accept).reject(error)
      const state = yield* until(client, "Stopped")
      assert.strictEqual(state.error._tag, "HandshakeRejected")
      assert.strictEqual((yield* Effect.flip(client.ready))._tag, "HandshakeRejected")
      const failed = yield* Fiber.join(call)
      assert(failed._tag === "ConnectionClosed")
      assert.deepStrictEqual(failed.request, { method: "health", sent: false })
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* gateway.waiting, 0)
    })
  )

  it.effect("stops when another process uses its identity, and not when a Gateway closes for another reason", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const first = yield* gateway.accept
      yield* first.welcome()
      yield* first.close(1008, "slow consumer")
      const waiting = yield* until(client, "Waiting")
      yield* TestClock.adjust(waiting.delayMs)
      const second = yield* gateway.accept
      yield* second.welcome()
      yield* second.close(1008, "replaced by a newer connection of this node")
      const { error } = yield* until(client, "Stopped")
      assert.include(error.message, "another process that uses the same identity")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* gateway.waiting, 0)
    })
  )

  it.effect.each<readonly [string, boolean, object]>([
    ["by its caller", true, {}],
    ["by the Gateway, which says that an approval is on its way", false, { recommendedNextStep: "wait_then_retry" }]
  ])("keeps asking for approval when told to: %s", ([, waitForPairing, more]) =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup({ waitForPairing })
      const details = { code: "PAIRING_REQUIRED", ...more }
      yield* (yield* gateway.accept).reject({ code: "NOT_PAIRED", message: "m", details })
      const waiting = yield* until(client, "Waiting")
      yield* TestClock.adjust(waiting.delayMs)
      yield* (yield* gateway.accept).welcome()
      yield* client.ready
    })
  )

  it.effect("is in the supervision tree where there is one", () =>
    Effect.gen(function* () {
      const { gateway } = yield* setup({ name: "client/demo" })
      yield* (yield* gateway.accept).welcome()
      const { tree } = yield* Supervisor
      assert.deepStrictEqual(
        (yield* tree).map((row) => [row.name, row.state]),
        [["client/demo", "running"]]
      )
    }).pipe(Effect.provide(SupervisorLive.layer))
  )
})

describe("a call on a kept connection", () => {
  const lose = (gateway: Effect.Success<typeof fakeGateway>, client: ReconnectingClient["Service"]) =>
    Effect.gen(function* () {
      const waiting = yield* until(client, "Waiting")
      yield* TestClock.adjust(waiting.delayMs)
      const peer = yield* gateway.accept
      yield* peer.welcome()
      return peer
    })

  it.effect("waits for the first connection", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const call = yield* start(client.call.health({}))
      const peer = yield* gateway.accept
      yield* peer.welcome()
      yield* peer.answer((yield* peer.next).id, { ts: 3 })
      assert.strictEqual((yield* Fiber.join(call)).ts, 3)
    })
  )

  it.effect("that only reads, or has an idempotency key, is sent once more", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const read = yield* start(client.call["node.list"]({}))
      const first = yield* gateway.accept
      yield* first.welcome()
      yield* first.next
      const keyed = yield* start(client.call["chat.send"]({ sessionKey: "main", message: "m", idempotencyKey: "k" }))
      yield* first.next
      yield* first.vanish
      const second = yield* lose(gateway, client)
      for (const _ of [1, 2]) {
        const frame = yield* second.next
        if (frame.method === "chat.send") {
          assert.strictEqual(frame.params["idempotencyKey"], "k")
          yield* second.answer(frame.id, { runId: "k", status: "in_flight" })
        } else {
          assert.strictEqual(frame.method, "node.list")
          yield* second.answer(frame.id, { nodes: [] })
        }
      }
      assert.deepStrictEqual(yield* Fiber.join(read), { nodes: [] })
      assert.deepStrictEqual(yield* Fiber.join(keyed), { runId: "k", status: "in_flight" })
    })
  )

  it.effect("is not sent a third time", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const read = yield* start(Effect.flip(client.call["node.list"]({})))
      const first = yield* gateway.accept
      yield* first.welcome()
      yield* first.next
      yield* first.vanish
      const second = yield* lose(gateway, client)
      yield* second.next
      yield* second.vanish
      const error = yield* Fiber.join(read)
      assert(error._tag === "ConnectionClosed")
      assert.deepStrictEqual(error.request, { method: "node.list", sent: true })
    })
  )

  it.effect.each<readonly [string, unknown]>([
    ["chat.abort", { sessionKey: "main" }],
    ["node.invoke", { nodeId: "n", command: "c", idempotencyKey: "k" }],
    ["config.patch", {}]
  ])("that may have happened is not repeated: %s", ([method, params]) =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const call = yield* start(Effect.flip(client.request(method, params)))
      const peer = yield* gateway.accept
      yield* peer.welcome()
      yield* peer.next
      yield* peer.close(1012, "service restart")
      const error = yield* Fiber.join(call)
      assert(error._tag === "ConnectionClosed")
      assert.deepStrictEqual(error.request, { method, sent: true })
      assert.include(error.message, "unknown")
    })
  )

  it.effect("that streams goes on with its key on the next connection", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const seen = yield* Deferred.make<void>()
      const run = yield* client.call.agent({ message: "m", idempotencyKey: "k" }).pipe(
        Stream.tap(() => Deferred.succeed(seen, undefined)),
        Stream.runCollect,
        start
      )
      const first = yield* gateway.accept
      yield* first.welcome()
      yield* first.answer((yield* first.next).id, { runId: "r", status: "accepted", acceptedAt: 1 })
      yield* Deferred.await(seen)
      yield* first.vanish
      const second = yield* lose(gateway, client)
      const frame = yield* second.next
      assert.strictEqual(frame.params["idempotencyKey"], "k")
      yield* second.answer(frame.id, { runId: "r", status: "ok" })
      assert.deepStrictEqual(
        (yield* Fiber.join(run)).map((answer) => answer.status),
        ["accepted", "ok"]
      )
    })
  )

  it.effect("without any connection ends at its deadline, and says that nothing was sent", () =>
    Effect.gen(function* () {
      const { client } = yield* setup()
      const asked = Stream.runDrain(client.call.agent({ message: "m", idempotencyKey: "k" }, { timeout: "3 seconds" }))
      for (const ask of [client.call.status({}, { timeout: "3 seconds" }), asked]) {
        const call = yield* start(Effect.flip(Effect.asVoid(ask)))
        yield* TestClock.adjust("3 seconds")
        const error = yield* Fiber.join(call)
        assert(error._tag === "RequestTimeout")
        assert.isFalse(error.sent)
        assert.include(error.message, "Nothing happened")
      }
    })
  )
})
