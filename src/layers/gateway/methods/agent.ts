/**
 * `agent`: one turn, answered twice under one request id: accepted, then how it ended.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { RunId } from "../../../domain/Ids.ts"
import type { SessionKey } from "../../../domain/SessionKey.ts"
import { invalidRequest } from "../../../protocol/GatewayError.ts"
import { type AgentFinished, type AgentParams, ChatMethods } from "../../../protocol/methods/chat.ts"
import { satisfies } from "../../../protocol/Role.ts"
import { Channels } from "../../../services/ChannelRouter.ts"
import { Sessions } from "../../../services/Sessions.ts"
import { type TurnOutcome, type TurnRequest, Turns } from "../../../services/Turns.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import { CurrentConnection } from "../Connections.ts"
import * as SessionRows from "../SessionRows.ts"
import * as Time from "../../now.ts"
import { deliveryFailed, storageFailed, turnNotAccepted } from "./errors.ts"

/** How the turn ended, in a few words. A reply that was to go out and did not is an error. */
const summaryOf = (outcome: TurnOutcome, bestEffort: boolean): Pick<AgentFinished, "status" | "summary"> => {
  if (outcome.status !== "ok") {
    return { status: "error", summary: outcome.status === "aborted" ? "aborted" : outcome.text }
  }
  return outcome.undelivered === undefined || bestEffort
    ? { status: "ok", summary: "completed" }
    : { status: "error", summary: `reply not delivered: ${outcome.undelivered}` }
}

/** By the names that OpenClaw's clients know. */
const usageOf = ({ usage }: TurnOutcome) =>
  usage === undefined
    ? undefined
    : { usage: { input: usage.inputTokens, output: usage.outputTokens, total: usage.totalTokens } }

const STOP = { ok: "stop", aborted: "aborted", error: "error" } as const

const finished = (outcome: TurnOutcome, sessionId: string | undefined, bestEffort: boolean): AgentFinished => ({
  runId: outcome.runId,
  ...summaryOf(outcome, bestEffort),
  ...(outcome.error === undefined ? undefined : { error: outcome.error }),
  result: {
    payloads: outcome.text === "" ? [] : [{ text: outcome.text, mediaUrl: null }],
    meta: {
      durationMs: outcome.durationMs,
      aborted: outcome.status === "aborted",
      stopReason: STOP[outcome.status],
      toolCalls: outcome.toolCalls,
      finalAssistantVisibleText: outcome.text,
      agentMeta: { sessionId, provider: outcome.provider, model: outcome.model, ...usageOf(outcome) }
    }
  }
})

/** JSON has no `undefined`, and the codec of the wire refuses it inside `meta`. */
const withoutUndefined = (answer: AgentFinished): AgentFinished => JSON.parse(JSON.stringify(answer)) as AgentFinished

/** An empty text is none: some clients send their empty fields too. */
const given = (text: string | undefined): string | undefined => (text === "" ? undefined : text)

const modelOf = (params: AgentParams): string | undefined => {
  const model = given(params.model)
  const provider = given(params.provider)
  return model === undefined || provider === undefined || model.includes("/") ? model : `${provider}/${model}`
}

/** Choosing the model of a turn is for admins, whether by this or over HTTP. */
const mayChoose = Effect.fnUntraced(function* (params: AgentParams) {
  const { scopes } = yield* CurrentConnection
  const chooses = given(params.model) !== undefined || given(params.provider) !== undefined
  if (chooses && !satisfies(scopes, "operator.admin")) {
    return yield* invalidRequest("provider/model overrides are not authorized for this caller.")
  }
})

/** Of seconds; more of them than a number counts exactly are no more than that. */
const milliseconds = (seconds: number): number => Math.min(seconds * 1000, Number.MAX_SAFE_INTEGER)

export const layer = ChatMethods.middleware(Access).toLayerHandler(
  "agent",
  Effect.gen(function* () {
    const turns = yield* Turns
    const channels = yield* Channels
    const sessions = yield* Sessions

    /** Where the reply goes when `deliver` asks for it. Known before the turn begins, so that a wrong one costs nothing. */
    const replyTo = Effect.fnUntraced(function* (params: AgentParams) {
      const to = given(params.replyTo) ?? given(params.to)
      if (params.deliver !== true) return undefined
      if (to === undefined) {
        return yield* invalidRequest("invalid agent params: deliver needs a destination; pass replyTo or to")
      }
      const channel = given(params.replyChannel) ?? given(params.channel)
      const threadId = given(params.threadId)
      const accountId = given(params.replyAccountId) ?? given(params.accountId)
      const resolved = channels
        .resolve({
          to,
          ...(channel === undefined ? undefined : { channel }),
          ...(accountId === undefined ? undefined : { accountId }),
          ...(threadId === undefined ? undefined : { threadId })
        })
        .pipe(Effect.map((peer) => ({ peer })))
      return yield* params.bestEffortDeliver === true
        ? Effect.catch(resolved, (error) =>
            Effect.as(Effect.logWarning(`a reply will not be delivered: ${error.message}`), undefined)
          )
        : Effect.mapError(resolved, deliveryFailed)
    })

    const requestOf = Effect.fnUntraced(function* (params: AgentParams) {
      yield* mayChoose(params)
      const agents = yield* Agents.current
      if (params.agentId !== undefined && !agents.ids.includes(params.agentId)) {
        return yield* invalidRequest(`invalid agent params: unknown agent id "${params.agentId}"`)
      }
      if (params.attachments !== undefined && params.attachments.length > 0) {
        return yield* invalidRequest("this Gateway takes no attachments; send text")
      }
      const { client } = yield* CurrentConnection
      const { agentId, key } = yield* Agents.liveSessionKey(given(params.sessionKey) ?? "main", params.agentId)
      yield* SessionRows.notArchived(key)
      const model = modelOf(params)
      const reply = yield* replyTo(params)
      return {
        runId: RunId.make(params.idempotencyKey),
        sessionKey: key,
        agentId,
        text: params.message,
        receivedAt: yield* Time.now,
        sender: { id: client.id },
        ...(model === undefined ? undefined : { model }),
        ...(reply === undefined ? undefined : { replyTo: reply }),
        ...(params.extraSystemPrompt === undefined ? undefined : { extraSystemPrompt: params.extraSystemPrompt }),
        ...(params.timeout === undefined ? undefined : { timeoutMs: milliseconds(params.timeout) })
      } satisfies TurnRequest as TurnRequest
    })

    const end = Effect.fnUntraced(function* (params: AgentParams, runId: RunId, sessionKey: SessionKey) {
      const outcome = yield* Effect.mapError(turns.await(runId, sessionKey), turnNotAccepted)
      const session = yield* Effect.mapError(sessions.describe(sessionKey), storageFailed)
      return withoutUndefined(finished(outcome, session?.sessionId, params.bestEffortDeliver === true))
    })

    const answers = Effect.fnUntraced(function* (params: AgentParams) {
      const request = yield* requestOf(params)
      const { agentId, runId, sessionKey } = request
      const isNew = yield* Effect.mapError(turns.submit(request), turnNotAccepted)
      const last = Stream.fromEffect(end(params, runId, sessionKey))
      const running = isNew || (yield* turns.inFlight(sessionKey))?.runId === runId
      // A turn that ended before is answered by its end alone.
      if (!running) return last
      const acceptedAt = yield* Time.now
      return Stream.concat(
        Stream.succeed({ runId, sessionKey, agentId, status: "accepted" as const, acceptedAt }),
        last
      )
    })

    return (params: AgentParams) => Stream.unwrap(answers(params))
  })
)
