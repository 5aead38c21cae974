/**
 * The nodes connected now, and the invokes that wait on each connection.
 *
 * Everything here is synchronous: a lookup and the registration of an invoke cannot be torn apart by a connection that
 * goes in between. An answer is matched within the connection it came by, so one from another node or from a retired
 * connection finds nothing.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { ConnId, NodeId } from "../../domain/Ids.ts"
import type { NodeInvokeRequest } from "../../protocol/EventTable.ts"
import type {
  NodeHostStats,
  NodeInvokeProgressParams,
  NodeInvokeResultParams,
  NodePluginTool,
  NodeSkill
} from "../../protocol/methods/nodes.ts"
import { NodeDisconnected, type NodeIdentity, type NodeWire } from "../../services/NodeRegistry.ts"
import * as Progress from "./progress.ts"
import type { PolicySubject } from "./policy.ts"
import type { Surface } from "./store.ts"

interface Waiting {
  readonly command: string
  readonly answer: Deferred.Deferred<NodeInvokeResultParams, NodeDisconnected>
  readonly progress: Progress.Progress
  readonly onProgress: ((chunk: string) => Effect.Effect<void>) | undefined
}

export interface Connection {
  readonly node: NodeIdentity
  readonly subject: PolicySubject
  /** Everything the node says it can do, cleaned. */
  readonly declared: Surface
  /** What an operator approved for the node, empty when there is nothing to approve; a later approval replaces it. */
  approved: Surface | undefined
  /** An operator approved something of the node. */
  speaks: boolean
  /** The request that waits for an operator. */
  requestId: string | undefined
  hostStats: NodeHostStats | undefined
  /** What the node published since it connected. */
  tools: ReadonlyArray<NodePluginTool>
  skills: ReadonlyArray<NodeSkill>
  features: ReadonlyArray<string>
  readonly connectedAt: number
  readonly wire: NodeWire
  readonly waiting: Map<string, Waiting>
}

export interface Connections {
  readonly all: () => ReadonlyArray<Connection>
  readonly of: (nodeId: string) => Connection | undefined
  readonly by: (connId: ConnId) => Connection | undefined
  /** Makes this the node's connection; the one it had, if any, is retired and its invokes fail. */
  readonly add: (connection: Connection) => Connection | undefined
  /** Ends a connection; its invokes fail. Idempotent. */
  readonly remove: (connection: Connection) => void
}

export const make = (): Connections => {
  const byNode = new Map<string, Connection>()
  const byConn = new Map<string, Connection>()

  const remove = (connection: Connection) => {
    const { connId, nodeId } = connection.node
    if (byNode.get(nodeId) === connection) byNode.delete(nodeId)
    if (byConn.get(connId) === connection) byConn.delete(connId)
    const waiting = [...connection.waiting.values()]
    connection.waiting.clear()
    for (const { answer, command } of waiting) {
      Deferred.doneUnsafe(answer, Effect.fail(new NodeDisconnected({ nodeId, command })))
    }
  }

  return {
    all: () => [...byNode.values()],
    of: (nodeId) => byNode.get(nodeId),
    by: (connId) => byConn.get(connId),
    add: (connection) => {
      const previous = byNode.get(connection.node.nodeId)
      if (previous !== undefined) remove(previous)
      byNode.set(connection.node.nodeId, connection)
      byConn.set(connection.node.connId, connection)
      return previous
    },
    remove
  }
}

/** Hands an answer to whoever waits for it on this connection. `false`: nobody does. */
export const deliver = (connection: Connection, result: NodeInvokeResultParams): boolean => {
  if (result.nodeId !== connection.node.nodeId) return false
  const waiting = connection.waiting.get(result.id)
  if (waiting === undefined) return false
  connection.waiting.delete(result.id)
  return Deferred.doneUnsafe(waiting.answer, Effect.succeed(result))
}

/** Tells whoever waits what a command says before its answer. `undefined`: nobody listens, or the chunk came before. */
export const tell = (connection: Connection, said: NodeInvokeProgressParams): Effect.Effect<void> | undefined => {
  if (said.nodeId !== connection.node.nodeId) return undefined
  const { onProgress, progress } = connection.waiting.get(said.invokeId) ?? {}
  const due = onProgress && progress?.accept(said.seq, said.chunk)
  return due && Effect.forEach(due, onProgress, { discard: true })
}

/** Sends one request and waits for its answer, for as long as the connection lives and the caller waits. */
export const ask = (
  connection: Connection,
  request: Omit<NodeInvokeRequest, "nodeId">,
  onProgress?: (chunk: string) => Effect.Effect<void>
) =>
  Effect.suspend(() => {
    const answer = Deferred.makeUnsafe<NodeInvokeResultParams, NodeDisconnected>()
    connection.waiting.set(request.id, { command: request.command, answer, progress: Progress.make(), onProgress })
    const sent: NodeId = connection.node.nodeId
    // The send may wait for a slow socket; the connection's end must not wait for that.
    return Effect.raceFirst(
      Deferred.await(answer),
      Effect.andThen(connection.wire.send({ ...request, nodeId: sent }), Effect.never)
    ).pipe(
      Effect.ensuring(
        Effect.suspend(() => {
          // Answered, or the connection went: there is nobody to tell.
          return connection.waiting.delete(request.id) ? connection.wire.cancel(request.id) : Effect.void
        })
      )
    )
  })
