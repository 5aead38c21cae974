/**
 * The one HTTP server: health probes, and the upgrade to a WebSocket after `Host`, `Origin` and the caps were checked.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type WebSocket, WebSocketServer } from "ws"
import * as Ip from "../../domain/IpAddress.ts"
import type { TlsFingerprint } from "../../domain/TlsFingerprint.ts"
import { MAX_PREAUTH_PAYLOAD } from "../../protocol/Frame.ts"
import { ClientNonce, NONCE_HEADER } from "../../protocol/GatewayProof.ts"
import type { GatewayStartError } from "../../services/Gateway.ts"
import { StorageHealth } from "../../services/StorageHealth.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { isLoopbackAddress, judge, lockoutKey, normalizeAddress } from "./Addresses.ts"
import * as Caps from "./Caps.ts"
import * as Doors from "./doors.ts"
import { Exposed } from "./Exposed.ts"
import type { SocketPeer } from "./handshake/handshake.ts"
import { type Exchange, type Headers, json } from "./http/respond.ts"
import { bind, checkBind, listenToo } from "./listening.ts"
import { type GatewayOptions, limitsOf } from "./options.ts"
import * as Servers from "./servers.ts"
import { load, type Material } from "./tls/material.ts"
import { renew } from "./tls/renewal.ts"

/** Milliseconds and bytes that a peer has for its request line and headers. */
const HEADERS_TIMEOUT_MS = 10_000
/** Milliseconds that it has for the whole request; who reads the body sets a limit of its own. */
const REQUEST_TIMEOUT_MS = 60_000
const MAX_HEADER_BYTES = 16_384

export interface Listener {
  readonly port: number
  /** From now on `/startupz` and `/readyz` say so. */
  readonly started: Effect.Effect<void>
  /** No new sockets; those that are open stay. */
  readonly stopAccepting: Effect.Effect<void>
}

export interface Accepted {
  readonly socket: WebSocket
  readonly peer: SocketPeer
  /** The client asks the Gateway to prove who it is. */
  readonly clientNonce: string | undefined
  /** To be called once when the handshake is over, however it ended. */
  readonly handshakeDone: () => void
}

const closing: Headers = { connection: "close" }

const reasons: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  503: "Service Unavailable"
}

const refuseUpgrade = (socket: Duplex, status: number, text: string) => {
  socket.on("error", () => socket.destroy())
  const body = `${text}\n`
  socket.end(
    `HTTP/1.1 ${status} ${reasons[status] ?? "Error"}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy()
  )
}

const pathOf = (request: IncomingMessage): string => (request.url ?? "").split("?", 1)[0] ?? ""

/** The page connects to where it is served. */
const isSocketPath = (path: string, basePath: string): boolean =>
  path === "/" || path === `${basePath}/` || (basePath !== "" && path === basePath)

/** Each probe by both of its names. */
const probes: Readonly<Record<string, "live" | "ready" | "startup">> = {
  "/health": "live",
  "/healthz": "live",
  "/ready": "ready",
  "/readyz": "ready",
  "/startup": "startup",
  "/startupz": "startup"
}
const probeOf = (path: string) => (Object.hasOwn(probes, path) ? probes[path] : undefined)

/**
 * Only a WebSocket is switched to. Some HTTP clients (Java's among them) offer HTTP/2 with every first request and go on with
 * HTTP/1.1 where nobody takes it.
 */
const asksForSocket = ({ headers }: IncomingMessage): boolean =>
  /(?:^|,)\s*websocket\s*(?:,|$)/i.test(headers.upgrade ?? "")

const serverOptions = {
  maxHeaderSize: MAX_HEADER_BYTES,
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  shouldUpgradeCallback: asksForSocket
}

/** Where proxies are, many come by one address. */
const speaksForOthers = ({ proxies }: GatewayOptions, address: string): boolean => {
  const ip = Ip.parse(address)
  return (
    isLoopbackAddress(address) ||
    (ip !== undefined && proxies?.trusted.some((range) => Ip.contains(range, ip)) === true)
  )
}

const isClientNonce = Schema.is(ClientNonce)

const clientNonceOf = ({ headers }: IncomingMessage): string | undefined => {
  const nonce = headers[NONCE_HEADER]
  return isClientNonce(nonce) ? nonce : undefined
}

/**
 * Listens until the scope closes. `accept` receives every socket that may begin the handshake, `answer` every other request,
 * `certificateChanged` what is shown at first and after each renewal.
 */
export const listen = Effect.fn("HttpListener.listen")(function* (
  options: GatewayOptions,
  probe: { readonly uptimeMs: () => number; readonly version: string },
  accept: (accepted: Accepted) => void,
  answer: (exchange: Exchange) => void,
  certificateChanged: (fingerprint: TlsFingerprint) => void
): Effect.fn.Return<Listener, GatewayStartError, Exposed | FileSystem.FileSystem | Scope.Scope | Supervisor> {
  yield* checkBind(options)
  const material = options.tls === undefined ? undefined : yield* load(options.tls)
  const limits = limitsOf(options)
  const tlsTimeoutMs = Math.min(HEADERS_TIMEOUT_MS, limits.handshakeTimeoutMs)
  const exposed = yield* Exposed
  const caps = Caps.make(limits)
  const storage = yield* Effect.serviceOption(StorageHealth)
  let state: "starting" | "started" | "stopping" = "starting"

  const serveAt = (door: Doors.Door) => (request: IncomingMessage, response: ServerResponse) => {
    const refusal = judge(door.policy(), request.headers, request.rawHeaders)
    if (refusal !== undefined) return json(response, refusal.status, { ok: false, error: refusal.reason }, closing)
    const path = pathOf(request)
    const asked = probeOf(path)
    if (asked === undefined) {
      if (state !== "started") return json(response, 503, { ok: false, status: state }, closing)
      return answer({ ...door.originOf(request), request, response, path, bodyTimeoutMs: limits.bodyTimeoutMs })
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return json(response, 405, { ok: false, error: "method not allowed" }, { ...closing, allow: "GET, HEAD" })
    }
    if (asked === "live") return json(response, 200, { ok: true, status: "live" })
    const uptimeMs = probe.uptimeMs()
    if (asked === "startup" && state !== "starting") {
      return json(response, 200, { ok: true, status: "started", version: probe.version, uptimeMs })
    }
    const notReady = (status: string, more?: Readonly<Record<string, string>>) =>
      json(response, 503, { ready: false, failing: [status], uptimeMs, ok: false, status, ...more }, closing)
    if (state !== "started") return notReady(state)
    const condition = Option.match(storage, { onNone: () => "ok", onSome: (health) => health.statusUnsafe().condition })
    return condition === "ok"
      ? json(response, 200, { ready: true, failing: [], uptimeMs, ok: true, status: "ready" })
      : notReady("storage", { storage: condition })
  }

  const socketOptions = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_PREAUTH_PAYLOAD,
    // Known to ws 8.23, not yet to its types.
    closeTimeout: limits.closeGraceMs
  }
  const sockets = new WebSocketServer(socketOptions)

  const admit = (socket: Socket) => {
    const address = normalizeAddress(socket.remoteAddress ?? "unknown")
    if (!caps.admit(socket, lockoutKey(address), speaksForOthers(options, address))) return socket.destroy()
    socket.once("close", () => caps.forget(socket))
    return undefined
  }

  const upgradeAt =
    (door: Doors.Door, { tcpOf }: Servers.Servers) =>
    (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const refusal = judge(door.policy(), request.headers, request.rawHeaders)
      if (refusal !== undefined) return refuseUpgrade(socket, refusal.status, refusal.reason)
      if (request.httpVersion !== "1.1") return refuseUpgrade(socket, 400, "HTTP/1.1 is needed")
      if (!isSocketPath(pathOf(request), options.controlUi?.basePath ?? ""))
        return refuseUpgrade(socket, 404, "no WebSocket here")
      const origin = door.originOf(request)
      const key = lockoutKey(origin.address)
      if (state === "stopping" || caps.refuses(key, speaksForOthers(options, origin.address)))
        return refuseUpgrade(socket, 503, "no capacity; retry shortly")
      const tcp = tcpOf(request.socket)
      return sockets.handleUpgrade(request, socket, head, (client) => {
        let waiting = true
        const handshakeDone = () => {
          if (waiting) caps.authenticated(key)
          waiting = false
          caps.forget(tcp)
        }
        caps.enter(key)
        client.once("close", () => {
          handshakeDone()
          caps.leave()
        })
        accept({
          socket: client,
          handshakeDone,
          clientNonce: clientNonceOf(request),
          peer: {
            ...origin,
            browser: request.headers.origin !== undefined,
            port: request.socket.localPort
          }
        })
      })
    }

  /** A server behind a door. */
  const open = (
    door: Doors.Door,
    shown: Material | undefined,
    at: Pick<GatewayOptions, "host" | "port" | "portPatienceMs">
  ) => {
    const servers = Servers.make(serverOptions, shown, tlsTimeoutMs, serveAt(door))
    const { destroyUnfinished, server } = servers
    server.maxConnections = limits.maxConnections + limits.maxPreauth
    // Node's own limit leaves headers out unsaid, and one that says for whom a proxy speaks may be among them. Bytes are limited.
    server.maxHeadersCount = 0
    server.on("connection", admit)
    server.on("upgrade", upgradeAt(door, servers))
    const bound = Effect.acquireRelease(bind(server, at), () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
        destroyUnfinished()
      })
    )
    return Effect.map(bound, (port) => ({ ...servers, port }))
  }

  const { port, renew: show, server } = yield* open(Doors.ordinary(options), material, options)
  const loopback = options.alsoLoopback === true ? yield* listenToo(server, port) : undefined
  if (options.tls !== undefined && material !== undefined) {
    certificateChanged(material.fingerprint)
    yield* (yield* Supervisor).supervise(
      "gateway/certificate",
      renew(options.tls, material, options.tls.paused, (next) => {
        show(next)
        certificateChanged(next.fingerprint)
      }),
      { restart: "always" }
    )
  }
  const { mode } = exposed
  const claimed = () => {
    const now = exposed.stateUnsafe()
    return now?._tag === "Active" ? now.name : undefined
  }
  const beside =
    mode === undefined
      ? undefined
      : yield* open(Doors.tailscale(options, mode, claimed), undefined, { host: "127.0.0.1", port: 0 })
  if (mode !== undefined && beside !== undefined) yield* exposed.open(mode, beside.port)
  return {
    port,
    started: Effect.sync(() => {
      state = "started"
    }),
    stopAccepting: Effect.sync(() => {
      state = "stopping"
      server.close()
      loopback?.close()
      beside?.server.close()
    })
  }
})
