/**
 * A Gateway on a free port with fake services behind it, and a raw client that shows every frame.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { WebSocket } from "ws"
import * as GatewayServer from "../../src/layers/gateway/GatewayServer.ts"
import { payloadV2, payloadV3 } from "../../src/protocol/DeviceAuth.ts"
import { Gateway } from "../../src/services/Gateway.ts"
import type { Tailscale } from "../../src/services/Tailscale.ts"
import { type NodeLog, noTailscale, services } from "./services.ts"

export const TOKEN = "a-shared-secret-for-tests"

export interface Frame {
  readonly type: string
  readonly id?: string
  readonly ok?: boolean
  readonly event?: string
  readonly seq?: number
  readonly payload?: any
  readonly error?: {
    readonly code: string
    readonly message: string
    readonly details?: any
    readonly retryable?: boolean
    readonly retryAfterMs?: number
  }
  readonly stateVersion?: { readonly presence: number; readonly health: number }
}

export interface Closed {
  readonly code: number
  readonly reason: string
}

/** Waits until `read` gives something, looking again whenever `changed` says so. */
export class Raw {
  readonly frames: Array<Frame> = []
  closed: Closed | undefined
  status: number | undefined
  readonly socket: WebSocket
  private waiting: Array<() => void> = []

  constructor(url: string, options: Record<string, unknown> = {}) {
    this.socket = new WebSocket(url, options)
    this.socket.on("message", (data) => {
      this.frames.push(JSON.parse(String(data)) as Frame)
      this.wake()
    })
    this.socket.on("close", (code, reason) => {
      this.closed = { code, reason: String(reason) }
      this.wake()
    })
    this.socket.on("unexpected-response", (_, response) => {
      this.status = response.statusCode
      this.closed = { code: 0, reason: "refused" }
      response.resume()
      this.wake()
    })
    this.socket.on("error", () => {
      this.closed ??= { code: 0, reason: "error" }
      this.wake()
    })
  }
  private wake() {
    const waiting = this.waiting
    this.waiting = []
    for (const resume of waiting) resume()
  }
  until<A>(read: () => A | undefined): Effect.Effect<A> {
    return Effect.callback<A>((resume) => {
      const look = () => {
        const value = read()
        if (value === undefined) this.waiting.push(look)
        else resume(Effect.succeed(value))
      }
      look()
    })
  }
  send(frame: unknown) {
    this.socket.send(typeof frame === "string" || frame instanceof Uint8Array ? frame : JSON.stringify(frame))
  }
  get challenge() {
    return this.until(
      () =>
        this.frames.find((frame) => frame.event === "connect.challenge")?.payload as
          | { nonce: string; ts: number }
          | undefined
    )
  }
  get close() {
    return this.until(() => this.closed)
  }
  /** The n-th answer to a request, from 0. */
  answer(id: string, nth = 0) {
    return this.until(() => this.frames.filter((frame) => frame.type === "res" && frame.id === id)[nth])
  }
  request(method: string, params?: unknown, id = `r${Math.floor(this.frames.length)}-${method}-${counter++}`) {
    return Effect.suspend(() => {
      this.send({ type: "req", id, method, ...(params === undefined ? undefined : { params }) })
      return this.answer(id)
    })
  }
  event(name: string) {
    return this.until(() => this.frames.find((frame) => frame.event === name))
  }
}
let counter = 0

export const open = (url: string, options: Record<string, unknown> = {}): Effect.Effect<Raw, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Raw(url, options)),
    (raw) => Effect.sync(() => raw.socket.terminate())
  )

export interface Device {
  readonly id: string
  readonly publicKey: string
  readonly key: KeyObject
}

export const makeDevice = (): Device => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  const raw = publicKey.export({ type: "spki", format: "der" }).subarray(-32)
  return { id: createHash("sha256").update(raw).digest("hex"), publicKey: raw.toString("base64url"), key: privateKey }
}

export const cli = { id: "cli", version: "1.0.0", platform: "linux", mode: "cli" }
export const nodeClient = { id: "node-host", version: "1.0.0", platform: "linux", deviceFamily: "Linux", mode: "node" }

export const params = (extra: Record<string, unknown> = {}): Record<string, any> => ({
  minProtocol: 4,
  maxProtocol: 4,
  client: cli,
  scopes: ["operator.admin"],
  auth: { token: TOKEN },
  ...extra
})

/** `connect` params with the proof that `device` gives for them. */
export const signed = (
  device: Device,
  challenge: { readonly nonce: string; readonly ts: number },
  base: Record<string, any>,
  change: {
    readonly version?: 2 | 3
    readonly signedAt?: number
    readonly proof?: Record<string, unknown>
    readonly over?: Record<string, unknown>
  } = {}
): Record<string, any> => {
  const signedAt = change.signedAt ?? challenge.ts
  const input = {
    deviceId: device.id,
    clientId: base["client"].id,
    clientMode: base["client"].mode,
    role: base["role"] ?? "operator",
    scopes: base["scopes"] ?? [],
    signedAtMs: signedAt,
    token: base["auth"]?.token ?? base["auth"]?.deviceToken ?? base["auth"]?.bootstrapToken,
    nonce: challenge.nonce,
    platform: base["client"].platform,
    deviceFamily: base["client"].deviceFamily,
    ...change.over
  }
  const payload = change.version === 2 ? payloadV2(input) : payloadV3(input)
  const signature = sign(null, Buffer.from(payload), device.key).toString("base64url")
  return {
    ...base,
    device: { id: device.id, publicKey: device.publicKey, signature, signedAt, nonce: challenge.nonce, ...change.proof }
  }
}

export interface Rig {
  readonly gateway: Gateway["Service"]
  readonly url: string
  readonly log: NodeLog
  /** What the Gateway logged: message, cause, annotations. */
  readonly logs: ReadonlyArray<string>
  readonly context: Context.Context<Layer.Success<ReturnType<typeof services>>>
}

export type RigOptions = Partial<GatewayServer.GatewayOptions>

/** Starts a Gateway until the scope closes. */
export const start = Effect.fnUntraced(function* (
  options: RigOptions = {},
  tailscale: Layer.Layer<Tailscale> = noTailscale
): Effect.fn.Return<Rig, never, Scope.Scope> {
  const log: NodeLog = { connected: [], gone: [], results: [], invokes: [] }
  const logs: Array<string> = []
  const logger = Logger.make(({ cause, message }) => {
    logs.push(`${String(message)} ${Cause.pretty(cause)}`)
  })
  const layer = GatewayServer.layer({
    host: "127.0.0.1",
    port: 0,
    version: "0.0.0-test",
    auth: { mode: "token", token: Redacted.make(TOKEN) },
    ...options
  }).pipe(Layer.provide(tailscale), Layer.provideMerge(services(log)), Layer.provideMerge(Logger.layer([logger])))
  const context = yield* Effect.orDie(Layer.build(layer))
  const gateway = Context.get(context, Gateway)
  return { gateway, url: gateway.url, log, logs, context }
})

/** A client that finished the handshake; `hello` is the payload of `hello-ok`. */
export const connect = Effect.fnUntraced(function* (url: string, extra: Record<string, unknown> = {}) {
  const raw = yield* open(url)
  yield* raw.challenge
  const hello = yield* raw.request("connect", params(extra))
  return { raw, hello }
})

/** The same with a device identity. */
export const connectDevice = Effect.fnUntraced(function* (
  url: string,
  device: Device,
  extra: Record<string, unknown> = {}
) {
  const raw = yield* open(url)
  const challenge = yield* raw.challenge
  const hello = yield* raw.request("connect", signed(device, challenge, params(extra)))
  return { raw, hello }
})

export const connectNode = (url: string, device: Device, extra: Record<string, unknown> = {}) =>
  connectDevice(url, device, { client: nodeClient, role: "node", scopes: [], commands: ["system.which"], ...extra })
