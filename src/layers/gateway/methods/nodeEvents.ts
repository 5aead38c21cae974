/**
 * `node.event` of nodes that speak for their user: `voice.transcript`, `agent.request`, and the sessions that a node follows.
 */
import * as Effect from "effect/Effect"
import { NodeId } from "../../../domain/Ids.ts"
import type { SessionKey } from "../../../domain/SessionKey.ts"
import { invalidRequest } from "../../../protocol/GatewayError.ts"
import { ChatFollowing, NodeAgentRequest, VoiceTranscript } from "../../../protocol/NodeEvents.ts"
import type { NodeApproval } from "../../../services/NodeRegistry.ts"
import {
  type DestinationNotAllowed,
  type NodeEventReused,
  type NodeTurn,
  type NodeTurnNotAccepted,
  NodeTurns,
  type NothingSaid
} from "../../../services/NodeTurns.ts"
import { Sessions } from "../../../services/Sessions.ts"
import * as Conversations from "../../nodeTurns/conversations.ts"
import * as Agents from "../Agents.ts"
import { CurrentConnection } from "../Connections.ts"
import { lenient } from "../decode.ts"
import * as SessionRows from "../SessionRows.ts"
import { MAX_FOLLOWED } from "../Subscriptions.ts"
import * as WriteLimit from "../WriteLimit.ts"
import { storageFailed } from "./errors.ts"

const decodeVoice = lenient(VoiceTranscript)
const decodeRequest = lenient(NodeAgentRequest)
const decodeFollowing = lenient(ChatFollowing)

const invalid = (event: string) => (problem: string) =>
  invalidRequest(`invalid ${event} payload: ${problem}`, { details: { event } })

const refused =
  (event: string) => (error: NothingSaid | NodeEventReused | DestinationNotAllowed | NodeTurnNotAccepted) =>
    error._tag === "NodeTurnNotAccepted"
      ? storageFailed(error)
      : invalidRequest(error.message, { details: { event, reason: error._tag } })

const OF_USERS: ReadonlySet<string> = new Set([
  "voice.transcript",
  "agent.request",
  "chat.subscribe",
  "chat.unsubscribe"
])

/** One that offers nothing is here without an approval; its words would be the user's without anybody having said so. */
const notApproved = (event: string) =>
  Effect.fail(
    invalidRequest(
      "a node speaks for its user once it was approved by an operator; let it offer something, so that it is asked for",
      { details: { event, reason: "NodeNotApproved" } }
    )
  )

/** What became of an event; `undefined` for one that is not of these. */
type Handled = { readonly handled: boolean; readonly reason: string } | undefined

const taken = ({ isNew }: NodeTurn): Handled => ({ handled: true, reason: isNew ? "started" : "duplicate" })

const nodeIdOf = (deviceId: string | undefined, connId: string): NodeId => NodeId.make(deviceId ?? connId)

export const make = Effect.gen(function* () {
  const nodeTurns = yield* NodeTurns
  const sessions = yield* Sessions
  const limit = WriteLimit.make()

  /** The device that calls; its own name for itself is what people see. */
  const speaker = Effect.gen(function* () {
    const { client, connId, deviceId } = yield* CurrentConnection
    // Of this node, wherever it calls from.
    yield* limit("node.event", { deviceId, address: "" })
    return { connId, nodeId: nodeIdOf(deviceId, connId), displayName: client.displayName }
  })

  const mayName = Effect.fnUntraced(function* (event: string, nodeId: NodeId, key: SessionKey) {
    const route = yield* Effect.mapError(sessions.route(key), storageFailed)
    if (Conversations.mayName(yield* SessionRows.settings, nodeId, key, route)) return
    return yield* invalidRequest(
      "this conversation is not that of the node's user: leave sessionKey out, or list its person in commands.ownerAllowFrom",
      { details: { event, reason: "ConversationOfOthers" } }
    )
  })

  const conversation = Effect.fnUntraced(function* (
    event: string,
    nodeId: NodeId,
    sessionKey: string | null | undefined,
    otherwise: string
  ) {
    const wanted = sessionKey?.trim() ?? ""
    const { agentId, key } = yield* Agents.liveSessionKey(wanted === "" ? otherwise : wanted)
    yield* mayName(event, nodeId, key)
    yield* SessionRows.notArchived(key)
    return { key, agentId }
  })

  const voice = Effect.fnUntraced(function* (event: string, payload: unknown) {
    const said = yield* Effect.mapError(Effect.fromResult(decodeVoice(payload)), invalid(event))
    const from = yield* speaker
    const to = yield* conversation(event, from.nodeId, said.sessionKey, "main")
    return taken(yield* Effect.mapError(nodeTurns.heard(from, said, to), refused(event)))
  })

  const request = Effect.fnUntraced(function* (event: string, payload: unknown) {
    const asked = yield* Effect.mapError(Effect.fromResult(decodeRequest(payload)), invalid(event))
    if ((asked.attachments ?? []).length > 0) {
      return yield* invalidRequest("this Gateway takes no attachments; send text", { details: { event } })
    }
    const from = yield* speaker
    const to = yield* conversation(event, from.nodeId, asked.sessionKey, Conversations.ownName(from.nodeId))
    return taken(yield* Effect.mapError(nodeTurns.asked(from, asked, to), refused(event)))
  })

  const follow = Effect.fnUntraced(function* (event: string, payload: unknown, follows: boolean) {
    const { sessionKey } = yield* Effect.mapError(Effect.fromResult(decodeFollowing(payload)), invalid(event))
    const { key } = yield* Agents.sessionKey(sessionKey)
    const { connId, deviceId, subscriptions } = yield* CurrentConnection
    const { chats } = subscriptions
    if (!follows) return { handled: true, reason: chats.delete(key) ? "unsubscribed" : "not subscribed" }
    if (!chats.has(key) && chats.size >= MAX_FOLLOWED) {
      return yield* invalidRequest(`a node follows at most ${MAX_FOLLOWED} sessions`, { details: { event } })
    }
    yield* mayName(event, nodeIdOf(deviceId, connId), key)
    chats.add(key)
    return { handled: true, reason: "subscribed" }
  })

  const take = (event: string, payload: unknown) => {
    switch (event) {
      case "voice.transcript":
        return voice(event, payload)
      case "agent.request":
        return request(event, payload)
      case "chat.subscribe":
        return follow(event, payload, true)
      case "chat.unsubscribe":
        return follow(event, payload, false)
      default:
        return Effect.undefined
    }
  }

  /** Takes one event of a node, if it is one of these. */
  return (event: string, payload: unknown, { speaks }: NodeApproval) =>
    speaks || !OF_USERS.has(event) ? take(event, payload) : notApproved(event)
})
