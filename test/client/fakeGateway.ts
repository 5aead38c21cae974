/**
 * A scripted Gateway on a real socket: the test plays the server's part, frame by frame.
 */
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { WebSocketServer, type WebSocket } from "ws"
import { type Endpoint, loopback } from "../../src/domain/Endpoint.ts"
import { type ClientOptions, GatewayClient } from "../../src/client/index.ts"

/** A frame as the peer sees it. */
export interface Frame {
  readonly type: string
  readonly id: string
  readonly method: string
  readonly params: Record<string, any>
}

export const NONCE = "6f2b1c9a-nonce"
export const CHALLENGE_TS = 1_795_246_245_000

export const hello = (overrides: Record<string, unknown> = {}) => ({
  type: "hello-ok",
  protocol: 4,
  server: { version: "2026.9.6", bootId: "boot-1", connId: "conn-1" },
  features: { methods: ["health"], events: ["tick"] },
  snapshot: { presence: [], health: {}, stateVersion: { presence: 1, health: 1 }, uptimeMs: 5 },
  auth: { role: "operator", scopes: ["operator.read"], method: "token" },
  policy: { maxPayload: 26_214_400, maxBufferedBytes: 52_428_800, tickIntervalMs: 1000 },
  aKeyOfTomorrow: true,
  ...overrides
})

export class Peer {
  readonly socket: WebSocket
  readonly frames: Queue.Queue<Frame>
  readonly closes: Queue.Queue<{ readonly code: number; readonly reason: string }>

  constructor(socket: WebSocket, frames: Peer["frames"], closes: Peer["closes"]) {
    this.socket = socket
    this.frames = frames
    this.closes = closes
    socket.on("message", (data) => Queue.offerUnsafe(frames, JSON.parse(String(data))))
    socket.on("close", (code, reason) => Queue.offerUnsafe(closes, { code, reason: reason.toString() }))
    socket.on("error", () => {})
  }

  get next() {
    return Queue.take(this.frames)
  }
  get closed() {
    return Queue.take(this.closes)
  }
  text(text: string | Buffer) {
    return Effect.sync(() => this.socket.send(text))
  }
  send(value: unknown) {
    return this.text(JSON.stringify(value))
  }
  event(event: string, payload: unknown, seq?: number) {
    return this.send({ type: "event", event, payload, ...(seq === undefined ? {} : { seq }) })
  }
  answer(id: string, payload: unknown) {
    return this.send({ type: "res", id, ok: true, payload })
  }
  refuse(id: string, error: unknown) {
    return this.send({ type: "res", id, ok: false, error })
  }
  close(code: number, reason: string) {
    return Effect.sync(() => this.socket.close(code, reason))
  }
  /** Cuts the connection without a word. */
  get vanish() {
    return Effect.sync(() => this.socket.terminate())
  }
  /** Sends the challenge and takes the `connect` request that answers it. */
  get challenge() {
    return Effect.andThen(this.event("connect.challenge", { nonce: NONCE, ts: CHALLENGE_TS }), this.next)
  }
  /** Lets the client in; gives its `connect` request. */
  welcome(overrides: Record<string, unknown> = {}) {
    return Effect.tap(this.challenge, (frame) => this.answer(frame.id, hello(overrides)))
  }
  /** Refuses the client as a Gateway does: an error, then close 1008. */
  reject(error: unknown) {
    return Effect.tap(this.challenge, (frame) =>
      Effect.andThen(this.refuse(frame.id, error), this.close(1008, "refused"))
    )
  }
}

const peerOf = (socket: WebSocket) =>
  new Peer(socket, Effect.runSync(Queue.unbounded<Frame>()), Effect.runSync(Queue.unbounded()))

/** Listens until the scope closes; `accept` gives each connection once. */
export const fakeGateway = Effect.gen(function* () {
  const peers = yield* Queue.unbounded<Peer>()
  const server = yield* Effect.acquireRelease(
    Effect.callback<WebSocketServer>((resume) => {
      const listener = new WebSocketServer({ host: "127.0.0.1", port: 0 })
      listener.on("connection", (socket) => Queue.offerUnsafe(peers, peerOf(socket)))
      listener.once("listening", () => resume(Effect.succeed(listener)))
    }),
    (listener) =>
      Effect.callback<void>((resume) => {
        for (const socket of listener.clients) socket.terminate()
        listener.close(() => resume(Effect.void))
      })
  )
  const endpoint: Endpoint = loopback((server.address() as AddressInfo).port)
  return { endpoint, accept: Queue.take(peers), waiting: Queue.size(peers) }
})

export const options = (endpoint: Endpoint, more: Partial<ClientOptions> = {}): ClientOptions => ({
  endpoint,
  client: { id: "gateway-client", mode: "backend", version: "0.1.0", platform: "linux" },
  scopes: ["operator.read"],
  ...more
})

/** A connected client and the server's end of its connection. */
export const pair = (more: Partial<ClientOptions> = {}, hello: Record<string, unknown> = {}) =>
  Effect.gen(function* () {
    const gateway = yield* fakeGateway
    const client = yield* GatewayClient.make(options(gateway.endpoint, more)).pipe(
      Effect.forkScoped({ startImmediately: true })
    )
    const peer = yield* gateway.accept
    yield* peer.welcome(hello)
    return { client: yield* Fiber.join(client), peer }
  })

/** Runs beside the script, from its first step on. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkScoped(effect, { startImmediately: true })
