/**
 * Turns as nodes hear of them: of sessions that they follow all of it, of what they asked themselves how it is answered.
 *
 * A node is no operator and asks for no history, so the end of what it asked waits until it is there.
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import { agentIdOf } from "../../domain/SessionKey.ts"
import type { ChatEvent } from "../../protocol/EventTable.ts"
import { type BusEvent, EventBus } from "../../services/EventBus.ts"
import { NodeRegistry } from "../../services/NodeRegistry.ts"
import { NodeTurns, type OwedReply } from "../../services/NodeTurns.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { type TurnOutcome, Turns } from "../../services/Turns.ts"
import * as Time from "../now.ts"
import { encode, targetedFrame } from "./Broadcaster.ts"
import { type Connection, Connections } from "./Connections.ts"

const frameOf = (event: "agent" | "chat", payload: unknown): Result.Result<string, string> =>
  Result.map(encode(event, payload), (json) => targetedFrame(event, json))

const isEnd = ({ state }: ChatEvent): boolean => state === "final" || state === "aborted" || state === "error"

/** The end of a turn that is over, as it was announced then. */
const endOf = ({ folded, runId, sessionKey, status, text }: TurnOutcome, timestamp: number): ChatEvent => {
  const agentId = agentIdOf(sessionKey)
  const run = { runId, sessionKey, seq: 1, ...(agentId === undefined ? undefined : { agentId }) }
  if (status === "error") return { ...run, state: "error", errorMessage: text }
  const state = status === "ok" ? "final" : "aborted"
  // The turn that took it in says the words.
  if (folded !== undefined) return { ...run, state, stopReason: folded.how }
  const message = text === "" ? undefined : { role: "assistant" as const, content: [{ type: "text", text }], timestamp }
  return {
    ...run,
    state,
    ...(message === undefined ? undefined : { message })
  }
}

/** A node that is not approved, or no longer, is told nothing. */
const isApproved = Effect.fnUntraced(function* ({ connId }: Connection) {
  return (yield* (yield* NodeRegistry).approval(connId)).speaks
})

/** Tells until the scope closes. Subscribed when it returns. */
export const run = Effect.gen(function* () {
  const connections = yield* Connections
  const registry = yield* NodeRegistry
  const nodeTurns = yield* NodeTurns
  const supervisor = yield* Supervisor
  const subscription = yield* (yield* EventBus).subscribe

  const deliver = Effect.fnUntraced(
    function* ({ event, payload, to }: BusEvent) {
      if ((event !== "chat" && event !== "agent") || to !== undefined || connections.size() === 0) return
      const owed = event === "chat" ? nodeTurns.owed(payload.runId) : undefined
      let frame: Result.Result<string, string> | undefined
      for (const connection of connections.all()) {
        if (connection.role !== "node") continue
        const asked = owed !== undefined && `${connection.deviceId}` === owed.nodeId
        if (!asked && !connection.subscriptions.chats.has(payload.sessionKey ?? "")) continue
        if (!(yield* isApproved(connection))) continue
        frame ??= frameOf(event, payload)
        if (Result.isFailure(frame)) return yield* Effect.logError(`event dropped: ${frame.failure}`)
        const text = frame.success
        const send = Effect.sync(() => connection.socket.sendUnsafe(text))
        yield* owed !== undefined && asked && event === "chat" && isEnd(payload) ? nodeTurns.tell(owed, send) : send
      }
    },
    Effect.provideService(NodeRegistry, registry)
  )

  const deliverAll = Effect.flatMap(PubSub.takeAll(subscription), (events) =>
    Effect.forEach(events, deliver, { discard: true })
  )
  yield* supervisor.supervise("gateway/node-replies", Effect.forever(deliverAll), { restart: "always" })
})

const tellEnd = Effect.fnUntraced(function* (connection: Connection, reply: OwedReply) {
  const outcome = (yield* (yield* Turns).find(reply.runId))?.outcome
  if (outcome === undefined) return
  const frame = frameOf("chat", endOf(outcome, yield* Time.now))
  if (Result.isFailure(frame)) return yield* Effect.logError(`event dropped: ${frame.failure}`)
  yield* (yield* NodeTurns).tell(
    reply,
    Effect.sync(() => connection.socket.sendUnsafe(frame.success))
  )
})

/** Tells a node that has come back how that ended what it had asked. */
export const catchUp = Effect.fnUntraced(function* (connection: Connection) {
  const owed = (yield* NodeTurns).owedTo(connection.deviceId ?? "")
  if (owed.length === 0 || !(yield* isApproved(connection))) return
  yield* Effect.forEach(owed, (reply) => tellEnd(connection, reply), { discard: true }).pipe(
    Effect.catch(({ message }) => Effect.logWarning(`a node was not told what it missed: ${message}`))
  )
})
