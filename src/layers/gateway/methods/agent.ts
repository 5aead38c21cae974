/**
 * `agent`: one turn, answered twice under one request id: accepted, then how it ended.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { RunId } from "../../../domain/Ids.ts"
import type { SessionKey } from "../../../domain/SessionKey.ts"
import { invalidRequest } from "../../../protocol/GatewayError.ts"
import { type AgentFinished, type AgentParams, ChatMethods } from "../../../protocol/methods/chat.ts"
import { Channels } from "../../../services/ChannelRouter.ts"
import { type TurnOutcome, type TurnRequest, Turns } from "../../../services/Turns.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import { CurrentConnection } from "../Connections.ts"
import { deliveryFailed, turnNotAccepted } from "./errors.ts"

const finished = (outcome: TurnOutcome): AgentFinished => ({
  runId: outcome.runId,
  status: outcome.status === "ok" ? "ok" : "error",
  summary: outcome.status === "ok" ? "completed" : outcome.status === "aborted" ? "aborted" : outcome.text,
  ...(outcome.error === undefined ? undefined : { error: outcome.error }),
  result: {
    payloads: outcome.text === "" ? [] : [{ text: outcome.text, mediaUrl: null }],
    meta: {
      durationMs: outcome.durationMs,
      aborted: outcome.status === "aborted",
      toolCalls: outcome.toolCalls,
      agentMeta: { provider: outcome.provider, model: outcome.model, usage: outcome.usage }
    }
  }
})

/** JSON has no `undefined`, and the codec of the wire refuses it inside `meta`. */
const withoutUndefined = (answer: AgentFinished): AgentFinished => JSON.parse(JSON.stringify(answer)) as AgentFinished

const modelOf = ({ model, provider }: AgentParams): string | undefined =>
  model === undefined || provider === undefined || model.includes("/") ? model : `${provider}/${model}`

export const layer = ChatMethods.middleware(Access).toLayerHandler(
  "agent",
  Effect.gen(function* () {
    const turns = yield* Turns
    const channels = yield* Channels

    const requestOf = Effect.fnUntraced(function* (params: AgentParams) {
      const agents = yield* Agents.current
      if (params.agentId !== undefined && !agents.ids.includes(params.agentId)) {
        return yield* invalidRequest(`invalid agent params: unknown agent id "${params.agentId}"`)
      }
      if (params.attachments !== undefined && params.attachments.length > 0) {
        return yield* invalidRequest("this Gateway takes no attachments; send text")
      }
      const { client } = yield* CurrentConnection
      const { agentId, key } = yield* Agents.sessionKey(params.sessionKey ?? "main", params.agentId)
      const model = modelOf(params)
      return {
        runId: RunId.make(params.idempotencyKey),
        sessionKey: key,
        agentId,
        text: params.message,
        receivedAt: yield* Clock.currentTimeMillis,
        sender: { id: client.id },
        ...(model === undefined ? undefined : { model }),
        ...(params.extraSystemPrompt === undefined ? undefined : { extraSystemPrompt: params.extraSystemPrompt }),
        ...(params.timeout === undefined || params.timeout === 0 ? undefined : { timeoutMs: params.timeout * 1000 })
      } satisfies TurnRequest as TurnRequest
    })

    /** Sends the reply out when `deliver` asks for it; the key makes a repetition harmless. */
    const deliver = Effect.fnUntraced(function* (params: AgentParams, outcome: TurnOutcome) {
      const to = params.replyTo ?? params.to
      if (params.deliver !== true || to === undefined || outcome.text === "") return
      const channel = params.replyChannel ?? params.channel
      const accountId = params.replyAccountId ?? params.accountId
      const sent = channels.send({
        to,
        text: outcome.text,
        idempotencyKey: `${params.idempotencyKey}:deliver`,
        ...(channel === undefined ? undefined : { channel }),
        ...(accountId === undefined ? undefined : { accountId }),
        ...(params.threadId === undefined ? undefined : { threadId: params.threadId })
      })
      yield* params.bestEffortDeliver === true
        ? Effect.catch(sent, (error) => Effect.logWarning(`a reply was not delivered: ${error.message}`))
        : Effect.mapError(sent, deliveryFailed)
    })

    const end = Effect.fnUntraced(function* (params: AgentParams, runId: RunId, sessionKey: SessionKey) {
      const outcome = yield* Effect.mapError(turns.await(runId, sessionKey), turnNotAccepted)
      yield* deliver(params, outcome)
      return withoutUndefined(finished(outcome))
    })

    const answers = Effect.fnUntraced(function* (params: AgentParams) {
      const request = yield* requestOf(params)
      const { agentId, runId, sessionKey } = request
      const isNew = yield* Effect.mapError(turns.submit(request), turnNotAccepted)
      const last = Stream.fromEffect(end(params, runId, sessionKey))
      const running = isNew || (yield* turns.inFlight(sessionKey))?.runId === runId
      // A turn that ended before is answered by its end alone.
      if (!running) return last
      const acceptedAt = yield* Clock.currentTimeMillis
      return Stream.concat(
        Stream.succeed({ runId, sessionKey, agentId, status: "accepted" as const, acceptedAt }),
        last
      )
    })

    return (params: AgentParams) => Stream.unwrap(answers(params))
  })
)
