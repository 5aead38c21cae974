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
          (yield* raw.request("node.skills.update", {})).error?.message,
          "unknown method: node.skills.update"
        )
      }
      for (let call = 0; call < 11; call++) yield* raw.request("status")
      assert.deepStrictEqual(yield* raw.close, { code: 1008, reason: "repeated unauthorized calls" })
    }).pipe(Effect.scoped)
  )
})

describe("closing", () => {
  it.live("C14 what arrives once a connection is being closed is not heard", () =>
    Effect.gen(function* () {
      const { log, url } = yield* Rig.start()
      const device = Rig.makeDevice()
      const { raw } = yield* Rig.connectNode(url, device)
      for (let call = 0; call < 11; call++) raw.send({ type: "req", id: `${call}`, method: "status" })
      const params = { id: "i1", nodeId: device.id, ok: true }
      for (let call = 0; call < 200; call++) raw.send({ type: "req", id: "late", method: "node.invoke.result", params })
      assert.strictEqual((yield* raw.close).code, 1008)
      assert.strictEqual(raw.frames.filter((frame) => frame.id === "late").length, 0)
      assert.deepStrictEqual(log.results, [])
    }).pipe(Effect.scoped)
  )
})

describe("C12 a device whose token is replaced", () => {
  const tui = { client: { id: "openclaw-tui", version: "1", platform: "linux", mode: "ui" } }

  it.live("its older connections of that role are closed, others stay", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const device = Rig.makeDevice()
      const before = yield* Rig.connectDevice(url, device, { ...tui, scopes: ["operator.read"] })
      const same = yield* Rig.connectDevice(url, device, { ...tui, scopes: ["operator.read"] })
      const stranger = yield* Rig.connectDevice(url, Rig.makeDevice(), tui)
      const wider = yield* Rig.connectDevice(url, device, { ...tui, scopes: ["operator.write"] })
      for (const { raw } of [before, same]) {
        assert.deepStrictEqual(yield* raw.close, { code: 1008, reason: "device credentials changed" })
      }
      for (const { raw } of [wider, stranger]) assert.isTrue((yield* raw.request("node.list")).ok)
    }).pipe(Effect.scoped)
  )

  it.live("who approves its own request is answered, and then closed", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const device = Rig.makeDevice()
      const own = yield* Rig.connectDevice(url, device, { ...tui, scopes: ["operator.pairing", "operator.write"] })
      const afar = yield* Rig.open(url, { headers: { forwarded: "for=192.0.2.1" } })
      const more = { ...tui, scopes: ["operator.write", "x.more"] }
      const asked = yield* afar.request("connect", Rig.signed(device, yield* afar.challenge, Rig.params(more)))
      const requestId: string = asked.error?.details.requestId
      const admin = yield* Rig.connect(url)
      const mine = yield* own.raw.request("device.pair.approve", { requestId })
      assert.strictEqual(mine.error?.code, "INVALID_REQUEST", "it lacks what it would give")
      assert.isTrue((yield* own.raw.request("node.list")).ok)
      assert.isTrue((yield* admin.raw.request("device.pair.approve", { requestId })).ok)
      assert.strictEqual((yield* own.raw.close).code, 1008)

      const self = Rig.makeDevice()
      const powerful = yield* Rig.connectDevice(url, self, { ...tui, scopes: ["operator.admin"] })
      const again = yield* Rig.open(url, { headers: { forwarded: "for=192.0.2.1" } })
      const wants = yield* again.request("connect", Rig.signed(self, yield* again.challenge, Rig.params(more)))
      const id: string = wants.error?.details.requestId
      assert.isTrue((yield* powerful.raw.request("device.pair.approve", { requestId: id })).ok)
      assert.deepStrictEqual(yield* powerful.raw.close, { code: 1008, reason: "device credentials changed" })
    }).pipe(Effect.scoped)
  )
})

describe("liveness", () => {
  it.live("D5 a peer that answers no ping is cut, one that answers stays", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* Rig.start({ limits: { tickIntervalMs: 20 } })
      const quick = yield* Rig.connect(url)
      const gone = yield* Rig.open(url, { autoPong: false })
      yield* gone.challenge
      yield* gone.request("connect", Rig.params())
      assert.strictEqual(yield* gateway.connections, 2)
      assert.strictEqual((yield* gone.close).code, 1006)
      assert.isTrue((yield* quick.raw.request("health")).ok)
      assert.isUndefined(quick.raw.closed)
    }).pipe(Effect.scoped)
  )
})
