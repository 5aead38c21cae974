/**
 * Taking the address: whether it may be listened on at all, whether it could be, and listening itself.
 */
import type { Server as HttpServer } from "node:http"
import { createServer, type Server } from "node:net"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Schedule from "effect/Schedule"
import { BindRefused, type GatewayStartError, ListenFailed, PortInUse } from "../../services/Gateway.ts"
import { isLoopbackBind } from "./Addresses.ts"
import type { GatewayOptions } from "./options.ts"

interface Address {
  readonly host: string
  readonly port: number
}

/** What would be open to other machines or to any web page is not opened. */
export const checkBind = (
  options: Pick<GatewayOptions, "allowedOrigins" | "auth" | "host" | "tailscale">
): Effect.Effect<void, BindRefused> => {
  const { auth, host } = options
  const refuse = (reason: BindRefused["reason"]) => Effect.fail(new BindRefused({ host, reason }))
  const local = isLoopbackBind(host)
  const opened = options.tailscale
  if (opened !== undefined && !local) return refuse("tailscale-bind")
  if (opened === "funnel" && auth.mode !== "password") return refuse("funnel-password")
  if (opened !== undefined && auth.mode === "none") return refuse("tailscale-no-auth")
  const anyOrigin = options.allowedOrigins?.includes("*") === true
  if (auth.mode === "none" && !local) return refuse("no-auth")
  if (auth.mode === "none" && anyOrigin) return refuse("any-page")
  if (anyOrigin && (opened !== undefined || auth.mode === "trusted-proxy")) return refuse("any-page-vouched")
  return anyOrigin && !local ? refuse("any-origin") : Effect.void
}

/** One try. Succeeds with the port, which is the real one when 0 was asked for. */
const listenOnce = (
  server: Server | HttpServer,
  { host, port }: Address
): Effect.Effect<number, ListenFailed | PortInUse> =>
  Effect.callback((resume) => {
    const onError = (error: NodeJS.ErrnoException) => {
      server.off("listening", onListening)
      resume(
        Effect.fail(
          error.code === "EADDRINUSE"
            ? new PortInUse({ host, port })
            : new ListenFailed({ host, port, code: error.code ?? "unknown" })
        )
      )
    }
    const onListening = () => {
      server.off("error", onError)
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
    }
    server.once("error", onError)
    server.once("listening", onListening)
    server.listen({ host, port })
  })

const isInUse = (error: GatewayStartError): error is PortInUse => error._tag === "PortInUse"

/** How often a port that is taken is tried again. */
const againAfter = "100 millis"

/** Listens. A port that somebody else has is waited for as long as the options say, and the log says so once. */
export const bind = (
  server: HttpServer,
  options: Pick<GatewayOptions, "host" | "port" | "portPatienceMs">
): Effect.Effect<number, GatewayStartError> => {
  const once = listenOnce(server, options)
  const patience = options.portPatienceMs ?? 0
  if (patience <= 0) return once
  return Effect.catchIf(once, isInUse, (error) =>
    Effect.logWarning(
      `port ${error.port} on ${error.host} is in use; trying again for ${Duration.format(Duration.millis(patience))}`
    ).pipe(
      Effect.andThen(Effect.retry(once, { while: isInUse, schedule: Schedule.spaced(againAfter) })),
      Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(error) })
    )
  )
}

/** Listens on 127.0.0.1 as well, until the scope closes; connections are the server's own. */
export const listenToo = (
  server: HttpServer,
  port: number
): Effect.Effect<Server, ListenFailed | PortInUse, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const beside = createServer((socket) => void server.emit("connection", socket))
      return Effect.as(listenOnce(beside, { host: "127.0.0.1", port }), beside)
    }),
    // Its connections end with the server's own; waiting for them here would wait for that.
    (beside) => Effect.sync(() => void beside.close())
  )

const isWildcard = (host: string): boolean => host === "0.0.0.0" || host === "::"

const tryOut = (address: Address) =>
  Effect.acquireUseRelease(
    Effect.sync(() => createServer()),
    (server) => listenOnce(server, address),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )

/** An address, with 127.0.0.1 beside it where `alsoLoopback` says so. */
type Places = Address & { readonly alsoLoopback?: boolean | undefined }

const placesOf = ({ alsoLoopback, host, port }: Places): ReadonlyArray<Address> =>
  alsoLoopback === true
    ? [
        { host, port },
        { host: "127.0.0.1", port }
      ]
    : [{ host, port }]

/**
 * Whether the address could be listened on once `held`, which this Gateway has, is free. Where only the Gateway itself can be
 * in the way, it is found out on another port whether this machine has the address.
 */
export const probe = (next: Places, held: Places): Effect.Effect<void, ListenFailed | PortInUse> =>
  Effect.forEach(
    placesOf(next),
    (place) => {
      const isHeld = (own: Address) => own.port === place.port && own.host === place.host
      if (placesOf(held).some(isHeld)) return Effect.void
      const ownInTheWay = place.port === held.port && (isWildcard(place.host) || isWildcard(held.host))
      return Effect.asVoid(tryOut(ownInTheWay ? { host: place.host, port: 0 } : place))
    },
    { discard: true }
  )
