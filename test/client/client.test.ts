import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { pair, start } from "./fakeGateway.ts"

describe("a typed call", () => {
  it.effect("sends its params and decodes the answer; keys of a newer Gateway are ignored", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const call = yield* start(client.call["node.list"]({}))
      const request = yield* peer.next
      assert.strictEqual(request.type, "req")
      assert.strictEqual(request.method, "node.list")
      assert.match(request.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      yield* peer.answer(request.id, { ts: 7, nodes: [{ nodeId: "n1", tomorrow: 1 }], tomorrow: {} })
      assert.deepStrictEqual(yield* Fiber.join(call), { ts: 7, nodes: [{ nodeId: "n1" }] })
    })
  )

  it.effect("leaves undefined members out and passes unknown values through", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const params = { deep: [1, null, { gone: undefined }], text: "x" }
      const call = yield* start(
        client.call["node.invoke"]({ nodeId: "n", command: "c", params, idempotencyKey: "k", timeoutMs: undefined })
      )
      const request = yield* peer.next
      assert.deepStrictEqual(request.params, {
        nodeId: "n",
        command: "c",
        params: { deep: [1, null, {}], text: "x" },
        idempotencyKey: "k"
      })
      yield* peer.answer(request.id, {
        ok: true,
        nodeId: "n",
        command: "c",
        payload: { any: [null] },
        payloadJSON: null
      })
      assert.deepStrictEqual((yield* Fiber.join(call)).payload, { any: [null] })
    })
  )

  it.effect("answers may come in any order", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const first = yield* start(client.call.health({}))
      const a = yield* peer.next
      const second = yield* start(client.call.health({}))
      const b = yield* peer.next
      yield* peer.answer(b.id, { ts: 2 })
      yield* peer.answer(a.id, { ts: 1 })
      yield* peer.answer(a.id, { ts: 3 })
      assert.strictEqual((yield* Fiber.join(first)).ts, 1)
      assert.strictEqual((yield* Fiber.join(second)).ts, 2)
    })
  )

  it.effect("GatewayError carries the error row as it was sent", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const call = yield* start(Effect.flip(client.call.status({})))
      const { id } = yield* peer.next
      const row = {
        code: "FORBIDDEN",
        message: "missing scope: operator.read",
        details: { code: "MISSING_SCOPE", requiredScopes: ["operator.read"] },
        retryable: false,
        retryAfterMs: 3
      }
      yield* peer.refuse(id, row)
      const error = yield* Fiber.join(call)
      assert(error._tag === "GatewayError")
      assert.deepStrictEqual(error.wire, row)
    })
  )

  it.effect("params that do not fit are refused with their path, and nothing is sent", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const error = yield* Effect.flip(client.call["node.describe"]({ nodeId: "" }))
      assert(error._tag === "GatewayError")
      assert.strictEqual(error.code, "INVALID_REQUEST")
      assert.include(error.message, "nodeId")
      const stream = yield* Effect.flip(Stream.runDrain(client.call.agent({ message: "", idempotencyKey: "k" })))
      assert.strictEqual(stream._tag, "GatewayError")
      yield* start(client.request("probe"))
      assert.strictEqual((yield* peer.next).method, "probe")
    })
  )

  it.effect.each<readonly [string, (id: string) => unknown]>([
    ["a payload of another shape", (id) => ({ type: "res", id, ok: true, payload: { pid: "one" } })],
    ["no payload", (id) => ({ type: "res", id, ok: true })],
    ["a refusal without an error", (id) => ({ type: "res", id, ok: false })],
    ["no ok", (id) => ({ type: "res", id })]
  ])("ProtocolViolation: %s", ([, answer]) =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const call = yield* start(Effect.flip(client.call.status({})))
      const { id } = yield* peer.next
      yield* peer.send(answer(id))
      const error = yield* Fiber.join(call)
      assert.strictEqual(error._tag, "ProtocolViolation")
      assert.include(error.message, "status")
    })
  )

  it.effect("RequestTimeout at its one deadline; a late answer is dropped", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const call = yield* start(Effect.flip(client.call.health({}, { timeout: "900 millis" })))
      const { id } = yield* peer.next
      yield* TestClock.adjust("900 millis")
      const error = yield* Fiber.join(call)
      assert(error._tag === "RequestTimeout")
      assert.strictEqual(error.timeoutMs, 900)
      assert.include(error.message, "unknown")
      yield* peer.answer(id, {})
      const next = yield* start(client.call.health({}))
      yield* peer.answer((yield* peer.next).id, { ts: 9 })
      assert.strictEqual((yield* Fiber.join(next)).ts, 9)
    })
  )

  it.effect("waits as long as the params' own timeout, and a little", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair(
        {},
        { policy: { maxPayload: 65_536, maxBufferedBytes: 65_536, tickIntervalMs: 600_000 } }
      )
      const call = yield* start(
        Effect.flip(client.call["node.invoke"]({ nodeId: "n", command: "c", idempotencyKey: "k", timeoutMs: 120_000 }))
      )
      yield* peer.next
      yield* TestClock.adjust("124 seconds")
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(call))._tag, "RequestTimeout")
    })
  )

  it.effect.each<readonly [string, number, string]>([
    ["a close frame", 1012, "service restart"],
    ["a cut cable", 1006, ""]
  ])("ConnectionClosed when the connection ends under it: %s", ([, code, reason]) =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const calls = yield* start(
        Effect.all([Effect.flip(client.call.health({})), Effect.flip(client.request("chat.abort", {}))], {
          concurrency: "unbounded"
        })
      )
      yield* peer.next
      yield* peer.next
      yield* code === 1006 ? peer.vanish : peer.close(code, reason)
      const [typed, untyped] = yield* Fiber.join(calls)
      assert(typed._tag === "ConnectionClosed" && untyped._tag === "ConnectionClosed")
      assert.deepStrictEqual(typed.request, { method: "health", sent: true })
      assert.deepStrictEqual(untyped.request, { method: "chat.abort", sent: true })
      assert.strictEqual(typed.code, code)
      assert.strictEqual(typed.reason, reason)
      assert.strictEqual((yield* client.closed).code, code)
      const after = yield* Effect.flip(client.call.health({}))
      assert(after._tag === "ConnectionClosed")
      assert.isFalse(after.request?.sent)
      assert.include(after.message, "Nothing happened")
    })
  )
})

describe("a method that answers twice", () => {
  const accepted = { runId: "r", status: "accepted", acceptedAt: 1 }
  const finished = {
    runId: "r",
    status: "ok",
    summary: "completed",
    result: { payloads: [{ text: "hi", mediaUrl: null }] }
  }

  it.effect("yields accepted at once and ends after the final answer, however late", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair(
        {},
        { policy: { maxPayload: 65_536, maxBufferedBytes: 65_536, tickIntervalMs: 600_000 } }
      )
      const seen = yield* Deferred.make<void>()
      const run = yield* client.call.agent({ message: "hello", idempotencyKey: "k" }).pipe(
        Stream.tap((answer) => (answer.status === "accepted" ? Deferred.succeed(seen, undefined) : Effect.void)),
        Stream.runCollect,
        start
      )
      const { id, method } = yield* peer.next
      assert.strictEqual(method, "agent")
      yield* peer.answer(id, accepted)
      yield* Deferred.await(seen)
      yield* TestClock.adjust("10 minutes")
      yield* peer.answer(id, finished)
      assert.deepStrictEqual(
        (yield* Fiber.join(run)).map((answer) => answer.status),
        ["accepted", "ok"]
      )
    })
  )

  it.effect("fails when not even accepted in time, or not finished within an explicit timeout", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair(
        {},
        { policy: { maxPayload: 65_536, maxBufferedBytes: 65_536, tickIntervalMs: 600_000 } }
      )
      const silent = yield* start(
        Effect.flip(Stream.runDrain(client.call.agent({ message: "a", idempotencyKey: "1" })))
      )
      yield* peer.next
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* Fiber.join(silent))._tag, "RequestTimeout")
      const seen = yield* Deferred.make<void>()
      const slow = yield* client.call.agent({ message: "a", idempotencyKey: "2" }, { timeout: "1 minute" }).pipe(
        Stream.tap(() => Deferred.succeed(seen, undefined)),
        Stream.runDrain,
        Effect.flip,
        start
      )
      yield* peer.answer((yield* peer.next).id, accepted)
      yield* Deferred.await(seen)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(slow))._tag, "RequestTimeout")
    })
  )

  it.effect("fails with the Gateway's error after accepted, and with an answer that does not fit", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const run = yield* start(Effect.flip(Stream.runDrain(client.call.agent({ message: "a", idempotencyKey: "1" }))))
      const first = yield* peer.next
      yield* peer.answer(first.id, accepted)
      yield* peer.refuse(first.id, { code: "UNAVAILABLE", message: "no model" })
      assert.strictEqual((yield* Fiber.join(run))._tag, "GatewayError")
      const odd = yield* start(Effect.flip(Stream.runDrain(client.call.agent({ message: "a", idempotencyKey: "2" }))))
      yield* peer.answer((yield* peer.next).id, { status: "accepted" })
      assert.strictEqual((yield* Fiber.join(odd))._tag, "ProtocolViolation")
    })
  )

  it.effect("untyped, waits for the final answer only when asked to", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const first = yield* start(client.request("agent", {}))
      yield* peer.answer((yield* peer.next).id, accepted)
      assert.deepStrictEqual(yield* Fiber.join(first), accepted)
      const final = yield* start(client.request("agent", {}, { expectFinal: true }))
      const { id } = yield* peer.next
      yield* peer.answer(id, accepted)
      yield* peer.answer(id, finished)
      assert.deepStrictEqual(yield* Fiber.join(final), finished)
    })
  )
})

describe("an untyped request", () => {
  it.effect("returns any answer, and the Gateway's refusal as it is", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* pair()
      const call = yield* start(client.request("cron.list"))
      const request = yield* peer.next
      assert.deepStrictEqual(request.params, {})
      yield* peer.answer(request.id, [1, { x: null }])
      assert.deepStrictEqual(yield* Fiber.join(call), [1, { x: null }])
      const failing = yield* start(Effect.flip(client.request("foo.bar")))
      yield* peer.refuse((yield* peer.next).id, { code: "CODE_OF_TOMORROW", message: "m" })
      const error = yield* Fiber.join(failing)
      assert(error._tag === "GatewayError")
      assert.strictEqual(error.code, "CODE_OF_TOMORROW")
      const late = yield* start(Effect.flip(client.request("slow", {}, { timeout: 500 })))
      yield* peer.next
      yield* TestClock.adjust(500)
      assert.strictEqual((yield* Fiber.join(late))._tag, "RequestTimeout")
    })
  )
})
