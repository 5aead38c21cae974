/** Broadcasts, presence, nodes and roles: what connections see of each other. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { fromAuthError } from "../../src/layers/gateway/handshake/refusal.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { RegistryStorageFailed } from "../../src/services/NodeRegistry.ts"
import * as Rig from "./rig.ts"

const publish = (rig: Rig.Rig, ...args: Parameters<EventBus["Service"]["publish"]>) =>
  Context.get(rig.context, EventBus).publish(...args)
const tick = (rig: Rig.Rig, ts: number) => publish(rig, "tick", { ts })
const seqs = (raw: Rig.Raw) => raw.frames.flatMap((frame) => (frame.seq === undefined ? [] : [frame.seq]))
const counting = (length: number) => Array.from({ length }, (_, index) => index + 1)
const pairRequest = { requestId: "q", deviceId: "d", ts: 1 }

describe("events", () => {
  it.live("seq counts per connection from 1 without gaps, by audience", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.start()
      const admin = (yield* Rig.connect(rig.url)).raw
      const reader = (yield* Rig.connect(rig.url, { scopes: ["operator.read"] })).raw
      const none = (yield* Rig.connect(rig.url, { scopes: [] })).raw
      for (let ts = 1; ts <= 5; ts++) {
        yield* tick(rig, ts)
        yield* publish(rig, "device.pair.requested", pairRequest)
        yield* publish(rig, "health", { ok: true })
      }
      yield* tick(rig, 99)
      for (const raw of [admin, reader, none]) {
        yield* raw.until(() => raw.frames.find((frame) => frame.payload?.ts === 99))
      }
      assert.deepStrictEqual(seqs(admin), counting(16))
      assert.deepStrictEqual(seqs(reader), counting(11))
      assert.deepStrictEqual(seqs(none), counting(6))
      const health = yield* reader.event("health")
      assert.deepStrictEqual(health.stateVersion, { presence: 1, health: 1 })
      assert.isUndefined((yield* reader.event("tick")).stateVersion)
      assert.isUndefined((yield* reader.event("connect.challenge")).seq)
    }).pipe(Effect.scoped)
  )

  it.live("ticks and health come by themselves", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start({ limits: { tickIntervalMs: 20, healthIntervalMs: 20 } })
      const { hello, raw } = yield* Rig.connect(url)
      assert.isNumber((yield* raw.event("tick")).payload.ts)
      const health = yield* raw.event("health")
      assert.isAbove(health.stateVersion?.health ?? 0, hello.payload.snapshot.stateVersion.health)
    }).pipe(Effect.scoped)
  )

  it.live("an event for one connection reaches it alone, without seq", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.start()
      const one = yield* Rig.connect(rig.url)
      const other = yield* Rig.connect(rig.url)
      const resolved = { requestId: "q", nodeId: "n", decision: "approved" as const, ts: 1 }
      yield* publish(rig, "node.pair.resolved", resolved, one.hello.payload.server.connId)
      yield* tick(rig, 7)
      const event = yield* one.raw.event("node.pair.resolved")
      assert.isUndefined(event.seq)
      yield* other.raw.event("tick")
      assert.isFalse(other.raw.frames.some((frame) => frame.event === "node.pair.resolved"))
    }).pipe(Effect.scoped)
  )

  it.live("a payload that does not fit is dropped and logged; the next event comes", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.start()
      const { raw } = yield* Rig.connect(rig.url)
      yield* publish(rig, "tick", { ts: "soon" } as never)
      yield* tick(rig, 3)
      assert.strictEqual((yield* raw.event("tick")).payload.ts, 3)
      assert.isTrue(rig.logs.some((line) => line.includes("event dropped")))
    }).pipe(Effect.scoped)
  )

  it.live("presence shows who stays, and when they go", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const node = yield* Rig.connectNode(url, Rig.makeDevice())
      const come = yield* raw.event("presence")
      assert.strictEqual(come.payload.presence.length, 2)
      assert.strictEqual(come.payload.presence[1].mode, "node")
      assert.deepStrictEqual(node.hello.payload.snapshot.presence, [])
      node.raw.socket.close()
      const gone = yield* raw.until(() => raw.frames.filter((frame) => frame.event === "presence")[1])
      assert.strictEqual(gone.payload.presence.length, 1)
      assert.strictEqual((yield* gateway.presence).length, 1)
    }).pipe(Effect.scoped)
  )
})

describe("nodes", () => {
  it.live("an invoke reaches the node and its answer the registry", () =>
    Effect.gen(function* () {
      const { log, url } = yield* Rig.start()
      const device = Rig.makeDevice()
      const node = yield* Rig.connectNode(url, device)
      assert.match(node.hello.payload.auth.deviceToken, /^[\w-]{43}$/)
      const { raw } = yield* Rig.connect(url)
      const answer = yield* raw.request("node.invoke", {
        nodeId: device.id,
        command: "system.which",
        params: { a: 1 },
        idempotencyKey: "k"
      })
      assert.deepStrictEqual(answer.payload, {
        ok: true,
        nodeId: device.id,
        command: "system.which",
        payload: { ok: 1 },
        payloadJSON: `{"ok":1}`
      })
      const request = yield* node.raw.event("node.invoke.request")
      assert.isUndefined(request.seq)
      assert.strictEqual(request.payload.paramsJSON, `{"a":1}`)
      const result = { id: "i1", nodeId: device.id, ok: true }
      assert.deepStrictEqual((yield* node.raw.request("node.invoke.result", result)).payload, { ok: true })
      const late = yield* node.raw.request("node.invoke.result", { ...result, id: "late" })
      assert.deepStrictEqual(late.payload, { ok: true, ignored: true })
      assert.deepStrictEqual(
        log.results.map((entry) => entry.connId),
        [node.hello.payload.server.connId, node.hello.payload.server.connId]
      )
      assert.isTrue((yield* node.raw.request("node.event", { event: "x", payloadJSON: "{}" })).ok)
      assert.strictEqual(
        (yield* node.raw.request("node.event", { event: "x", payloadJSON: "{" })).error?.code,
        "INVALID_REQUEST"
      )
      node.raw.socket.close()
      yield* node.raw.close
      yield* Effect.suspend(() => (log.gone.length === 1 ? Effect.void : Effect.fail("not yet"))).pipe(
        Effect.eventually
      )
    }).pipe(Effect.scoped)
  )

  it.live("what goes wrong has OpenClaw's codes", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const device = Rig.makeDevice()
      yield* Rig.connectNode(url, device)
      const { raw } = yield* Rig.connect(url)
      const invoke = (command: string, nodeId = device.id) =>
        raw.request("node.invoke", { nodeId, command, idempotencyKey: "k" })
      assert.strictEqual((yield* invoke("x", "nobody")).error?.details.code, "PAIRING_CHANGED")
      const refused = yield* invoke("camera.snap")
      assert.strictEqual(refused.error?.code, "INVALID_REQUEST")
      assert.deepStrictEqual(refused.error?.details, { reason: "command not allowlisted", command: "camera.snap" })
      const slow = yield* invoke("slow")
      assert.strictEqual(slow.error?.message, "TIMEOUT: node invoke timed out")
      assert.strictEqual(slow.error?.details.nodeCommandDispatched, true)
      assert.strictEqual((yield* invoke("system.execApprovals.get")).error?.code, "INVALID_REQUEST")
      assert.deepStrictEqual((yield* invoke("odd")).payload.payload, { no: 1 })
      assert.strictEqual((yield* raw.request("node.describe", { nodeId: "nobody" })).error?.message, "unknown nodeId")
      assert.strictEqual(
        (yield* raw.request("node.pair.approve", { requestId: "no" })).error?.message,
        "unknown requestId"
      )
      assert.isTrue((yield* raw.request("node.pair.reject", { requestId: "known" })).ok)
    }).pipe(Effect.scoped)
  )

  it.live("a node that cannot be registered is told to come back", () =>
    Effect.gen(function* () {
      const { gateway, logs, url } = yield* Rig.start()
      const { raw } = yield* Rig.connectNode(url, Rig.makeDevice(), {
        client: { ...Rig.nodeClient, displayName: "broken" }
      })
      assert.deepStrictEqual(yield* raw.close, { code: 1013, reason: "node registry unavailable" })
      assert.isTrue(logs.some((line) => line.includes("could not be registered")))
      yield* Effect.eventually(
        Effect.flatMap(gateway.connections, (open) => (open === 0 ? Effect.void : Effect.fail(open)))
      )
    }).pipe(Effect.scoped)
  )

  it("F9 a registry that fails refuses the handshake for now", () => {
    const refused = fromAuthError("c", new RegistryStorageFailed({ message: "disk full" }))
    assert.deepStrictEqual([refused.code, refused.error?.code, refused.error?.retryable], [1013, "UNAVAILABLE", true])
    assert.notInclude(refused.error?.message ?? "", "disk")
  })

  it.live("C14 a node may not answer in another's name", () =>
    Effect.gen(function* () {
      const { log, logs, url } = yield* Rig.start()
      const node = yield* Rig.connectNode(url, Rig.makeDevice())
      const answer = yield* node.raw.request("node.invoke.result", { id: "i1", nodeId: "another", ok: true })
      assert.strictEqual(answer.error?.code, "INVALID_REQUEST")
      assert.strictEqual(log.results.length, 0)
      assert.isTrue(logs.some((line) => line.includes('in the name of "another"')))
    }).pipe(Effect.scoped)
  )

  it.live("D7 a node's answer with too many values is refused, and ends who waits for it", () =>
    Effect.gen(function* () {
      const { log, url } = yield* Rig.start()
      const device = Rig.makeDevice()
      const { raw } = yield* Rig.connectNode(url, device)
      const payloadJSON = JSON.stringify(Array.from({ length: 60_000 }, () => 0))
      const answer = yield* raw.request("node.invoke.result", { id: "i1", nodeId: device.id, ok: true, payloadJSON })
      const message = "invalid node.invoke.result params: at /payloadJSON: more than 50000 values"
      assert.deepStrictEqual(answer.error, { code: "INVALID_REQUEST", message })
      assert.deepStrictEqual(
        log.results.map(({ result }) => result),
        [{ id: "i1", nodeId: device.id, ok: false, error: { message } }]
      )
      const event = yield* raw.request("node.event", { event: "e", payloadJSON })
      assert.match(event.error?.message ?? "", /at \/payloadJSON: more than/)
    }).pipe(Effect.scoped)
  )

  it.live("C14 methods of the other role are refused, and repeated calls close", () =>
    Effect.gen(function* () {
      const { log, url } = yield* Rig.start()
      const { raw: operator } = yield* Rig.connect(url)
      const sent = yield* operator.request("node.invoke.result", { id: "i", nodeId: "n", ok: true })
      assert.deepStrictEqual(sent.error, { code: "INVALID_REQUEST", message: "unauthorized role: operator" })
      assert.strictEqual(log.results.length, 0)
      const { raw } = yield* Rig.connectNode(url, Rig.makeDevice())
      for (let call = 0; call < 2; call++) {
        assert.strictEqual((yield* raw.request("node.list")).error?.message, "unauthorized role: node")
      }
      assert.isTrue((yield* raw.request("health")).ok, "a call that is allowed starts the count over")
      for (let call = 0; call < 15; call++) {
        assert.strictEqual(
          (yield* raw.request("node.pluginSurface.refresh", {})).error?.message,
          "unknown method: node.pluginSurface.refresh"
        )
      }
      for (let call = 0; call < 11; call++) yield* raw.request("status")
      assert.deepStrictEqual(yield* raw.close, { code: 1008, reason: "repeated unauthorized calls" })
    }).pipe(Effect.scoped)
  )
})

describe("who may not read", () => {
  it.live("is told neither conversations nor accounts nor paths", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start({ stateDir: "/secret/state", configPath: "/secret/openclaw.json" })
      const reader = yield* Rig.connect(url, { scopes: ["operator.read"] })
      assert.include(JSON.stringify(reader.hello.payload.snapshot), "/secret/openclaw.json")
      const full = (yield* reader.raw.request("health")).payload
      assert.deepStrictEqual([full.sessions.path, full.sessions.recent[0].key], ["/secret/state", "agent:main:main"])
      const node = yield* Rig.connectNode(url, Rig.makeDevice())
      const none = yield* Rig.connect(url, { scopes: [] })
      for (const { hello, raw } of [node, none]) {
        const said = JSON.stringify([hello.payload.snapshot, (yield* raw.request("health")).payload])
        assert.notInclude(said, "/secret")
        assert.deepStrictEqual(hello.payload.snapshot.health.sessions, { path: "", count: 0, recent: [] })
        assert.deepStrictEqual(hello.payload.snapshot.health.agents[0].sessions, { path: "", count: 0, recent: [] })
        assert.deepStrictEqual(hello.payload.snapshot.presence, [])
        assert.strictEqual(hello.payload.snapshot.sessionDefaults.defaultAgentId, "main")
      }
    }).pipe(Effect.scoped)
  )
})
