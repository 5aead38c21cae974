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
import * as Stream from "effect/Stream"
import { Config } from "../../services/Config.ts"
import { AppServerUnusable, type BindRefused } from "../../services/Gateway.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import * as Doors from "./doors.ts"
import * as Front from "./front.ts"
import { type Listener, urlOf } from "./HttpListener.ts"
import { isApi, isOn } from "./http/routes.ts"
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

/** Below a path everything is the Gateway's. `basePath`: of the web page, if there is one. */
const claimBelow = (prefix: string, basePath: string | undefined): Claim => {
  const within = (path: string) => path === prefix || path.startsWith(`${prefix}/`)
  // The page knows the whole path of its files; everything else has its own below the prefix.
  const inner = (path: string) => path.slice(prefix.length) || "/"
  const ofPage = (path: string) =>
    basePath !== undefined && !isApi(inner(path)) && !Front.isProbe(inner(path)) ? path : inner(path)
  return {
    request: (path) => (within(path) ? ofPage(path) : undefined),
    upgrade: (path) => (within(path) ? (Front.isSocketPath(path, basePath ?? "") ? "/" : inner(path)) : undefined)
  }
}

/** Without a path it takes what is on, and nothing that apps have under the same name. */
const claimAtRoot = (basePath: string | undefined, isOn: (path: string) => boolean): Claim => {
  const isPage = (path: string) =>
    basePath !== undefined && basePath !== "" && (path === basePath || path.startsWith(`${basePath}/`))
  return {
    request: (path) => ((isApi(path) && isOn(path)) || isPage(path) ? path : undefined),
    upgrade: (path) => (Front.isSocketPath(path, basePath ?? "") ? path : undefined)
  }
}

/** A Gateway's place on a server. */
interface Place {
  readonly prefix: string
  readonly claim: Claim
  readonly request: (request: IncomingMessage, response: ServerResponse, path: string) => void
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer, path: string) => void
}

/** All places on a server, kept with the server itself. The last one that goes takes `leave` with it. */
interface Places {
  readonly taken: Set<Place>
  readonly leave: () => void
}

const places = Symbol.for("openclaw/gateway/places")

interface Housing extends Server {
  [places]?: Places
  /** Newer versions of Node ask a server which upgrades it wants; their types do not know it yet. */
  shouldUpgradeCallback?: (request: IncomingMessage) => boolean
}

const overlap = (one: string, other: string): boolean =>
  one === other || (one !== "" && other.startsWith(`${one}/`)) || (other !== "" && one.startsWith(`${other}/`))

/** Node hands upgrades over only where somebody listens for them. */
const present = () => {}

/** Stands before the server's own listeners, once for all Gateways that have a place there. */
const stand = (server: Housing): Places => {
  const { emit, shouldUpgradeCallback } = server
  const own = Object.hasOwn(server, "emit")
  const taken = new Set<Place>()
  const placeOf = (request: IncomingMessage, kind: "request" | "upgrade") => {
    const asked = Front.pathOf(request)
    for (const place of taken) {
      const path = place.claim[kind](asked)
      if (path !== undefined) return { place, path }
    }
    return undefined
  }
  const others = () => server.listeners("upgrade").some((listener) => listener !== present)
  const asked = (request: IncomingMessage): boolean => {
    if (placeOf(request, "upgrade") !== undefined) return Front.asksForSocket(request)
    return others() && shouldUpgradeCallback?.call(server, request) === true
  }
  const before = function (this: Server, event: string | symbol, ...rest: ReadonlyArray<unknown>): boolean {
    if (event === "request" || event === "checkContinue" || event === "checkExpectation") {
      const [request, response] = rest as [IncomingMessage, ServerResponse]
      const found = placeOf(request, "request")
      if (found !== undefined) {
        if (event === "checkContinue") response.writeContinue()
        found.place.request(request, response, found.path)
        return true
      }
    }
    if (event === "upgrade" && taken.size > 0) {
      const [request, socket, head] = rest as [IncomingMessage, Duplex, Buffer]
      const found = placeOf(request, "upgrade")
      if (found !== undefined) {
        found.place.upgrade(request, socket, head, found.path)
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
  server.on("upgrade", present)
  server.emit = before
  if (shouldUpgradeCallback !== undefined) server.shouldUpgradeCallback = asked
  return {
    taken,
    leave: () => {
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
  }
}

/** Takes a place on a server for as long as the scope lives. */
const take = (server: Housing, place: Place): Effect.Effect<void, AppServerUnusable, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.suspend(() => {
        const here = [...(server[places]?.taken ?? [])]
        if (here.some(({ prefix }) => overlap(prefix, place.prefix))) {
          return Effect.fail(new AppServerUnusable({ reason: "path-taken", path: place.prefix }))
        }
        const all = (server[places] ??= stand(server))
        all.taken.add(place)
        return Effect.succeed(all)
      }),
      ({ leave, taken }) =>
        Effect.sync(() => {
          taken.delete(place)
          if (taken.size > 0) return
          leave()
          Reflect.deleteProperty(server, places)
        })
    )
  )

/** Which of the APIs are on, as the configuration says at any time. */
const watchApis = Effect.gen(function* () {
  const config = yield* Config
  let now = yield* Effect.orDie(config.get)
  const follow = Stream.runForEach(config.changes, (next) =>
    Effect.sync(() => {
      now = next
    })
  )
  yield* (yield* Supervisor).supervise("gateway/apis", follow, { restart: "always" })
  return (path: string) => isOn(path, now)
})

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
): Effect.fn.Return<Listener, AppServerUnusable | BindRefused, Config | Scope.Scope | Supervisor> {
  const { server } = app
  const prefix = yield* prefixOf(app)
  const { address: host, port } = yield* addressOf(app)
  const secure = server instanceof TlsServer
  yield* checkBind({ ...options, host })
  const { controlUi } = options
  const front = yield* Front.make(options, takers)
  const door = Doors.ordinary({ ...options, host }, secure)
  yield* take(server, {
    prefix,
    claim: prefix === "" ? claimAtRoot(controlUi?.basePath, yield* watchApis) : claimBelow(prefix, controlUi?.basePath),
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
