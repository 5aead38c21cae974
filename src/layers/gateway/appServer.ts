/**
 * The Gateway on an HTTP server of the app around it: no listener of its own, and nothing of the app's is touched.
 *
 * Node tells every listener of a request about it, so a server with two owners would answer twice. The Gateway therefore stands
 * before them all: what is its own is not told to them, and they hear everything else as before, in whatever order they came.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import { Server as TlsServer } from "node:tls"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { AppServerUnusable, type BindRefused } from "../../services/Gateway.ts"
import * as Doors from "./doors.ts"
import * as Front from "./front.ts"
import { type Listener, urlOf } from "./HttpListener.ts"
import { isApi } from "./http/routes.ts"
import { checkBind } from "./listening.ts"
import type { AppServer, GatewayOptions } from "./options.ts"

/** How long it is waited for that the server listens: it may be started at the same time. */
const LISTENS_WITHIN = "10 seconds"

/** Where nobody comes from outside. */
export const nowhere: Listener = {
  host: "",
  port: 0,
  url: "",
  started: Effect.void,
  stopAccepting: Effect.void
}

const segments = /^(?:\/[A-Za-z0-9._~-]+)*$/

/** The path without a slash at its end; empty for the server's root. */
const trimmed = ({ path = "" }: AppServer): string => path.replace(/\/+$/, "")

const prefixOf = (app: AppServer): Effect.Effect<string, AppServerUnusable> => {
  const prefix = trimmed(app)
  return segments.test(prefix) && !prefix.split("/").some((segment) => segment === "." || segment === "..")
    ? Effect.succeed(prefix)
    : Effect.fail(new AppServerUnusable({ reason: "path-malformed", path: prefix }))
}

const listening = (server: Server) =>
  Effect.callback<void>((resume) => {
    if (server.listening) return resume(Effect.void)
    const heard = () => resume(Effect.void)
    server.once("listening", heard)
    return Effect.sync(() => server.off("listening", heard))
  })

const addressOf = Effect.fnUntraced(function* ({ path = "", server }: AppServer) {
  const unusable = (reason: AppServerUnusable["reason"]) => new AppServerUnusable({ reason, path })
  yield* Effect.timeoutOrElse(listening(server), {
    duration: LISTENS_WITHIN,
    orElse: () => Effect.fail(unusable("not-listening"))
  })
  const address = server.address()
  return typeof address === "object" && address !== null ? address : yield* unusable("no-port")
})

/** Which requests of the server are the Gateway's, and by which of its own paths. `undefined`: the app's. */
interface Claim {
  readonly request: (path: string) => string | undefined
  readonly upgrade: (path: string) => string | undefined
}

/** `basePath`: of the web page, if there is one. */
const claimOf = (prefix: string, basePath: string | undefined): Claim => {
  const within = (path: string) => path === prefix || path.startsWith(`${prefix}/`)
  if (prefix !== "") {
    // The page knows the whole path of its files; everything else has its own below the prefix.
    const inner = (path: string) => path.slice(prefix.length) || "/"
    const ofPage = (path: string) =>
      basePath !== undefined && !isApi(inner(path)) && !Front.isProbe(inner(path)) ? path : inner(path)
    return {
      request: (path) => (within(path) ? ofPage(path) : undefined),
      upgrade: (path) => (within(path) ? (Front.isSocketPath(path, basePath ?? "") ? "/" : inner(path)) : undefined)
    }
  }
  const isPage = (path: string) =>
    basePath !== undefined && basePath !== "" && (path === basePath || path.startsWith(`${basePath}/`))
  return {
    request: (path) => (isApi(path) || isPage(path) ? path : undefined),
    upgrade: (path) => (Front.isSocketPath(path, basePath ?? "") ? path : undefined)
  }
}

/** A Gateway's place on a server, kept with the server itself. */
interface Claimed extends Server {
  [claims]?: Set<string>
}
const claims = Symbol.for("openclaw/gateway/claims")

const overlap = (one: string, other: string): boolean =>
  one === other || (one !== "" && other.startsWith(`${one}/`)) || (other !== "" && one.startsWith(`${other}/`))

/** Takes a path of a server for as long as the scope lives. */
const claimPath = (server: Claimed, prefix: string): Effect.Effect<void, AppServerUnusable, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.suspend(() => {
        const taken = (server[claims] ??= new Set())
        if ([...taken].some((other) => overlap(other, prefix))) {
          return Effect.fail(new AppServerUnusable({ reason: "path-taken", path: prefix }))
        }
        taken.add(prefix)
        return Effect.void
      }),
      () => Effect.sync(() => server[claims]?.delete(prefix))
    )
  )

interface Handlers {
  readonly request: (request: IncomingMessage, response: ServerResponse, path: string) => void
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer, path: string) => void
}

/** Newer versions of Node ask a server which upgrades it wants; their types do not know it yet. */
interface Asked {
  shouldUpgradeCallback?: (request: IncomingMessage) => boolean
}

/** Stands before the server's own listeners until the scope closes. */
const stand = (server: Server & Asked, claim: Claim, handlers: Handlers): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { emit, shouldUpgradeCallback } = server
      const own = Object.hasOwn(server, "emit")
      let here = true
      /** Node hands upgrades over only where somebody listens for them. */
      const present = () => {}
      server.on("upgrade", present)
      const others = () => server.listeners("upgrade").some((listener) => listener !== present)
      const asked = (request: IncomingMessage): boolean => {
        if (here && claim.upgrade(Front.pathOf(request)) !== undefined) return Front.asksForSocket(request)
        return others() && shouldUpgradeCallback?.call(server, request) === true
      }
      const before = function (this: Server, event: string | symbol, ...rest: ReadonlyArray<unknown>): boolean {
        if (here && (event === "request" || event === "checkContinue" || event === "checkExpectation")) {
          const [request, response] = rest as [IncomingMessage, ServerResponse]
          const path = claim.request(Front.pathOf(request))
          if (path !== undefined) {
            if (event === "checkContinue") response.writeContinue()
            handlers.request(request, response, path)
            return true
          }
        }
        if (here && event === "upgrade") {
          const [request, socket, head] = rest as [IncomingMessage, Duplex, Buffer]
          const path = claim.upgrade(Front.pathOf(request))
          if (path !== undefined) {
            handlers.upgrade(request, socket, head, path)
            return true
          }
          // Older versions of Node give everything to whoever listens at all.
          if (!others()) {
            Front.refuseUpgrade(socket, 404, "no WebSocket here")
            return true
          }
        }
        return Reflect.apply(emit, this, [event, ...rest]) as boolean
      }
      server.emit = before
      if (shouldUpgradeCallback !== undefined) server.shouldUpgradeCallback = asked
      return () => {
        here = false
        server.off("upgrade", present)
        // Whoever came after us and stands before us goes on through us.
        if (server.emit === before) {
          if (own) server.emit = emit
          else Reflect.deleteProperty(server, "emit")
        }
        if (shouldUpgradeCallback !== undefined && server.shouldUpgradeCallback === asked) {
          server.shouldUpgradeCallback = shouldUpgradeCallback
        }
      }
    }),
    (leave) => Effect.sync(leave)
  )

/** The page's files lie below the app's path, and it has to know where. */
export const placed = (options: GatewayOptions): GatewayOptions => {
  const { controlUi, listen } = options
  if (listen === undefined || listen === "none" || controlUi === undefined) return options
  return { ...options, controlUi: { ...controlUi, basePath: `${trimmed(listen)}${controlUi.basePath}` } }
}

/** Takes the Gateway's place on the app's server until the scope closes. What the server opens is judged as a bind would be. */
export const attach = Effect.fn("AppServer.attach")(function* (
  options: GatewayOptions,
  app: AppServer,
  takers: Front.Takers
): Effect.fn.Return<Listener, AppServerUnusable | BindRefused, Scope.Scope> {
  const { server } = app
  const prefix = yield* prefixOf(app)
  const { address: host, port } = yield* addressOf(app)
  const secure = server instanceof TlsServer
  yield* checkBind({ ...options, host })
  yield* claimPath(server, prefix)
  const { controlUi } = options
  const front = yield* Front.make(options, takers)
  const door = Doors.ordinary({ ...options, host }, secure)
  yield* stand(server, claimOf(prefix, controlUi?.basePath), {
    request: front.serveAt(door),
    upgrade: front.upgradeAt(door, (socket) => socket)
  })
  return {
    host,
    port,
    url: `${urlOf({ host }, secure, port)}${prefix}`,
    started: front.started,
    stopAccepting: Effect.sync(front.stopUnsafe)
  }
})
