/**
 * A turn that compacts its session instead of asking the model for an answer: in its place among the session's turns, ended
 * by whatever ends one, and begun again after a restart that cut it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { TurnSteps } from "../../../services/AgentRunner.ts"
import type { Config } from "../../../services/Config.ts"
import type { EventBus } from "../../../services/EventBus.ts"
import { CompactionResult, type TurnOutcome, type TurnRequest } from "../../../services/Turns.ts"
import * as Time from "../../now.ts"
import { failure } from "../explain.ts"
import type { RunEvents } from "../runEvents.ts"
import { compactSession, type CompactionServices, type Outcome } from "./compact.ts"

const Result = Schema.Struct({ ...CompactionResult.fields, failed: Schema.optional(Schema.Boolean) })

const short = (tokens: number): string => (tokens < 1_000 ? String(tokens) : `${(tokens / 1_000).toFixed(1)}k`)

/** What whoever asked reads. */
export const told = ({ compacted, failed, reason, tokensAfter, tokensBefore }: Outcome): string => {
  if (!compacted) return `⚙️ Compaction ${failed === true ? "failed" : "skipped"}: ${reason ?? "unknown"}`
  return `⚙️ Compacted (${short(tokensBefore ?? 0)} → ${short(tokensAfter ?? 0)} tokens)`
}

const failed = (reason: string): Outcome => ({ compacted: false, failed: true, reason })

export const runCompaction = Effect.fnUntraced(function* (
  services: CompactionServices & { readonly config: Config["Service"]; readonly bus: EventBus["Service"] },
  request: TurnRequest,
  steps: TurnSteps,
  events: RunEvents
): Effect.fn.Return<TurnOutcome> {
  const { bus, config, models, sessions } = services
  const { agentId, compact, model: wanted, runId, sessionKey } = request
  const isQuiet = compact?.quiet === true
  const startedAt = yield* Clock.currentTimeMillis
  yield* events.agent("lifecycle", { phase: "start", startedAt })

  let hasBegun = false
  const operation = (phase: "start" | "end", end: { readonly completed?: boolean; readonly reason?: string } = {}) =>
    Effect.flatMap(Time.now, (ts) =>
      bus.publish("session.operation", {
        operationId: runId,
        operation: "compact",
        phase,
        sessionKey,
        agentId,
        ts,
        ...end
      })
    )
  const onStart = Effect.suspend(() => {
    hasBegun = true
    return operation("start")
  })

  const work = Effect.gen(function* () {
    const settings = yield* config.get
    const model = yield* models.resolve(wanted ?? (yield* sessions.model(sessionKey)), agentId)
    return yield* compactSession(services, {
      sessionKey,
      agentId,
      runId,
      model,
      config: settings,
      focus: compact?.instructions,
      onStart
    })
  }).pipe(Effect.catch((error) => Effect.succeed(failed(error.message))))

  const result = yield* steps
    .step({ name: "compaction", success: Result, execute: work })
    .pipe(
      Effect.onInterrupt(() =>
        Effect.suspend(() => (hasBegun ? operation("end", { completed: false, reason: "stopped" }) : Effect.void))
      )
    )
  if (hasBegun) {
    yield* operation("end", {
      completed: result.compacted,
      ...(result.reason === undefined ? undefined : { reason: result.reason })
    })
  }
  const text = told(result)
  const isFailed = result.failed === true
  // Also who waits for no words is told that the run is over.
  if (isFailed && !isQuiet) yield* events.error(failure("CompactionFailed", text), startedAt)
  else yield* events.final(isQuiet ? "" : text, { stopReason: "stop", startedAt })
  const { failed: _, ...compaction } = result
  return {
    runId,
    sessionKey,
    status: isFailed ? "error" : "ok",
    text,
    toolCalls: 0,
    durationMs: Math.max(0, Math.round((yield* Time.now) - startedAt)),
    compaction,
    ...(isFailed ? { error: "CompactionFailed" } : undefined)
  }
})
