/**
 * The Gateway's own HTTP server, or the two of them: one by itself, one that only Tailscale is told of.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Scope from "effect/Scope"
import type { TlsFingerprint } from "../../domain/TlsFingerprint.ts"
import type { GatewayStartError } from "../../services/Gateway.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import * as Doors from "./doors.ts"
import { Exposed } from "./Exposed.ts"
import * as Front from "./front.ts"
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
  /** As it is listened on; empty where nothing is. */
  readonly host: string
  /** 0 where nothing is listened on. */
  readonly port: number
  /** Where a program on this machine connects; empty where nothing listens. */
  readonly url: string
  /** From now on `/startupz` and `/readyz` say so. */
  readonly started: Effect.Effect<void>
  /** No new sockets; those that are open stay. */
  readonly stopAccepting: Effect.Effect<void>
}

const serverOptions = {
  maxHeaderSize: MAX_HEADER_BYTES,
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  shouldUpgradeCallback: Front.asksForSocket
}

const isV6 = (host: string) => host.includes(":")

/** Where a program on this machine reaches a listener. */
export const urlOf = (at: Pick<GatewayOptions, "alsoLoopback" | "host">, secure: boolean, port: number): string => {
  const four = at.alsoLoopback === true || at.host === "0.0.0.0" || at.host === "localhost"
  const local = four ? "127.0.0.1" : at.host === "::" ? "::1" : at.host
  return `${secure ? "wss" : "ws"}://${isV6(local) ? `[${local}]` : local}:${port}`
}

/** Listens until the scope closes. `certificateChanged` receives what is shown at first and after each renewal. */
export const listen = Effect.fn("HttpListener.listen")(function* (
  options: GatewayOptions,
  takers: Front.Takers,
  certificateChanged: (fingerprint: TlsFingerprint) => void
): Effect.fn.Return<Listener, GatewayStartError, Exposed | FileSystem.FileSystem | Scope.Scope | Supervisor> {
  yield* checkBind(options)
  const material = options.tls === undefined ? undefined : yield* load(options.tls)
  const limits = limitsOf(options)
  const tlsTimeoutMs = Math.min(HEADERS_TIMEOUT_MS, limits.handshakeTimeoutMs)
  const exposed = yield* Exposed
  const front = yield* Front.make(options, takers)

  /** A server behind a door. */
  const open = (
    door: Doors.Door,
    shown: Material | undefined,
    at: Pick<GatewayOptions, "host" | "port" | "portPatienceMs">
  ) => {
    const serve = front.serveAt(door)
    const servers = Servers.make(serverOptions, shown, tlsTimeoutMs, (request, response) =>
      serve(request, response, Front.pathOf(request))
    )
    const { destroyUnfinished, server, tcpOf } = servers
    const upgrade = front.upgradeAt(door, tcpOf)
    server.maxConnections = limits.maxConnections + limits.maxPreauth
    // Node's own limit leaves headers out unsaid, and one that says for whom a proxy speaks may be among them. Bytes are limited.
    server.maxHeadersCount = 0
    server.on("connection", front.admit)
    server.on("upgrade", (request, socket, head) => upgrade(request, socket, head, Front.pathOf(request)))
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
    host: options.host,
    port,
    url: urlOf(options, options.tls !== undefined, port),
    started: front.started,
    stopAccepting: Effect.sync(() => {
      front.stopUnsafe()
      server.close()
      loopback?.close()
      beside?.server.close()
    })
  }
})
