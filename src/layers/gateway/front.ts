/**
 * What is answered at a door, whoever listens there: probes, the upgrade to a WebSocket, and everything else, after `Host`,
 * `Origin` and the caps were checked.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type WebSocket, WebSocketServer } from "ws"
import * as Ip from "../../domain/IpAddress.ts"
import { MAX_PREAUTH_PAYLOAD } from "../../protocol/Frame.ts"
import { ClientNonce, NONCE_HEADER } from "../../protocol/GatewayProof.ts"
import { StorageHealth } from "../../services/StorageHealth.ts"
import { isLoopbackAddress, judge, lockoutKey, normalizeAddress } from "./Addresses.ts"
import * as Caps from "./Caps.ts"
import type * as Doors from "./doors.ts"
import type { SocketPeer } from "./handshake/handshake.ts"
import { type Exchange, type Headers, json } from "./http/respond.ts"
import { type GatewayOptions, limitsOf } from "./options.ts"

export interface Accepted {
  readonly socket: WebSocket
  readonly peer: SocketPeer
  /** The client asks the Gateway to prove who it is. */
  readonly clientNonce: string | undefined
  /** To be called once when the handshake is over, however it ended. */
  readonly handshakeDone: () => void
}

/** Who takes what comes in. */
export interface Takers {
  readonly version: string
  readonly uptimeMs: () => number
  /** Receives every socket that may begin the handshake. */
  readonly accept: (accepted: Accepted) => void
  /** Receives every other request. */
  readonly answer: (exchange: Exchange) => void
}

const closing: Headers = { connection: "close" }

const reasons: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  503: "Service Unavailable"
}

/** Answers an upgrade with an error, and ends its connection. */
export const refuseUpgrade = (socket: Duplex, status: number, text: string) => {
  socket.on("error", () => socket.destroy())
  const body = `${text}\n`
  socket.end(
    `HTTP/1.1 ${status} ${reasons[status] ?? "Error"}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy()
  )
}

/** As it was sent, without the query. */
export const pathOf = (request: IncomingMessage): string => (request.url ?? "").split("?", 1)[0] ?? ""

/** The page connects to where it is served. */
export const isSocketPath = (path: string, basePath: string): boolean =>
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
export const isProbe = (path: string): boolean => Object.hasOwn(probes, path)

/**
 * Only a WebSocket is switched to. Some HTTP clients (Java's among them) offer HTTP/2 with every first request and go on with
 * HTTP/1.1 where nobody takes it.
 */
export const asksForSocket = ({ headers }: IncomingMessage): boolean =>
  /(?:^|,)\s*websocket\s*(?:,|$)/i.test(headers.upgrade ?? "")

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

/** By TCP connection; where there is TLS, that is not the request's own socket. */
type TcpOf = (socket: Socket) => object

export interface Front {
  readonly serveAt: (door: Doors.Door) => (request: IncomingMessage, response: ServerResponse, path: string) => void
  /** `path` is the Gateway's own: without the prefix under which it lives in somebody else's server. */
  readonly upgradeAt: (
    door: Doors.Door,
    tcpOf: TcpOf
  ) => (request: IncomingMessage, socket: Duplex, head: Buffer, path: string) => void
  /** Counts a TCP connection until it is authenticated or gone; cuts it where its address has too many. */
  readonly admit: (socket: Socket) => void
  /** From now on `/startupz` and `/readyz` say so. */
  readonly started: Effect.Effect<void>
  readonly stopUnsafe: () => void
}

/** One for all listeners of a Gateway: the caps are counted over all of them. */
export const make = Effect.fnUntraced(function* (options: GatewayOptions, takers: Takers): Effect.fn.Return<Front> {
  const limits = limitsOf(options)
  const caps = Caps.make(limits)
  const storage = yield* Effect.serviceOption(StorageHealth)
  let state: "starting" | "started" | "stopping" = "starting"

  const serveAt = (door: Doors.Door) => (request: IncomingMessage, response: ServerResponse, path: string) => {
    const refusal = judge(door.policy(), request.headers, request.rawHeaders)
    if (refusal !== undefined) return json(response, refusal.status, { ok: false, error: refusal.reason }, closing)
    const asked = probeOf(path)
    if (asked === undefined) {
      if (state !== "started") return json(response, 503, { ok: false, status: state }, closing)
      return takers.answer({ ...door.originOf(request), request, response, path, bodyTimeoutMs: limits.bodyTimeoutMs })
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return json(response, 405, { ok: false, error: "method not allowed" }, { ...closing, allow: "GET, HEAD" })
    }
    if (asked === "live") return json(response, 200, { ok: true, status: "live" })
    const uptimeMs = takers.uptimeMs()
    if (asked === "startup" && state !== "starting") {
      return json(response, 200, { ok: true, status: "started", version: takers.version, uptimeMs })
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
    (door: Doors.Door, tcpOf: TcpOf) => (request: IncomingMessage, socket: Duplex, head: Buffer, path: string) => {
      const refusal = judge(door.policy(), request.headers, request.rawHeaders)
      if (refusal !== undefined) return refuseUpgrade(socket, refusal.status, refusal.reason)
      if (request.httpVersion !== "1.1") return refuseUpgrade(socket, 400, "HTTP/1.1 is needed")
      if (!isSocketPath(path, options.controlUi?.basePath ?? "")) return refuseUpgrade(socket, 404, "no WebSocket here")
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
        takers.accept({
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

  return {
    serveAt,
    upgradeAt,
    admit,
    started: Effect.sync(() => {
      state = "started"
    }),
    stopUnsafe: () => {
      state = "stopping"
    }
  }
})
