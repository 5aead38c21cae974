/**
 * Endings that no agent decided: aborted, out of time, or broken. Each is told to the user in the outcome's `text`, kept
 * in the transcript and announced as a `chat` event.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { TranscriptMessage } from "../../protocol/methods/chat.ts"
import { EventBus } from "../../services/EventBus.ts"
import { Sessions, type SessionStorageFailed } from "../../services/Sessions.ts"
import type { TurnOutcome, TurnRequest } from "../../services/Turns.ts"

interface Run {
  readonly request: TurnRequest
  readonly startedAt: number
  /** The number that the turn's next `chat` event takes. */
  readonly seq: number
}

const said = (text: string, timestamp: number, extra: Partial<TranscriptMessage>): TranscriptMessage => ({
  role: "assistant",
  content: [{ type: "text", text }],
  timestamp,
  provider: "openclaw",
  model: "gateway-injected",
  ...extra
})

const remember = Effect.fnUntraced(function* (run: Run, message: TranscriptMessage) {
  const { runId, sessionKey } = run.request
  const sessions = yield* Sessions
  const idempotencyKey = `${runId}:assistant`
  yield* sessions.append([{ sessionKey, runId, dedupeKey: `${runId}:ended`, message: { ...message, idempotencyKey } }])
})

export const abortedOutcome = (
  turn: Pick<TurnRequest, "runId" | "sessionKey">,
  text: string,
  durationMs: number
): TurnOutcome => ({
  runId: turn.runId,
  sessionKey: turn.sessionKey,
  status: "aborted",
  text,
  toolCalls: 0,
  durationMs: Math.max(0, durationMs)
})

/** The user wanted no more. What the agent had said so far is kept. */
export const aborted = Effect.fnUntraced(function* (
  run: Run,
  partialText: string
): Effect.fn.Return<TurnOutcome, SessionStorageFailed, Sessions | EventBus> {
  const { agentId, runId, sessionKey } = run.request
  const now = yield* Clock.currentTimeMillis
  const message = said(partialText, now, { stopReason: "stop" })
  if (partialText !== "") yield* remember(run, message)
  const bus = yield* EventBus
  yield* bus.publish("chat", {
    runId,
    sessionKey,
    agentId,
    seq: run.seq,
    state: "aborted",
    stopReason: "rpc",
    ...(partialText === "" ? {} : { message })
  })
  return abortedOutcome(run.request, partialText, now - run.startedAt)
})

/** The turn could not be finished. `text` is the plain sentence that the user reads. */
export const failed = Effect.fnUntraced(function* (
  run: Run,
  error: string,
  text: string
): Effect.fn.Return<TurnOutcome, SessionStorageFailed, Sessions | EventBus> {
  const { agentId, runId, sessionKey } = run.request
  const now = yield* Clock.currentTimeMillis
  yield* remember(run, said(text, now, { stopReason: "error", errorMessage: text }))
  const bus = yield* EventBus
  yield* bus.publish("chat", {
    runId,
    sessionKey,
    agentId,
    seq: run.seq,
    state: "error",
    errorMessage: text,
    errorKind: error === "TurnTimedOut" ? "timeout" : "unknown"
  })
  return {
    runId,
    sessionKey,
    status: "error",
    text,
    error,
    toolCalls: 0,
    durationMs: Math.max(0, now - run.startedAt)
  }
})
