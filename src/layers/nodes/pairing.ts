/**
 * The approval of surfaces: what a connection asks for, and what operators answer.
 *
 * One at a time: a declaration and an approval that cross would otherwise each act on the other's past.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { satisfies } from "../../protocol/Role.ts"
import type { EventBus } from "../../services/EventBus.ts"
import { ApproverLacksScope, type NodeIdentity, PairingRequestNotFound } from "../../services/NodeRegistry.ts"
import * as Time from "../now.ts"
import type { Connection, Connections } from "./connections.ts"
import { approveScopes, type CommandRules, isAllowed } from "./policy.ts"
import { identityOf, pairedNode, pendingNode } from "./rows.ts"
import type { Request, Store, Surface } from "./store.ts"
import { judge } from "./surface.ts"

export const make = Effect.fnUntraced(function* (store: Store, connections: Connections, bus: EventBus["Service"]) {
  const lock = yield* Semaphore.make(1)

  /** Operators learn of every end of a request; the node only of an answer to its own. */
  const resolved = (request: Request, decision: "approved" | "rejected", ts: number, node?: NodeIdentity) => {
    const payload = { requestId: request.requestId, nodeId: request.nodeId, decision, ts }
    const toNode = node === undefined ? Effect.void : bus.publish("node.pair.resolved", payload, node.connId)
    return Effect.andThen(bus.publish("node.pair.resolved", payload), toNode)
  }

  /**
   * Compares what a connection declares with what was approved, stores the request that this needs, and lets `register`
   * make the connection known before anybody hears of the request. Only commands that policy could ever allow are asked for.
   */
  const declare = Effect.fnUntraced(function* (
    connection: Connection,
    rules: CommandRules,
    register: Effect.Effect<void>
  ) {
    const { nodeId } = connection.node
    const now = connection.connectedAt
    const declared: Surface = {
      caps: connection.declared.caps,
      commands: connection.declared.commands.filter((command) => isAllowed(rules, connection.subject, command))
    }
    const approved = yield* store.approvedOf(nodeId)
    const waiting = yield* store.requestOf(nodeId)
    const identity = identityOf(connection.node)
    const verdict = judge(declared, approved?.surface, waiting?.surface)
    const found: Request = { nodeId, requestId: randomUUID(), identity, surface: declared, requestedAt: now }
    // Only the first: an administrator let this device in with what it is, not with what it may become.
    const trusted = verdict === "ask" && approved === undefined && connection.node.trusted === true
    if (trusted) yield* store.approve(found, now)
    const asks = verdict === "ask" && !trusted ? found : undefined
    if (asks !== undefined) yield* store.putRequest(asks)
    else if (verdict === "waiting" && waiting !== undefined) yield* store.putRequest({ ...waiting, identity })
    else if (waiting !== undefined) yield* store.removeRequest(waiting.requestId)
    yield* store.connected(nodeId, identity, now)
    connection.approved = approved?.surface ?? (verdict === "covered" || trusted ? declared : undefined)
    connection.speaks = approved !== undefined || trusted
    connection.requestId = asks?.requestId ?? (verdict === "waiting" ? waiting?.requestId : undefined)
    connection.hostStats = approved?.hostStats ?? undefined
    yield* register
    if (waiting !== undefined && verdict !== "waiting") yield* resolved(waiting, "rejected", now)
    if (trusted) {
      yield* Effect.logInfo("node approved by its setup code")
      yield* resolved(found, "approved", now)
    }
    if (asks !== undefined) {
      yield* Effect.logInfo(`node asks for approval; run \`openclaw nodes approve ${asks.requestId}\``)
      yield* bus.publish("node.pair.requested", pendingNode(asks))
    }
  })

  const waitingRequest = Effect.fnUntraced(function* (requestId: string) {
    const request = yield* store.request(requestId)
    return request ?? (yield* new PairingRequestNotFound({ requestId }))
  })

  const approve = Effect.fnUntraced(function* (requestId: string, approverScopes: ReadonlyArray<string>) {
    const request = yield* waitingRequest(requestId)
    const requiredScopes = approveScopes(request.surface.commands)
    const missingScope = requiredScopes.find((scope) => !satisfies(approverScopes, scope))
    if (missingScope !== undefined) return yield* new ApproverLacksScope({ requestId, missingScope, requiredScopes })
    const now = yield* Time.now
    yield* store.approve(request, now)
    const connection = connections.of(request.nodeId)
    if (connection !== undefined) {
      connection.approved = request.surface
      connection.speaks = true
      connection.requestId = undefined
      yield* store.connected(request.nodeId, identityOf(connection.node), connection.connectedAt)
    }
    yield* Effect.logInfo("node approved")
    yield* resolved(request, "approved", now, connection?.node)
    const stored = yield* store.approvedOf(request.nodeId)
    if (stored === undefined) return yield* new PairingRequestNotFound({ requestId })
    return pairedNode(stored, (yield* store.labels).get(request.nodeId))
  })

  const reject = Effect.fnUntraced(function* (requestId: string) {
    const request = yield* waitingRequest(requestId)
    yield* store.removeRequest(requestId)
    yield* Effect.logInfo("node rejected")
    const connection = connections.of(request.nodeId)
    if (connection !== undefined) connection.requestId = undefined
    yield* resolved(request, "rejected", yield* Time.now, connection?.node)
    return request.nodeId
  })

  const remove = Effect.fnUntraced(function* (nodeId: string) {
    if (!(yield* store.forget(nodeId))) return false
    const connection = connections.of(nodeId)
    if (connection !== undefined && connection.subject.own === undefined) {
      connection.approved = undefined
      connection.speaks = false
      connection.requestId = undefined
    }
    yield* Effect.logInfo("node removed").pipe(Effect.annotateLogs({ nodeId }))
    yield* bus.publish("node.pair.resolved", { requestId: "", nodeId, decision: "removed", ts: yield* Time.now })
    return true
  })

  return {
    remove: (nodeId: string) => Effect.uninterruptible(lock.withPermit(remove(nodeId))),
    declare: (...args: Parameters<typeof declare>) => lock.withPermit(declare(...args)),
    // Uninterruptible: what was stored is also announced.
    approve: (...args: Parameters<typeof approve>) => Effect.uninterruptible(lock.withPermit(approve(...args))),
    reject: (requestId: string) => Effect.uninterruptible(lock.withPermit(reject(requestId)))
  }
})
