/**
 * Endings that no agent decided: aborted, out of time, or broken. Each is told to the user in the outcome's `text`, kept
 * in the transcript and announced as `agent` and `chat` events. What the agent had said so far is never lost.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { TranscriptMessage } from "../../protocol/methods/chat.ts"
import type { PartialText } from "../../services/AgentRunner.ts"
import { EventBus } from "../../services/EventBus.ts"
import { Sessions, type SessionStorageFailed } from "../../services/Sessions.ts"
import type { AbortOrigin, Folded, TurnOutcome, TurnRequest } from "../../services/Turns.ts"

interface Run {
  readonly request: TurnRequest
  readonly startedAt: number
  /** What the agent has said. The entries of its finished steps are in the transcript already. */
  readonly partial: PartialText
}

/** An entry that no model wrote. */
const said = (text: string, timestamp: number, extra: Partial<TranscriptMessage>): TranscriptMessage => ({
  role: "assistant",
  content: [{ type: "text", text }],
  timestamp,
  provider: "openclaw",
  model: "gateway-injected",
  ...extra
})

const remember = Effect.fnUntraced(function* (run: Pick<Run, "request">, message: TranscriptMessage) {
  // That somebody wanted the session compacted is no part of what is said in it.
  if (run.request.compact !== undefined) return
  const { runId, sessionKey } = run.request
  const sessions = yield* Sessions
  const idempotencyKey = `${runId}:assistant`
  yield* sessions.append([{ sessionKey, runId, dedupeKey: `${runId}:ended`, message: { ...message, idempotencyKey } }])
})

/** The message of a turn, as the transcript keeps it. `folded`: why it has no reply of its own. */
export const userEntry = (
  { receivedAt, replyTo, runId, sender, sessionKey, text }: Omit<TurnRequest, "agentId">,
  folded?: Folded
) => {
  const dedupeKey = `${runId}:user`
  // Without a chat it was a program of the owner's.
  const writer =
    sender === undefined || replyTo === undefined ? undefined : { senderId: sender.id, senderName: sender.displayName }
  const message: TranscriptMessage = {
    role: "user",
    content: text,
    timestamp: receivedAt,
    idempotencyKey: dedupeKey,
    ...(writer === undefined && folded === undefined
      ? undefined
      : { __openclaw: { ...writer, ...(folded === undefined ? undefined : { folded }) } })
  }
  return { sessionKey, runId, dedupeKey, message }
}

/** Of a message that was answered at once, without a model. */
export const answeredOutcome = ({ runId, sessionKey }: TurnRequest, text: string): TurnOutcome => ({
  runId,
  sessionKey,
  status: "ok",
  text,
  toolCalls: 0,
  durationMs: 0
})

export const abortedOutcome = (
  turn: Pick<TurnRequest, "runId" | "sessionKey">,
  text: string,
  durationMs: number,
  folded?: Folded
): TurnOutcome => ({
  runId: turn.runId,
  sessionKey: turn.sessionKey,
  status: "aborted",
  text,
  toolCalls: 0,
  durationMs: Math.max(0, Math.round(durationMs)),
  ...(folded === undefined ? undefined : { folded })
})

/** A message that ended with another's turn: whoever follows its own run need not wait any longer. */
export const announceFolded = Effect.fnUntraced(function* ({ folded, runId, sessionKey, status, text }: TurnOutcome) {
  const bus = yield* EventBus
  const run = { runId, sessionKey, seq: 1 }
  if (status === "error") return yield* bus.publish("chat", { ...run, state: "error", errorMessage: text })
  const state = status === "ok" ? "final" : "aborted"
  yield* bus.publish("chat", { ...run, state, ...(folded === undefined ? undefined : { stopReason: folded.how }) })
})

/** Tells everyone that a turn was ended. `text` is all that it had said. */
export const announceAborted = Effect.fnUntraced(function* (
  { agentId, runId, sessionKey }: Pick<TurnRequest, "runId" | "sessionKey"> & { readonly agentId?: string },
  options: { readonly origin: AbortOrigin; readonly seq: number; readonly text: string; readonly startedAt?: number }
) {
  const { origin, seq, startedAt, text } = options
  const bus = yield* EventBus
  const now = yield* Clock.currentTimeMillis
  yield* bus.publish("agent", {
    runId,
    sessionKey,
    seq,
    stream: "lifecycle",
    ts: now,
    data: { phase: "end", status: "cancelled", aborted: true, stopReason: origin, startedAt, endedAt: now }
  })
  yield* bus.publish("chat", {
    runId,
    sessionKey,
    ...(agentId === undefined ? undefined : { agentId }),
    seq,
    state: "aborted",
    stopReason: origin,
    ...(text === "" ? undefined : { message: { role: "assistant", content: [{ type: "text", text }], timestamp: now } })
  })
})

/** Keeps what an aborted turn had said and no step has stored: once, whoever does it first. */
export const keepUnstored = Effect.fnUntraced(function* (
  run: Pick<Run, "request" | "partial">,
  origin: AbortOrigin
): Effect.fn.Return<void, SessionStorageFailed, Sessions> {
  if (run.partial.unstored === "") return
  const openclawAbort = {
    aborted: true,
    origin: origin === "stop" ? "stop-command" : origin,
    runId: run.request.runId
  } as const
  const now = yield* Clock.currentTimeMillis
  yield* remember(run, said(run.partial.unstored, now, { stopReason: "stop", openclawAbort }))
})

/** Somebody wanted no more. */
export const aborted = Effect.fnUntraced(function* (
  run: Run,
  origin: AbortOrigin
): Effect.fn.Return<TurnOutcome, SessionStorageFailed, Sessions | EventBus> {
  const { partial, request, startedAt } = run
  const now = yield* Clock.currentTimeMillis
  yield* keepUnstored(run, origin)
  yield* announceAborted(request, { origin, seq: partial.seq + 1, startedAt, text: partial.text })
  const folded = origin === "interrupt" ? ({ how: "interrupted" } as const) : undefined
  return abortedOutcome(request, partial.text, now - startedAt, folded)
})

/** The turn could not be finished. `text` is the plain sentence that the user reads. */
export const failed = Effect.fnUntraced(function* (
  run: Run,
  error: string,
  text: string
): Effect.fn.Return<TurnOutcome, SessionStorageFailed, Sessions | EventBus> {
  const { partial, request, startedAt } = run
  const { agentId, runId, sessionKey } = request
  const seq = partial.seq + 1
  const now = yield* Clock.currentTimeMillis
  // Text that came before the failure stays, marked by the error beside it.
  yield* remember(
    run,
    said(partial.unstored === "" ? text : partial.unstored, now, { stopReason: "error", errorMessage: text })
  )
  const bus = yield* EventBus
  yield* bus.publish("agent", {
    runId,
    sessionKey,
    seq,
    stream: "lifecycle",
    ts: now,
    data: { phase: "error", startedAt, endedAt: now, error: text, kind: error }
  })
  yield* bus.publish("chat", {
    runId,
    sessionKey,
    agentId,
    seq,
    state: "error",
    errorMessage: text,
    errorKind: error === "TurnTimedOut" ? "timeout" : "unknown",
    ...(partial.text === ""
      ? undefined
      : { message: { role: "assistant", content: [{ type: "text", text: partial.text }], timestamp: now } })
  })
  return {
    runId,
    sessionKey,
    status: "error",
    text,
    error,
    toolCalls: 0,
    durationMs: Math.max(0, Math.round(now - startedAt))
  }
})

/** How its session is listed after it. `undelivered`: its reply did not leave. */
export const statusOf = (outcome: TurnOutcome, undelivered: string | undefined) => {
  if (outcome.status === "aborted") return "killed"
  if (outcome.error === "TurnTimedOut") return "timeout"
  return outcome.status === "error" || undelivered !== undefined ? "failed" : "done"
}
