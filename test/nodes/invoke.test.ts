import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { ConnId, NodeId } from "../../src/domain/Ids.ts"
import { resolveTimeout } from "../../src/layers/nodes/invoke.ts"
import { type InvokeOptions, NodeRegistry } from "../../src/services/NodeRegistry.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { approveAll, linux, live, Settings, wire } from "./kit.ts"

const n1 = NodeId.make("n1")
const c1 = ConnId.make("c1")

const which = (overrides: Partial<InvokeOptions> = {}): InvokeOptions => ({
  nodeId: n1,
  command: "system.which",
  params: { bins: ["sh"], deep: { a: 1, b: 2 } },
  idempotencyKey: "k1",
  ...overrides
})

/** An approved Linux node on a socket that only collects. */
const connected = Effect.gen(function* () {
  const registry = yield* NodeRegistry
  const socket = wire()
  yield* registry.connect(linux("n1", "c1", ["system.run", "system.which", "device.info"]), socket)
  yield* approveAll
  return { registry, socket }
})

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })
const tagOf = <E extends { readonly _tag: string }>(exit: Exit.Exit<unknown, E>) =>
  Exit.isSuccess(exit) ? "Success" : exit.cause.reasons[0]?._tag === "Fail" ? exit.cause.reasons[0].error._tag : "?"

describe("invoke", () => {
  it.effect("carries the request to the node and its answer back", () =>
    Effect.gen(function* () {
      const { registry, socket } = yield* connected
      const call = yield* start(registry.invoke(which({ timeoutMs: 2_000, recall: true })))
      const request = socket.sent[0]!
      assert.strictEqual(request.paramsJSON, '{"bins":["sh"],"deep":{"a":1,"b":2}}')
      assert.deepInclude(request, { nodeId: "n1", timeoutMs: 2_000, idempotencyKey: "k1", recall: true })
      const result = { id: request.id, nodeId: "n1", ok: true, payloadJSON: '{"bins":{"sh":"/bin/sh"}}' }
      assert.isTrue(yield* registry.complete(c1, result))
      assert.deepStrictEqual(yield* Fiber.join(call), {
        nodeId: n1,
        command: "system.which",
        payload: { bins: { sh: "/bin/sh" } },
        payloadJSON: '{"bins":{"sh":"/bin/sh"}}'
      })
      // E5: it answers twice.
      assert.isFalse(yield* registry.complete(c1, result))
    }).pipe(Effect.provide(live))
  )

  it.effect("a value instead of text is passed on; no params are null; text that is no JSON is an error", () =>
    Effect.gen(function* () {
      const { registry, socket } = yield* connected
      const call = yield* start(registry.invoke(which({ params: undefined })))
      assert.isNull(socket.sent[0]!.paramsJSON)
      yield* registry.complete(c1, { id: socket.sent[0]!.id, nodeId: "n1", ok: true, payload: [1] })
      const success = yield* Fiber.join(call)
      assert.deepStrictEqual([success.payload, success.payloadJSON], [[1], null])
      const bad = yield* start(Effect.exit(registry.invoke(which({ idempotencyKey: "k2" }))))
      yield* registry.complete(c1, { id: socket.sent[1]!.id, nodeId: "n1", ok: true, payloadJSON: "{" })
      assert.strictEqual(tagOf(yield* Fiber.join(bad)), "InvokeFailed")
      const cyclic: Record<string, unknown> = {}
      cyclic["self"] = cyclic
      const unwritable = yield* Effect.flip(registry.invoke(which({ params: cyclic, idempotencyKey: "k3" })))
      assert.strictEqual(unwritable._tag, "InvokeFailed")
      assert.strictEqual(socket.sent.length, 2)
    }).pipe(Effect.provide(live))
  )

  it.effect("the node's own error reaches the caller", () =>
    Effect.gen(function* () {
      const { registry, socket } = yield* connected
      const call = yield* start(Effect.flip(registry.invoke(which())))
      const error = { code: "INVALID_REQUEST", message: "bins required" }
      yield* registry.complete(c1, { id: socket.sent[0]!.id, nodeId: "n1", ok: false, error })
      const failure = yield* Fiber.join(call)
      assert.strictEqual(failure._tag, "InvokeFailed")
      assert.strictEqual(failure.message, "bins required")
    }).pipe(Effect.provide(live))
  )

  it.effect("checks: allowed, declared, approved, connected", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const reason = (options: InvokeOptions) =>
        Effect.map(Effect.flip(registry.invoke(options)), (error) =>
          error._tag === "CommandNotAllowed" ? error.reason : error._tag
        )
      assert.strictEqual(yield* reason(which()), "NodeNotConnected")
      yield* registry.connect(linux("n1", "c1", ["system.which", "camera.snap"]), wire())
      assert.strictEqual(yield* reason(which()), "command not approved")
      yield* approveAll
      assert.strictEqual(yield* reason(which({ command: "system.run" })), "command not declared by node")
      assert.strictEqual(yield* reason(which({ command: "camera.snap" })), "command not allowlisted")
      const settings = yield* Settings
      yield* Ref.set(settings, { gateway: { nodes: { commands: { allow: ["camera.snap"] } } } })
      assert.strictEqual(yield* reason(which({ command: "camera.snap" })), "command not approved")
      yield* Ref.set(settings, { gateway: { nodes: { commands: { allow: ["camera.snap"], deny: ["camera.snap"] } } } })
      assert.strictEqual(yield* reason(which({ command: "camera.snap" })), "command not allowlisted")
    }).pipe(Effect.provide(live))
  )

  it.effect("no answer within the deadline; the late one finds nobody", () =>
    Effect.gen(function* () {
      const { registry, socket } = yield* connected
      const call = yield* start(Effect.flip(registry.invoke(which({ timeoutMs: 500 }))))
      yield* TestClock.adjust("500 millis")
      const error = yield* Fiber.join(call)
      assert.strictEqual(error._tag === "InvokeTimeout" && error.timeoutMs, 500)
      assert.isFalse(yield* registry.complete(c1, { id: socket.sent[0]!.id, nodeId: "n1", ok: true }))
    }).pipe(Effect.provide(live))
  )

  it.effect("tells the node when the last caller gives up, and only then", () =>
    Effect.gen(function* () {
      const { registry, socket } = yield* connected
      const answered = yield* start(registry.invoke(which({ idempotencyKey: "answered" })))
      yield* registry.complete(c1, { id: socket.sent[0]!.id, nodeId: "n1", ok: true })
      yield* Fiber.join(answered)
      const first = yield* start(registry.invoke(which({ idempotencyKey: "left" })))
      const second = yield* start(registry.invoke(which({ idempotencyKey: "left" })))
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(socket.cancelled, [])
      yield* Fiber.interrupt(second)
      assert.deepStrictEqual(socket.cancelled, [socket.sent[1]!.id])
      const late = yield* start(Effect.flip(registry.invoke(which({ idempotencyKey: "late", timeoutMs: 10 }))))
      yield* TestClock.adjust(10)
      assert.strictEqual((yield* Fiber.join(late))._tag, "InvokeTimeout")
      assert.deepStrictEqual(socket.cancelled.at(-1), socket.sent[2]!.id)
    }).pipe(Effect.provide(live))
  )

  it("D10: every timeout has one meaning", () => {
    assert.deepStrictEqual(
      [undefined, 0, -1, Number.NaN, 0.2, 1_500.9, 1e12, Number.POSITIVE_INFINITY].map(resolveTimeout),
      [30_000, 30_000, 30_000, 30_000, 1, 1_500, 600_000, 600_000]
    )
  })

  it.effect("a connection that ends fails what waits on it, and a slow send does not hold that up", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const scope = yield* Scope.make()
      yield* registry
        .connect(linux("n1", "c1", ["system.which"]), { ...wire(), send: () => Effect.never })
        .pipe(Scope.provide(scope))
      yield* approveAll
      const call = yield* start(Effect.flip(registry.invoke(which())))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(call))._tag, "NodeDisconnected")
      const away = yield* Effect.flip(registry.invoke(which({ idempotencyKey: "k2" })))
      assert.deepStrictEqual(away._tag === "NodeNotConnected" && away.known, true)
    }).pipe(Effect.provide(live))
  )

  it.effect("a second connection retires the first: its invokes fail, its answers are dropped (C14)", () =>
    Effect.gen(function* () {
      const { registry, socket } = yield* connected
      const call = yield* start(Effect.flip(registry.invoke(which())))
      const next = wire()
      yield* registry.connect(linux("n1", "c2", ["system.which"]), next)
      assert.strictEqual((yield* Fiber.join(call))._tag, "NodeDisconnected")
      assert.isTrue(socket.state.retired)
      assert.deepStrictEqual(socket.cancelled, [])
      // The same request may be sent again: the outcome is unknown, the node's own memory decides.
      const again = yield* start(registry.invoke(which()))
      const request = next.sent[0]!
      assert.strictEqual(request.idempotencyKey, "k1")
      assert.isFalse(yield* registry.complete(c1, { id: request.id, nodeId: "n1", ok: true }))
      assert.isFalse(yield* registry.complete(c1, { id: socket.sent[0]!.id, nodeId: "n1", ok: true }))
      assert.isTrue(yield* registry.complete(ConnId.make("c2"), { id: request.id, nodeId: "n1", ok: true, payload: 2 }))
      assert.strictEqual((yield* Fiber.join(again)).payload, 2)
    }).pipe(Effect.provide(live))
  )

  it.effect("node B cannot answer for node A, by its own name or by A's (C14)", () =>
    Effect.gen(function* () {
      const { registry, socket } = yield* connected
      yield* registry.connect(linux("n2", "c2", ["system.which"]), wire())
      const call = yield* start(registry.invoke(which()))
      const { id } = socket.sent[0]!
      const c2 = ConnId.make("c2")
      assert.isFalse(yield* registry.complete(c2, { id, nodeId: "n1", ok: true, payload: "forged" }))
      assert.isFalse(yield* registry.complete(c2, { id, nodeId: "n2", ok: true, payload: "forged" }))
      assert.isFalse(yield* registry.complete(c1, { id, nodeId: "n2", ok: true, payload: "forged" }))
      assert.isFalse(yield* registry.complete(ConnId.make("operator"), { id, nodeId: "n1", ok: true }))
      assert.isTrue(yield* registry.complete(c1, { id, nodeId: "n1", ok: true, payload: "real" }))
      assert.strictEqual((yield* Fiber.join(call)).payload, "real")
    }).pipe(Effect.provide(live))
  )

  it.effect("an approval that a caller claims for itself does not reach the node (E1)", () =>
    Effect.gen(function* () {
      const { registry, socket } = yield* connected
      const params = { command: ["id"], approved: true, approvalDecision: "allow-always" }
      yield* start(registry.invoke(which({ command: "system.run", params, sessionKey: "agent:main:main" })))
      assert.deepStrictEqual(JSON.parse(socket.sent[0]!.paramsJSON!), {
        command: ["id"],
        runId: "k1",
        sessionKey: "agent:main:main"
      })
    }).pipe(Effect.provide(live))
  )
})

describe("idempotency keys", () => {
  it.effect("the same request joins the one at work and is answered from memory afterwards", () =>
    Effect.gen(function* () {
      const { registry, socket } = yield* connected
      const first = yield* start(registry.invoke(which()))
      const second = yield* start(registry.invoke(which({ params: { deep: { b: 2, a: 1 }, bins: ["sh"] } })))
      assert.strictEqual(socket.sent.length, 1)
      yield* registry.complete(c1, { id: socket.sent[0]!.id, nodeId: "n1", ok: true, payload: 7 })
      assert.deepStrictEqual([(yield* Fiber.join(first)).payload, (yield* Fiber.join(second)).payload], [7, 7])
      assert.strictEqual((yield* registry.invoke(which())).payload, 7)
      assert.strictEqual(socket.sent.length, 1)
      yield* TestClock.adjust("2 hours")
      yield* start(registry.invoke(which()))
      assert.strictEqual(socket.sent.length, 2)
    }).pipe(Effect.provide(live))
  )

  it.effect("another request under the same key is a conflict, at work, answered or unknown (D11)", () =>
    Effect.gen(function* () {
      const { registry, socket } = yield* connected
      const conflict = (options: Partial<InvokeOptions>) =>
        Effect.map(Effect.flip(registry.invoke(which(options))), (error) => error._tag)
      const call = yield* start(Effect.exit(registry.invoke(which({ timeoutMs: 100 }))))
      assert.strictEqual(yield* conflict({ params: {} }), "IdempotencyConflict")
      assert.strictEqual(yield* conflict({ command: "device.info" }), "IdempotencyConflict")
      assert.strictEqual(yield* conflict({ nodeId: NodeId.make("n2") }), "IdempotencyConflict")
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(tagOf(yield* Fiber.join(call)), "InvokeTimeout")
      assert.strictEqual(yield* conflict({ params: {} }), "IdempotencyConflict")
      const again = yield* start(registry.invoke(which()))
      yield* registry.complete(c1, { id: socket.sent[1]!.id, nodeId: "n1", ok: true })
      yield* Fiber.join(again)
      assert.strictEqual(yield* conflict({ params: {} }), "IdempotencyConflict")
    }).pipe(Effect.provide(live))
  )

  it.effect("a request that never left does not hold its key", () =>
    Effect.gen(function* () {
      const { registry, socket } = yield* connected
      socket.break()
      assert.strictEqual((yield* Effect.flip(registry.invoke(which())))._tag, "NodeNotConnected")
      const denied = yield* Effect.flip(registry.invoke(which({ command: "camera.snap" })))
      assert.strictEqual(denied._tag, "CommandNotAllowed")
    }).pipe(Effect.provide(live))
  )

  it.effect("the work ends when the last caller is gone, not when one is", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const node = yield* MockNode.make({ nodeId: "n1", commands: { "weather.get": Effect.succeed("sun") } })
      const hold = yield* node.hold("weather.get")
      const options = which({ command: "weather.get" })
      const first = yield* start(registry.invoke(options))
      const second = yield* start(registry.invoke(options))
      yield* node.waitFor((calls) => calls.length === 1)
      yield* Fiber.interrupt(first)
      assert.strictEqual((yield* node.calls)[0]?.state, "running")
      yield* Fiber.interrupt(second)
      yield* node.waitFor((calls) => calls[0]?.state === "interrupted")
      yield* hold.release
      assert.strictEqual((yield* registry.invoke(options)).payload, "sun")
    }).pipe(Effect.provide(live))
  )
})

describe("nodes in this process", () => {
  it.effect("same checks, same deadline, same errors", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const stuck = yield* Deferred.make<string>()
      const node = yield* MockNode.make({
        nodeId: "n1",
        displayName: "Phone",
        commands: {
          "weather.get": (params) => Effect.succeed({ echo: params }),
          "weather.fail": Effect.fail({ message: "no signal" }),
          "weather.crash": Effect.die(new Error("secret detail")),
          "weather.stuck": Deferred.await(stuck),
          "weather.odd": Effect.succeed(1n),
          "camera.snap": Effect.succeed("photo")
        }
      })
      const call = (command: string, params?: unknown) =>
        registry.invoke(which({ command, params, idempotencyKey: command, timeoutMs: 1_000 }))
      assert.deepStrictEqual((yield* call("weather.get", { city: "Oslo" })).payload, { echo: { city: "Oslo" } })
      assert.strictEqual((yield* Effect.flip(call("weather.fail"))).message, "no signal")
      const crash = yield* Effect.flip(call("weather.crash"))
      assert.notInclude(crash.message, "secret")
      assert.strictEqual((yield* Effect.flip(call("weather.odd")))._tag, "InvokeFailed")
      assert.strictEqual((yield* Effect.flip(call("camera.snap")))._tag, "CommandNotAllowed")
      assert.strictEqual((yield* Effect.flip(call("toString")))._tag, "CommandNotAllowed")
      const late = yield* start(Effect.flip(call("weather.stuck")))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(late))._tag, "InvokeTimeout")
      assert.strictEqual((yield* node.calls).at(-1)?.state, "interrupted")
      const row = yield* registry.describe("n1")
      assert.deepStrictEqual([row.displayName, row.approvalState, row.connected], ["Phone", "approved", true])
    }).pipe(Effect.provide(live))
  )

  it.effect("vanishing in the middle of a call", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const node = yield* MockNode.make({ nodeId: "n1", commands: { "weather.get": Effect.never } })
      const call = yield* start(Effect.flip(registry.invoke(which({ command: "weather.get" }))))
      yield* node.waitFor((calls) => calls.length === 1)
      yield* node.vanish
      assert.strictEqual((yield* Fiber.join(call))._tag, "NodeDisconnected")
      assert.deepStrictEqual(yield* registry.list, [])
      yield* node.comeBack
      assert.strictEqual((yield* registry.list).length, 1)
    }).pipe(Effect.provide(live))
  )
})
