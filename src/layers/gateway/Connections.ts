/**
 * The connections that finished the handshake: what each is, and how frames reach it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ConnId, DeviceId } from "../../domain/Ids.ts"
import type { ClientInfo } from "../../protocol/Connect.ts"
import type { Audience } from "../../protocol/EventTable.ts"
import type { ErrorShape } from "../../protocol/GatewayError.ts"
import { type Role, satisfies } from "../../protocol/Role.ts"
import type { AuthMethod } from "../../services/Authenticator.ts"
import type { Onlookers } from "../../services/EventBus.ts"
import type { Subscriptions } from "./Subscriptions.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import type { WireSocket } from "./WireSocket.ts"

/** A request that runs: the id that the client gave it. */
export interface InFlight {
  readonly id: string
  readonly method: string
  readonly bytes: number
  /** What the client says it belongs to, unchecked. */
  readonly traceparent: string | undefined
}

export interface Retirement {
  readonly code: number
  readonly reason: string
}

export interface Connection {
  readonly connId: ConnId
  /** The number by which `effect/rpc` knows it. */
  readonly clientId: number
  readonly socket: WireSocket
  readonly role: Role
  readonly scopes: ReadonlyArray<string>
  readonly client: ClientInfo
  /** What the client says it can do. */
  readonly caps: ReadonlyArray<string>
  readonly deviceId: DeviceId | undefined
  /** Unix milliseconds of the device token that it stands on. */
  readonly issuedAtMs: number | undefined
  readonly address: string
  /** The port of this Gateway that it came to. */
  readonly port: number | undefined
  /** What it showed to be let in. */
  readonly method: AuthMethod
  /** Whom the proxy or Tailscale vouched for. */
  readonly user: string | undefined
  /** Unix milliseconds. */
  readonly connectedAt: number
  /** By internal id: the same client id twice is two requests, each with its answer. */
  readonly inFlight: Map<string, InFlight>
  inFlightBytes: number
  /** The last `seq` that was used. */
  seq: number
  /** Calls of the other role's methods in a row. */
  roleViolations: number
  readonly subscriptions: Subscriptions
  /** How it is to be closed once what retired it is answered. Nothing that it asks after that is heard. */
  retired: Retirement | undefined
}

/** The connection that a handler serves. */
export class CurrentConnection extends Context.Service<CurrentConnection, Connection>()(
  "openclaw/layers/gateway/CurrentConnection"
) {}

/** Answers a request. With `error` the answer is `ok: false`; it may carry a payload beside it. */
export const respondUnsafe = (
  connection: { readonly socket: WireSocket },
  id: string,
  answer: { readonly payload?: unknown; readonly error?: ErrorShape | undefined }
): boolean =>
  connection.socket.sendUnsafe(
    JSON.stringify({ type: "res", id, ok: answer.error === undefined, payload: answer.payload, error: answer.error })
  )

/** Calls by which a connection may take its own ground away, or is told of a new one. */
const lastWords: ReadonlySet<string> = new Set([
  "device.pair.approve",
  "device.pair.remove",
  "device.scopes.waitUpgrade",
  "device.token.revoke",
  "device.token.rotate",
  "node.pair.remove"
])

/** Closes a retired connection, unless it still waits for the answer to the call by which it retired itself. */
export const closeRetiredUnsafe = (connection: Connection): void => {
  if (connection.retired === undefined) return
  for (const { method } of connection.inFlight.values()) if (lastWords.has(method)) return
  connection.socket.closeUnsafe(connection.retired.code, connection.retired.reason)
}

/** Ends a connection whose ground is gone. */
export const retireUnsafe = (connection: Connection, how: Retirement): void => {
  connection.retired = how
  closeRetiredUnsafe(connection)
}

/** What a client that shows approvals declares. Others are not told of any, as in OpenClaw. */
const APPROVALS_CAP = "approvals"

/** Whether somebody at this connection is told of approvals and may decide them. */
export const showsApprovals = (connection: Connection): boolean =>
  connection.role === "operator" &&
  satisfies(connection.scopes, "operator.approvals") &&
  connection.caps.includes(APPROVALS_CAP)

/**
 * Whether what a client asked for is this connection's business: it asked, its device did, or it may do everything. What a
 * turn of this Gateway asked is everybody's who decides.
 */
export const concerns = ({ connId, deviceId, scopes }: Connection, asker: Onlookers): boolean => {
  if (scopes.includes("operator.admin")) return true
  if (asker.deviceId !== undefined) return asker.deviceId === deviceId
  return asker.connId === undefined || asker.connId === connId
}

const admits = (connection: Connection, audience: Audience): boolean => {
  if (audience === "everyone") return true
  if (audience === "operator.approvals") return showsApprovals(connection)
  return connection.role === "operator" && satisfies(connection.scopes, audience)
}

export class Connections extends Context.Service<
  Connections,
  {
    /** A number that no connection of this Gateway had before. */
    readonly nextClientId: () => number
    readonly add: (connection: Connection) => void
    readonly remove: (connection: Connection) => boolean
    readonly get: (clientId: number) => Connection | undefined
    readonly byConnId: (connId: ConnId) => Connection | undefined
    readonly all: () => Iterable<Connection>
    /** Keeps a socket for `closeAllUnsafe` until the scope closes, whether or not it finishes the handshake. */
    readonly keep: (socket: WireSocket) => Effect.Effect<void, never, Scope.Scope>
    /** Starts closing every socket, also of those who have not finished the handshake. */
    readonly closeAllUnsafe: (code: number, reason: string) => void
    readonly size: () => number
    /** Requests that run, over all connections. */
    readonly running: () => number
    /**
     * Writes a broadcast to everyone in its audience that `isMeant`, if that is given. `head` is the frame up to its `seq` and `tail` what follows, so that
     * the payload is encoded once.
     */
    readonly broadcastUnsafe: (
      audience: Audience,
      head: string,
      tail: string,
      isMeant?: (connection: Connection) => boolean
    ) => void
  }
>()("openclaw/layers/gateway/Connections") {}

/** Devices of which it is known that they were here before. */
const MOST_REMEMBERED = 4_096

const make = (counted: Option.Option<Metrics["Service"]>) => {
  const connections = new Map<number, Connection>()
  const seen = new Set<string>()
  const count = ({ deviceId, role }: Connection, by: 1 | -1) => {
    if (Option.isNone(counted)) return
    const name = deviceId === undefined ? undefined : `${role} ${deviceId}`
    const again = name !== undefined && seen.has(name)
    if (name !== undefined && seen.size < MOST_REMEMBERED) seen.add(name)
    counted.value.connected(role, by, again)
  }
  const ids = new Map<ConnId, Connection>()
  const sockets = new Set<WireSocket>()
  let lastClientId = 0
  return Connections.of({
    nextClientId: () => ++lastClientId,
    add: (connection) => {
      connections.set(connection.clientId, connection)
      count(connection, 1)
      ids.set(connection.connId, connection)
    },
    remove: (connection) => {
      ids.delete(connection.connId)
      const was = connections.delete(connection.clientId)
      if (was) count(connection, -1)
      return was
    },
    get: (clientId) => connections.get(clientId),
    byConnId: (connId) => ids.get(connId),
    all: () => connections.values(),
    keep: (socket) =>
      Effect.acquireRelease(
        Effect.sync(() => sockets.add(socket)),
        () => Effect.sync(() => sockets.delete(socket))
      ),
    closeAllUnsafe: (code, reason) => {
      for (const socket of sockets) socket.closeUnsafe(code, reason)
    },
    size: () => connections.size,
    running: () => {
      let sum = 0
      for (const connection of connections.values()) sum += connection.inFlight.size
      return sum
    },
    broadcastUnsafe: (audience, head, tail, isMeant) => {
      for (const connection of connections.values()) {
        if (admits(connection, audience) && (isMeant === undefined || isMeant(connection))) {
          // A frame that did not leave takes no number: what the client sees has no gaps.
          if (connection.socket.sendUnsafe(`${head}${connection.seq + 1}${tail}`)) connection.seq++
        }
      }
    }
  })
}

export const layer: Layer.Layer<Connections> = Layer.effect(
  Connections,
  Effect.map(Effect.serviceOption(Metrics), make)
)

/** Waits until no request runs. */
export const idle = Effect.gen(function* () {
  const connections = yield* Connections
  while (connections.running() > 0) yield* Effect.sleep("10 millis")
})
