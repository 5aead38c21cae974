/** Frames, limits, slow readers and the end, against a live listener. */
import { connect as tcp } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Caps from "../../src/layers/gateway/Caps.ts"
import { defaultLimits } from "../../src/layers/gateway/options.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import * as Rig from "./rig.ts"

const publish = (rig: Rig.Rig, ...args: Parameters<EventBus["Service"]["publish"]>) =>
  Context.get(rig.context, EventBus).publish(...args)
const seqs = (raw: Rig.Raw) => raw.frames.flatMap((frame) => (frame.seq === undefined ? [] : [frame.seq]))
const counting = (length: number) => Array.from({ length }, (_, index) => index + 1)

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
      const { url } = yield* Rig.start({ limits: { maxPreauth: 2 } })
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

  it("D5 handshakes of one address leave room for others, and this machine has three times as many", () => {
    const caps = Caps.make({ ...defaultLimits, maxPreauth: 20, maxPreauthPerAddress: 4 })
    const enters = (key: string, local: boolean) => {
      let count = 0
      for (; !caps.refuses(key, local); count++) caps.enter(key)
      return count
    }
    assert.strictEqual(enters("192.0.2.1", false), 4)
    assert.strictEqual(enters("127.0.0.1", true), 12)
    assert.strictEqual(enters("192.0.2.2", false), 4)
    assert.strictEqual(enters("192.0.2.3", false), 0)
    caps.authenticated("127.0.0.1")
    assert.strictEqual(enters("192.0.2.3", false), 1)
  })

  it("D4 silent connections of one address take no place from another", () => {
    const caps = Caps.make({ ...defaultLimits, maxUnknownPerAddress: 2 })
    const admitted = [1, 2, 3].map(() => caps.admit({}, "192.0.2.1", false))
    assert.deepStrictEqual(admitted, [true, true, false])
    assert.isTrue(caps.admit({}, "192.0.2.2", false))
    const local = Array.from({ length: 40 }, () => ({}))
    assert.strictEqual(local.filter((socket) => caps.admit(socket, "127.0.0.1", true)).length, 32)
    for (const twice of [local[0], local[0]]) caps.forget(twice!)
    const again = [1, 2].map(() => caps.admit({}, "127.0.0.1", true))
    assert.deepStrictEqual(again, [true, false])
  })

  it.live("D4 connections that say nothing are capped, those that were let in do not count", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* Rig.start({ limits: { maxUnknownPerAddress: 1 } })
      const inside = yield* Effect.all(Array.from({ length: 20 }, () => Rig.connect(url)))
      const silent = yield* Effect.all(
        Array.from({ length: 16 }, () =>
          Effect.acquireRelease(
            Effect.callback<ReturnType<typeof tcp>>((resume) => {
              const socket = tcp(gateway.port, "127.0.0.1", () => resume(Effect.succeed(socket)))
              socket.on("error", () => undefined)
            }),
            (socket) => Effect.sync(() => socket.destroy())
          )
        )
      )
      assert.strictEqual((yield* (yield* Rig.open(url)).close).code, 0)
      for (const { raw } of inside) assert.isTrue((yield* raw.request("health")).ok)
      silent[0]?.destroy()
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
  it.live("shutdown is announced, running requests finish, sockets close 1012, in the handshake too", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { gateway, url } = yield* Scope.provide(Rig.start({ limits: { drainMs: 200 } }), scope)
      const idle = yield* Rig.connect(url)
      const busy = yield* Rig.connect(url)
      yield* busy.raw.request("agent", { message: "wait", idempotencyKey: "k" })
      const stranger = yield* Rig.open(url)
      yield* stranger.challenge
      const ended = yield* Deferred.make<void>()
      yield* Scope.close(scope, Exit.void).pipe(Effect.andThen(Deferred.succeed(ended, undefined)), Effect.forkScoped)
      const shutdown = yield* idle.raw.event("shutdown")
      assert.deepStrictEqual(shutdown.payload, { reason: "gateway stopping" })
      assert.strictEqual(shutdown.seq, 1)
      const refused = yield* idle.raw.request("health")
      assert.strictEqual(refused.error?.code, "UNAVAILABLE")
      for (const raw of [idle.raw, busy.raw, stranger]) {
        assert.deepStrictEqual(yield* raw.close, { code: 1012, reason: "service restart" })
      }
      yield* Deferred.await(ended)
      const late = yield* Rig.open(url)
      assert.strictEqual((yield* late.close).code, 0)
      assert.isAbove(gateway.port, 0)
    }).pipe(Effect.scoped)
  )
})
