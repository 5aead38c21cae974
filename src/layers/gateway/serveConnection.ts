/**
 * The life of one socket: handshake, `hello-ok`, then its messages one after the other until it closes.
 */
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { ConnId, NodeId } from "../../domain/Ids.ts"
import { type HelloOk, KEPT_KEYS } from "../../protocol/Connect.ts"
import { eventNames } from "../../protocol/EventTable.ts"
import { MAX_PAYLOAD, PROTOCOL_VERSION } from "../../protocol/Frame.ts"
import { methodNames } from "../../protocol/MethodTable.ts"
import type { Authenticator } from "../../services/Authenticator.ts"
import { DeviceRegistry } from "../../services/DeviceRegistry.ts"
import type { InProcessClient } from "../../services/Gateway.ts"
import { type NodeIdentity, NodeNotConnected, NodeRegistry } from "../../services/NodeRegistry.ts"
import type { NodeTurns } from "../../services/NodeTurns.ts"
import type { Turns } from "../../services/Turns.ts"
import { VoiceWake } from "../../services/VoiceWake.ts"
import { targetedFrame } from "./Broadcaster.ts"
import { type Connection, Connections, respondUnsafe, retireUnsafe } from "./Connections.ts"
import { Dispatcher } from "./FrameProtocol.ts"
import * as Handshake from "./handshake/handshake.ts"
import { type HandshakeRefused, silent } from "./handshake/refusal.ts"
import type { Accepted } from "./front.ts"
import type { IdentityKey } from "./identityKey.ts"
import { type GatewayOptions, limitsOf } from "./options.ts"
import * as NodeReplies from "./NodeReplies.ts"
import { Snapshots } from "./Snapshots.ts"
import * as Subscriptions from "./Subscriptions.ts"
import * as WireSocket from "./WireSocket.ts"

const makeConnection = Effect.fnUntraced(function* (
  socket: WireSocket.WireSocket,
  peer: Handshake.SocketPeer,
  { grant, params }: Handshake.Admitted
) {
  const connections = yield* Connections
  return {
    connId: ConnId.make(randomUUID()),
    clientId: connections.nextClientId(),
    socket,
    role: grant.role,
    scopes: grant.scopes,
    client: params.client,
    caps: params.caps ?? [],
    deviceId: grant.deviceId,
    issuedAtMs: grant.issuedAtMs,
    address: peer.address,
    port: peer.port,
    method: grant.method,
    user: grant.user,
    connectedAt: yield* Clock.currentTimeMillis,
    inFlight: new Map(),
    inFlightBytes: 0,
    seq: 0,
    roleViolations: 0,
    subscriptions: Subscriptions.none(),
    retired: undefined
  } satisfies Connection as Connection
})

const hello = Effect.fnUntraced(function* (
  options: GatewayOptions,
  connection: Connection,
  admitted: Handshake.Admitted
) {
  const snapshots = yield* Snapshots
  const limits = limitsOf(options)
  const { deviceToken, deviceTokens = [], issuedAtMs } = admitted.grant
  return {
    type: "hello-ok",
    protocol: PROTOCOL_VERSION,
    server: {
      version: options.version,
      bootId: snapshots.bootId,
      // Else OpenClaw's page takes itself for outdated: it compares its version with this program's.
      ...(options.controlUi === undefined ? undefined : { controlUiBuildSource: "configured" as const }),
      connId: connection.connId
    },
    features: { methods: methodNames, events: eventNames, capabilities },
    snapshot: yield* snapshots.forHello(connection),
    auth: {
      role: connection.role,
      scopes: connection.scopes,
      ...(deviceToken === undefined ? undefined : { deviceToken }),
      ...(issuedAtMs === undefined ? undefined : { issuedAtMs }),
      ...(deviceTokens.length === 0 ? undefined : { deviceTokens })
    },
    policy: {
      maxPayload: MAX_PAYLOAD,
      maxBufferedBytes: limits.maxBufferedBytes,
      tickIntervalMs: limits.tickIntervalMs
    }
  } satisfies HelloOk
})

/** Says why, closes, and waits for the peer to have heard it. */
const turnAway = (socket: WireSocket.WireSocket, refused: HandshakeRefused): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (refused.id !== undefined && refused.error !== undefined) {
      respondUnsafe({ socket }, refused.id, { error: refused.error.wire })
    }
    socket.closeUnsafe(refused.code, refused.reason)
    return socket.closed
  })

const identityOf = (connection: Connection, { grant, params }: Handshake.Admitted, nodeId: NodeId): NodeIdentity => {
  const { caps, client, commands, pathEnv, permissions } = params
  return {
    nodeId,
    connId: connection.connId,
    clientId: client.id,
    clientMode: client.mode,
    platform: client.platform,
    version: client.version,
    remoteIp: connection.address,
    trusted: grant.setup?.trusted === true,
    caps: caps ?? [],
    commands: commands ?? [],
    ...(client.displayName === undefined ? undefined : { displayName: client.displayName }),
    ...(client.deviceFamily === undefined ? undefined : { deviceFamily: client.deviceFamily }),
    ...(client.modelIdentifier === undefined ? undefined : { modelIdentifier: client.modelIdentifier }),
    ...(pathEnv === undefined ? undefined : { pathEnv }),
    ...(permissions === undefined ? undefined : { permissions })
  }
}

/** Makes a node's commands reachable for as long as its connection lives. */
const registerNode = Effect.fnUntraced(function* (connection: Connection, admitted: Handshake.Admitted) {
  if (connection.role !== "node" || connection.deviceId === undefined) return
  const registry = yield* NodeRegistry
  const nodeId = NodeId.make(connection.deviceId)
  const { isStopping } = yield* Dispatcher
  const { socket } = connection
  yield* registry.connect(identityOf(connection, admitted, nodeId), {
    send: (request) =>
      Effect.suspend(() =>
        socket.sendUnsafe(targetedFrame("node.invoke.request", JSON.stringify(request)))
          ? Effect.void
          : Effect.fail(new NodeNotConnected({ nodeId, known: true }))
      ),
    // A turn that a restart cuts asks again under the same key, and finds the answer on the node.
    cancel: (invokeId) =>
      Effect.sync(() => {
        if (!isStopping()) socket.sendUnsafe(targetedFrame("node.invoke.cancel", JSON.stringify({ invokeId, nodeId })))
      }),
    retire: Effect.sync(() => socket.closeUnsafe(1008, "replaced by a newer connection of this node"))
  })
  yield* (yield* VoiceWake)
    .tell(connection.connId)
    .pipe(Effect.catch(({ message }) => Effect.logWarning(`a node was not told the wake words: ${message}`)))
  yield* NodeReplies.catchUp(connection)
})

const messages = Effect.fnUntraced(function* (connection: Connection) {
  const dispatcher = yield* Dispatcher
  const { receive } = connection.socket
  yield* Effect.forever(Effect.flatMap(receive, (data) => dispatcher.dispatch(connection, data))).pipe(
    Effect.catchTag("Done", () => Effect.void)
  )
})

/**
 * Greets the connection and enters it where broadcasts find it, in one step: none comes before `hello-ok` and none after
 * it is missed. Takes it out again whatever happens.
 */
const enter = (connection: Connection, greeting: { readonly id: string; readonly payload: HelloOk }) =>
  Effect.acquireRelease(
    Effect.map(Connections, (connections) => {
      connection.socket.admitUnsafe(MAX_PAYLOAD)
      const greeted = respondUnsafe(connection, greeting.id, { payload: greeting.payload })
      connections.add(connection)
      return greeted
    }),
    () =>
      Effect.gen(function* () {
        const connections = yield* Connections
        connections.remove(connection)
        yield* (yield* Dispatcher).disconnect(connection)
        yield* (yield* Snapshots).presenceChanged(connection)
      })
  )

export type ServeRequirements =
  | Authenticator
  | Connections
  | DeviceRegistry
  | Dispatcher
  | IdentityKey
  | NodeRegistry
  | NodeTurns
  | Snapshots
  | Turns
  | VoiceWake

/** `published-model-catalog`: `models.list` can be asked for one provider, for a session, and for details. */
const capabilities = ["published-model-catalog", KEPT_KEYS]

export const CREDENTIALS_CHANGED = { code: 1008, reason: "device credentials changed" }
/** OpenClaw's close code and word for it, also when only the token is gone. */
export const DEVICE_REMOVED = { code: 4001, reason: "device removed" }

/** A setup code is spent; whether what it handed over has left is told to whoever made the code. */
const setupDone = Effect.fnUntraced(function* ({ grant }: Handshake.Admitted, greeted: boolean) {
  if (grant.setup === undefined) return
  yield* (yield* DeviceRegistry).setups.delivered(grant.setup.setupId, greeted)
})

/** Looks again whether its token holds: one that was replaced during the handshake was announced before we listened. */
const checkToken = Effect.fnUntraced(function* (connection: Connection, { grant }: Handshake.Admitted) {
  if (grant.deviceId === undefined || grant.deviceToken === undefined) return
  const found = yield* (yield* DeviceRegistry).verifyToken(grant.deviceId, connection.role, grant.deviceToken)
  if (found === undefined) retireUnsafe(connection, CREDENTIALS_CHANGED)
})

/** Serves a connection that was let in until it is closed. */
const attend = Effect.fnUntraced(function* (
  options: GatewayOptions,
  socket: WireSocket.WireSocket,
  peer: Handshake.SocketPeer,
  admitted: Handshake.Admitted
) {
  const connection = yield* makeConnection(socket, peer, admitted)
  yield* Effect.annotateLogsScoped({ connId: connection.connId })
  const payload = yield* hello(options, connection, admitted)
  const greeted = yield* enter(connection, { id: admitted.id, payload })
  const registered = yield* Effect.result(
    checkToken(connection, admitted).pipe(
      Effect.andThen(() => (connection.retired === undefined ? registerNode(connection, admitted) : Effect.void)),
      Effect.andThen(setupDone(admitted, greeted))
    )
  )
  if (Result.isFailure(registered)) {
    yield* Effect.logError("a connection could not be registered", registered.failure)
    return yield* turnAway(
      socket,
      silent(1013, `${connection.role === "node" ? "node" : "device"} registry unavailable`)
    )
  }
  yield* (yield* Snapshots).presenceChanged(connection)
  yield* messages(connection)
})

/** Enters a socket where the Gateway's end finds it. */
const keep = Effect.fnUntraced(function* (socket: WireSocket.WireSocket) {
  yield* (yield* Connections).keep(socket)
  if ((yield* Dispatcher).isStopping()) socket.closeUnsafe(1012, "service restart")
})

/** Serves one accepted socket until it is closed. */
export const serve = Effect.fnUntraced(function* (
  options: GatewayOptions,
  { clientNonce, handshakeDone, peer, socket: raw }: Accepted
): Effect.fn.Return<void, never, Scope.Scope | ServeRequirements> {
  const limits = limitsOf(options)
  const socket = yield* WireSocket.make(raw, limits)
  yield* keep(socket)
  const handshake = yield* Handshake.run(socket, peer, clientNonce).pipe(
    Effect.timeoutOrElse({
      duration: limits.handshakeTimeoutMs,
      orElse: () => Effect.fail(silent(1000, ""))
    }),
    Effect.result
  )
  handshakeDone()
  if (Result.isFailure(handshake)) return yield* turnAway(socket, handshake.failure)
  yield* attend(options, socket, peer, handshake.success)
})

const here: Handshake.SocketPeer = {
  address: "127.0.0.1",
  local: true,
  ingress: { _tag: "Direct" },
  browser: false
}

/** Serves a connection inside this process until it is closed: who is in this process has been let in already. */
export const serveInProcess = Effect.fnUntraced(function* (
  options: GatewayOptions,
  socket: WireSocket.WireSocket,
  { caps, client, scopes }: InProcessClient
): Effect.fn.Return<void, never, Scope.Scope | ServeRequirements> {
  yield* Effect.addFinalizer(() => Effect.sync(socket.terminateUnsafe))
  yield* keep(socket)
  yield* attend(options, socket, here, {
    id: "connect",
    params: {
      minProtocol: PROTOCOL_VERSION,
      maxProtocol: PROTOCOL_VERSION,
      client,
      role: "operator",
      scopes,
      ...(caps === undefined ? undefined : { caps })
    },
    grant: { method: "none", role: "operator", scopes }
  })
})
