/** Broadcasts, nodes, roles, slow readers, limits and the end: what connections see of each other. */
import { connect as tcp } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { EventBus } from "../../src/services/EventBus.ts"
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

/** A WebSocket client that speaks raw bytes after the upgrade. */
const rawSocket = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof tcp>>((resume) => {
      const socket = tcp(port, "127.0.0.1", () => {
        socket.write(
          "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        )
      })
      socket.on("error", () => undefined)
      socket.once("data", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** The code of the close frame that a raw client receives. */
const closeCode = (socket: ReturnType<typeof tcp>) =>
  Effect.callback<number>((resume) => {
    let bytes = Buffer.alloc(0)
    const look = () => {
      const at = bytes.lastIndexOf(0x88)
      resume(Effect.succeed(at >= 0 && bytes.length >= at + 4 ? bytes.readUInt16BE(at + 2) : 0))
    }
    socket.on("data", (data) => {
      bytes = Buffer.concat([bytes, typeof data === "string" ? Buffer.from(data) : data])
      if (bytes.lastIndexOf(0x88) >= 0) look()
    })
    socket.on("close", look)
  })

const mask = Buffer.alloc(4)
const fragments = (count: number, size: number) =>
  Buffer.concat(
    Array.from({ length: count }, (_, index) =>
      Buffer.concat([Buffer.from([index === 0 ? 0x01 : 0x00, 0x80 | size]), mask, Buffer.alloc(size, 0x20)])
    )
  )

describe("frames and resources", () => {
  it.live("D1 the first frame may have 65536 bytes and not one more", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const frame = (bytes: number) => {
        const text = JSON.stringify({ type: "req", id: "c", method: "connect", params: Rig.params({ pathEnv: "" }) })
        return text.replace(`"pathEnv":""`, `"pathEnv":"${"x".repeat(bytes - text.length)}"`)
      }
      const fits = yield* Rig.open(url)
      yield* fits.challenge
      fits.send(frame(65_536))
      assert.isTrue((yield* fits.answer("c")).ok)
      fits.send(`{"type":"req","id":"big","method":"health","params":{"x":"${"y".repeat(200_000)}"}}`)
      assert.strictEqual((yield* fits.answer("big")).error?.code, "INVALID_REQUEST", "after hello more is allowed")
      const over = yield* Rig.open(url)
      yield* over.challenge
      over.send(frame(65_537))
      assert.deepStrictEqual(yield* over.close, { code: 1009, reason: "" })
    }).pipe(Effect.scoped)
  )

  it.live("D1 after hello 25 MiB and not one byte more", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const head = `{"type":"req","id":"big","method":"health","params":{"x":"`
      raw.send(`${head}${"y".repeat(26_214_400 - head.length - 3)}"}}`)
      assert.strictEqual((yield* raw.answer("big")).error?.code, "INVALID_REQUEST")
      raw.send("z".repeat(26_214_401))
      assert.deepStrictEqual(yield* raw.close, { code: 1009, reason: "" })
      assert.isTrue((yield* Rig.connect(url)).hello.ok)
    }).pipe(Effect.scoped)
  )

  it.live.each([
    [
      "D1 a declared length of 2^63-1",
      Buffer.from([0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]),
      [1009]
    ],
    ["D1 a hundred thousand fragments of one byte", fragments(100_000, 1), [1009, 1008]],
    ["D1 endless empty continuations", fragments(100_000, 0), [1009, 1008]],
    ["D2 RSV1 without an agreement on compression", Buffer.from([0xc1, 0x80, 0, 0, 0, 0]), [1002]],
    ["a frame that is not masked", Buffer.from([0x81, 0x00]), [1002]],
    ["C1 text that is no UTF-8", Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]), [1007]]
  ] as const)("%s", ([, bytes, codes]) =>
    Effect.gen(function* () {
      const { gateway, url } = yield* Rig.start()
      const socket = yield* rawSocket(gateway.port)
      socket.write(bytes)
      assert.include(codes as ReadonlyArray<number>, yield* closeCode(socket))
      assert.isTrue((yield* Rig.connect(url)).hello.ok)
    }).pipe(Effect.scoped)
  )

  it.live("D2 compression is not negotiated", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const raw = yield* Rig.open(url, { perMessageDeflate: true })
      yield* raw.challenge
      assert.strictEqual(raw.socket.extensions, "")
    }).pipe(Effect.scoped)
  )

  it.live("D4 and D5 caps before authentication hold, and free again", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start({ limits: { maxPreauthPerAddress: 2 } })
      const { raw: inside } = yield* Rig.connect(url)
      const first = yield* Rig.open(url)
      yield* first.challenge
      const second = yield* Rig.open(url)
      yield* second.challenge
      const third = yield* Rig.open(url)
      yield* third.close
      assert.strictEqual(third.status, 503)
      assert.isTrue((yield* inside.request("health")).ok)
      first.socket.close()
      yield* first.close
      const again = Effect.gen(function* () {
        const raw = yield* Rig.open(url)
        yield* raw.until(() => raw.closed ?? raw.frames[0])
        return raw.closed === undefined ? undefined : yield* Effect.fail("still full")
      })
      yield* Effect.eventually(Effect.scoped(again))
    }).pipe(Effect.scoped)
  )

  it.live("D6 only the client that does not read is closed", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.start({ limits: { maxBufferedBytes: 2_000_000, closeGraceMs: 200 } })
      const slow = yield* Rig.connect(rig.url)
      const quick = yield* Rig.connect(rig.url)
      slow.raw.socket.pause()
      const text = "x".repeat(500_000)
      const before = seqs(quick.raw).length
      for (let turn = 0; turn < 60 && (yield* rig.gateway.connections) === 2; turn++) {
        yield* publish(rig, "chat", { runId: "r", sessionKey: "s", seq: turn, state: "delta", deltaText: text })
        const wanted = before + turn + 1
        yield* quick.raw.until(() => (seqs(quick.raw).length >= wanted ? true : undefined))
      }
      yield* Effect.suspend(() => rig.gateway.connections).pipe(
        Effect.flatMap((open) => (open === 1 ? Effect.void : Effect.fail(open))),
        Effect.eventually
      )
      assert.deepStrictEqual(seqs(quick.raw), counting(seqs(quick.raw).length))
      assert.isTrue((yield* quick.raw.request("health")).ok)
    }).pipe(Effect.scoped)
  )
})

describe("the end", () => {
  it.live("shutdown is announced, running requests finish, sockets close 1012", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { gateway, url } = yield* Scope.provide(Rig.start({ limits: { drainMs: 200 } }), scope)
      const idle = yield* Rig.connect(url)
      const busy = yield* Rig.connect(url)
      yield* busy.raw.request("agent", { message: "wait", idempotencyKey: "k" })
      const ended = yield* Deferred.make<void>()
      yield* Scope.close(scope, Exit.void).pipe(Effect.andThen(Deferred.succeed(ended, undefined)), Effect.forkScoped)
      const shutdown = yield* idle.raw.event("shutdown")
      assert.deepStrictEqual(shutdown.payload, { reason: "gateway stopping" })
      assert.strictEqual(shutdown.seq, 1)
      const refused = yield* idle.raw.request("health")
      assert.strictEqual(refused.error?.code, "UNAVAILABLE")
      for (const { raw } of [idle, busy]) {
        assert.deepStrictEqual(yield* raw.close, { code: 1012, reason: "service restart" })
      }
      yield* Deferred.await(ended)
      const late = yield* Rig.open(url)
      assert.strictEqual((yield* late.close).code, 0)
      assert.isAbove(gateway.port, 0)
    }).pipe(Effect.scoped)
  )
})
