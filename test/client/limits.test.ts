/** What a client does at the edges: frames that are too large, a Gateway of another version, one that does not read. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { TestClock } from "effect/testing"
import { GatewayClient } from "../../src/client/index.ts"
import type { Answer, Link } from "../../src/client/Link.ts"
import * as RpcFrames from "../../src/client/RpcFrames.ts"
import { fakeGateway, hello, options, pair, start } from "./fakeGateway.ts"
import { setup, until } from "./reconnecting.ts"

describe("a frame that is too large", () => {
  it.effect("is refused before it is sent, and no other call is hurt", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair({}, { policy: { ...hello().policy, maxPayload: 4096 } })
      const other = yield* start(client.call.health({}))
      const { id } = yield* peer.next
      const message = "ä".repeat(2048)
      for (const call of [
        client.call["chat.inject"]({ sessionKey: "main", message }),
        client.request("chat.inject", { sessionKey: "main", message })
      ]) {
        const error = yield* Effect.flip(call as Effect.Effect<unknown, { readonly _tag: string; message: string }>)
        assert.strictEqual(error._tag, "GatewayError")
        assert.match(error.message, /has \d{4} bytes.*takes at most 4096/)
      }
      // By its bytes, and to the last of them.
      const frame = JSON.stringify({ type: "req", id: crypto.randomUUID(), method: "m", params: { text: "" } })
      const fits = yield* start(client.request("m", { text: "x".repeat(4096 - frame.length) }))
      yield* peer.answer((yield* peer.next).id, { ok: true })
      assert.deepStrictEqual(yield* Fiber.join(fits), { ok: true })
      yield* peer.answer(id, { ts: 5 })
      assert.strictEqual((yield* Fiber.join(other)).ts, 5)
    })
  )

  it.live("from the Gateway ends the connection, and says why", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const call = yield* start(Effect.flip(client.call.health({})))
      yield* peer.answer((yield* peer.next).id, { text: "x".repeat(26_214_400) })
      const error = yield* Fiber.join(call)
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 1009)
      assert.include(error.message, "more than 26214400 bytes")
      assert.strictEqual((yield* peer.closed).code, 1009)
    })
  )
})

describe("a Gateway of another version", () => {
  it.effect.each([3, 5])("is left for good: hello-ok of protocol %s", (protocol) =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      yield* (yield* gateway.accept).welcome({ protocol })
      const { error } = yield* until(client, "Stopped")
      assert(error._tag === "HandshakeRejected")
      assert.strictEqual(error.detailCode, "PROTOCOL_MISMATCH")
      assert.include(error.message, `protocol ${protocol}`)
      assert.include(error.message, "same version")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* gateway.waiting, 0)
    })
  )

  it.effect("may be a version older for those who ask for that", () =>
    Effect.gen(function* () {
      const { client } = yield* pair({ minProtocol: 3 }, { protocol: 3 })
      assert.strictEqual(client.hello.protocol, 3)
    })
  )

  it.effect("says more than this client knows: its details are kept as they are", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const client = yield* start(Effect.flip(Effect.scoped(GatewayClient.make(options(gateway.endpoint)))))
      const details = { code: "OF_TOMORROW", approvedScopes: ["operator.read"], deep: [1, null] }
      yield* (yield* gateway.accept).reject({ code: "NOT_PAIRED", message: "m", details })
      const error = yield* Fiber.join(client)
      assert(error._tag === "HandshakeRejected")
      assert.deepStrictEqual(error.details, details)
    })
  )
})

describe("the numbers that a Gateway gives", () => {
  it.effect("a tick every millisecond is not believed: a moment's pause is no silence", () =>
    Effect.gen(function* () {
      const { client } = yield* pair({}, { policy: { ...hello().policy, tickIntervalMs: 1 } })
      const closed = yield* start(client.closed)
      yield* TestClock.adjust("1900 millis")
      assert.isUndefined(closed.pollUnsafe())
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* Fiber.join(closed)).code, 4000)
    })
  )

  it.effect("a wait of years is an hour", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const error = { code: "UNAVAILABLE", message: "m", retryable: true, retryAfterMs: 1e15 }
      yield* (yield* gateway.accept).reject(error)
      assert.isAtMost((yield* until(client, "Waiting")).delayMs, 3_601_000)
    })
  )

  it.effect("an event's number that was there before is no gap", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const peer = yield* gateway.accept
      yield* peer.welcome()
      for (const seq of [1, 2, 2, 1, 3]) yield* peer.event("tick", { ts: seq }, seq)
      yield* client.on("tick").pipe(Stream.take(5), Stream.runDrain)
      const state = yield* SubscriptionRef.get(client.state)
      assert(state._tag === "Connected")
      assert.isUndefined(state.lastGap)
    })
  )
})

describe("one deadline for a call", () => {
  it.effect("counts over a lost connection: a call that was sent says that it may have happened", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const call = yield* start(Effect.flip(client.call["node.list"]({}, { timeout: "10 minutes" })))
      const first = yield* gateway.accept
      yield* first.welcome()
      yield* first.next
      yield* TestClock.adjust("800 millis")
      yield* first.vanish
      yield* TestClock.adjust((yield* until(client, "Waiting")).delayMs)
      const second = yield* gateway.accept
      yield* second.welcome({ policy: { ...hello().policy, tickIntervalMs: 86_400_000 } })
      yield* second.next
      yield* TestClock.adjust("10 minutes")
      const error = yield* Fiber.join(call)
      assert(error._tag === "RequestTimeout")
      assert.isTrue(error.sent)
      assert.strictEqual(error.timeoutMs, 600_000)
    })
  )

  it.live("ends a call for which there is no room on a connection that does not read, at once", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const peer = yield* gateway.accept
      yield* peer.welcome({ policy: { ...hello().policy, tickIntervalMs: 600_000 } })
      yield* client.ready
      peer.socket.pause()
      const params = { text: "x".repeat(20_000_000) }
      for (let count = 0; count < 4; count++) yield* start(Effect.exit(client.request("m", params)))
      const error = yield* Effect.flip(client.call["node.list"]({}))
      assert(error._tag === "ConnectionClosed")
      assert.deepStrictEqual(error.request, { method: "node.list", sent: false })
      assert.include(error.message, "does not read")
    })
  )
})

describe("what is not waited for any more", () => {
  it.effect("is forgotten also when the answer says that another one follows", () =>
    Effect.gen(function* () {
      const forgotten: Array<string> = []
      let asked: string | undefined
      const link: Link = {
        hello: undefined as never,
        closed: Effect.never,
        forget: (id) => void forgotten.push(id),
        send: ({ id }, onAnswer: (answer: Answer) => Effect.Effect<void>) => {
          asked = id
          return onAnswer({ _tag: "Ok", payload: { ts: 1, status: "accepted" }, more: true })
        }
      }
      const { one } = yield* RpcFrames.calls(link, "1 second")
      yield* one("health", {}, {})
      assert.deepStrictEqual(forgotten, [asked])
    })
  )

  it.effect("leaves no socket and no reader behind however often its connection is lost", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const open = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length
      const before = open()
      let most = 0
      for (let round = 0; round < 100; round++) {
        const peer = yield* gateway.accept
        yield* peer.welcome()
        yield* until(client, "Connected")
        const call = yield* start(Effect.exit(client.call["chat.abort"]({ sessionKey: "main" })))
        yield* peer.next
        most = Math.max(most, open() - before)
        yield* peer.vanish
        yield* Fiber.join(call)
        yield* TestClock.adjust((yield* until(client, "Waiting")).delayMs)
      }
      // Both ends of one connection, and of the one before it while it goes.
      assert.isAtMost(most, 4 + 2)
    })
  )

  it.live("leaves nothing behind after many connections", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const open = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length
      const before = open()
      const rounds = 100
      const seen = yield* Deferred.make<void>()
      const server = yield* Effect.gen(function* () {
        for (let round = 0; round < rounds; round++) {
          const peer = yield* gateway.accept
          yield* peer.welcome()
          yield* peer.answer((yield* peer.next).id, { nodes: [] })
        }
        yield* Deferred.succeed(seen, undefined)
      }).pipe(start)
      for (let round = 0; round < rounds; round++) {
        yield* Effect.scoped(
          Effect.flatMap(GatewayClient.make(options(gateway.endpoint)), (client) => client.call["node.list"]({}))
        )
      }
      yield* Deferred.await(seen)
      yield* Fiber.join(server)
      yield* Effect.sync(open).pipe(
        Effect.andThen((now) => Effect.as(Effect.sleep(5), now)),
        Effect.repeat({ until: (now) => now <= before })
      )
    })
  )
})
