import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { TestClock } from "effect/testing"
import {
  type ConnectionState,
  DeviceIdentity,
  DeviceTokens,
  ReconnectingClient,
  type ReconnectOptions
} from "../../src/client/index.ts"
import { deviceToken, token } from "../../src/domain/Credential.ts"
import { Supervisor } from "../../src/services/Supervisor.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import { fakeGateway, hello, options } from "./fakeGateway.ts"
import { temporaryStateDir } from "./stateDir.ts"

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkScoped(effect, { startImmediately: true })

const setup = (more: Partial<ReconnectOptions> = {}) =>
  Effect.gen(function* () {
    const gateway = yield* fakeGateway
    const client = yield* ReconnectingClient.make({ ...options(gateway.endpoint), ...more })
    return { gateway, client }
  })

/** The next state of this kind. */
const until = <Tag extends ConnectionState["_tag"]>(client: ReconnectingClient["Service"], tag: Tag) =>
  SubscriptionRef.changes(client.state).pipe(
    Stream.filter((state): state is Extract<ConnectionState, { _tag: Tag }> => state._tag === tag),
    Stream.take(1),
    Stream.runCollect,
    Effect.map((states) => states[0] as Extract<ConnectionState, { _tag: Tag }>)
  )

const mismatch = (canRetryWithDeviceToken: boolean) => ({
  code: "INVALID_REQUEST",
  message: "unauthorized: gateway token mismatch",
  details: { code: "AUTH_TOKEN_MISMATCH", canRetryWithDeviceToken, recommendedNextStep: "retry_with_device_token" }
})

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
      assert.isAbove(new Set(waits).size, 3)
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

  it.effect("keeps asking for approval when told to", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup({ waitForPairing: true })
      yield* (yield* gateway.accept).reject({ code: "NOT_PAIRED", message: "m", details: { code: "PAIRING_REQUIRED" } })
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
      const call = yield* start(Effect.flip(client.call.status({}, { timeout: "3 seconds" })))
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(call)
      assert(error._tag === "RequestTimeout")
      assert.isFalse(error.sent)
      assert.include(error.message, "Nothing happened")
    })
  )
})

describe("device tokens in a handshake", () => {
  const withDevice = Effect.gen(function* () {
    const device = yield* DeviceIdentity.load
    const deviceTokens = yield* DeviceTokens.make
    const { client, gateway } = yield* setup({ device, deviceTokens, credentials: [token("old-secret")] })
    const key = { endpoint: gateway.endpoint, deviceId: device.id, role: "operator" }
    return { client, gateway, deviceTokens, key }
  })
  const auth = (deviceTokenText: string) => ({
    auth: { role: "operator", scopes: ["operator.read"], deviceToken: deviceTokenText }
  })

  it.effect("are stored from hello-ok and replace a wrong secret once", () =>
    Effect.gen(function* () {
      const { client, deviceTokens, gateway, key } = yield* withDevice
      const first = yield* gateway.accept
      yield* first.welcome(auth("dt-1"))
      yield* until(client, "Connected")
      assert.deepStrictEqual((yield* deviceTokens.get(key))?.scopes, ["operator.read"])
      yield* first.vanish
      yield* TestClock.adjust((yield* until(client, "Waiting")).delayMs)
      const refusing = yield* gateway.accept
      assert.deepStrictEqual((yield* refusing.reject(mismatch(true))).params["auth"], { token: "old-secret" })
      const accepting = yield* gateway.accept
      assert.deepStrictEqual((yield* accepting.welcome(auth("dt-2"))).params["auth"], { deviceToken: "dt-1" })
      yield* until(client, "Connected")
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("are tried once only, then the client stops and forgets a refused one", () =>
    Effect.gen(function* () {
      const { client, deviceTokens, gateway, key } = yield* withDevice
      const first = yield* gateway.accept
      yield* deviceTokens.put(key, { token: deviceToken("dt-0"), scopes: [] })
      yield* first.reject({ code: "UNAVAILABLE", message: "starting" })
      yield* TestClock.adjust((yield* until(client, "Waiting")).delayMs)
      yield* (yield* gateway.accept).reject(mismatch(true))
      yield* (yield* gateway.accept).reject({
        code: "INVALID_REQUEST",
        message: "unauthorized: device token mismatch",
        details: { code: "AUTH_DEVICE_TOKEN_MISMATCH" }
      })
      const stopped = yield* until(client, "Stopped")
      assert(stopped.error._tag === "HandshakeRejected")
      assert.strictEqual(stopped.error.detailCode, "AUTH_DEVICE_TOKEN_MISMATCH")
      assert.isUndefined(yield* deviceTokens.get(key))
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("stand in for missing credentials, with the scopes that came with them", () =>
    Effect.gen(function* () {
      const device = yield* DeviceIdentity.load
      const deviceTokens = yield* DeviceTokens.make
      const gateway = yield* fakeGateway
      yield* deviceTokens.put(
        { endpoint: gateway.endpoint, deviceId: device.id, role: "operator" },
        { token: deviceToken("dt-7"), scopes: ["operator.read", "operator.write"] }
      )
      yield* ReconnectingClient.make({ ...options(gateway.endpoint), scopes: undefined, device, deviceTokens })
      const { params } = yield* (yield* gateway.accept).welcome()
      assert.deepStrictEqual(params["auth"], { deviceToken: "dt-7" })
      assert.deepStrictEqual(params["scopes"], ["operator.read", "operator.write"])
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("never show in an error about hello-ok", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const canary = hello({ auth: { role: 7, scopes: "canary-scope", deviceToken: ["canary-4411"] } })
      yield* (yield* gateway.accept).welcome(canary)
      const { error } = yield* until(client, "Waiting")
      assert.strictEqual(error._tag, "ProtocolViolation")
      assert.notInclude(`${error.message}${JSON.stringify(error)}`, "canary")
    })
  )
})
