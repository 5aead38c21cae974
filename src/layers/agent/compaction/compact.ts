/**
 * Compacting a session: a model summarises what is older than a tail that is kept, and from then on models are told the
 * summary instead. It is committed at once or not at all, and nothing goes from the transcript.
 */
import * as Effect from "effect/Effect"
import type { SessionKey } from "../../../domain/SessionKey.ts"
import type { RunId } from "../../../domain/Ids.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import type { Models, ResolvedModel } from "../../../services/Models.ts"
import type { SessionContext, Sessions } from "../../../services/Sessions.ts"
import type { TracingShape } from "../../../services/Tracing.ts"
import type { CompactionResult } from "../../../services/Turns.ts"
import { type Entry, KEEP_RECENT_TOKENS, planOf, tokensOf, tokensOfContext } from "./plan.ts"
import { summarise } from "./summary.ts"

/** Messages that are read for a compaction; what is older than these has long been out of every prompt. */
export const COMPACTED_MESSAGES = 5_000

/** Tokens of a window that are left for the answer: a quarter of a small one. */
const RESERVE_TOKENS = 20_000

/** Tokens that a model may be shown, where its window is known. */
export const roomOf = ({ contextWindow }: ResolvedModel): number | undefined =>
  contextWindow === undefined ? undefined : contextWindow - Math.min(RESERVE_TOKENS, Math.floor(contextWindow / 4))

export interface CompactionServices {
  readonly models: Models["Service"]
  readonly sessions: Sessions["Service"]
  readonly tracing: TracingShape
}

export interface CompactionRequest {
  readonly sessionKey: SessionKey
  readonly agentId: string
  readonly runId: RunId
  /** The model of the session; the configuration may name another one for summaries. */
  readonly model: ResolvedModel
  readonly config: OpenClawConfig
  /** The summary must make the context smaller, and so much of the newest messages is kept at most. */
  readonly automatic?: { readonly keepTokens: number }
  readonly focus?: string | undefined
  /** Of the context, what may be replaced: a turn keeps its own messages. */
  readonly among?: (entries: ReadonlyArray<Entry>) => ReadonlyArray<Entry>
  readonly timeoutMs?: Effect.Effect<number | undefined>
  /** There is something to do, and it begins. */
  readonly onStart: Effect.Effect<void>
}

const settingsOf = (config: OpenClawConfig) => config.agents?.defaults?.compaction

export const isEnabled = (config: OpenClawConfig): boolean => settingsOf(config)?.enabled !== false

export const keepTokensOf = (config: OpenClawConfig): number =>
  settingsOf(config)?.keepRecentTokens ?? KEEP_RECENT_TOKENS

const not = (reason: string): CompactionResult => ({ compacted: false, reason })

/** What a compaction that was made before a restart came to. */
const madeBefore = ({ entries }: SessionContext, runId: RunId): CompactionResult | undefined => {
  const made = entries.find(({ message }) => message.__openclaw?.kind === "compaction" && message.runId === runId)
  const meta = made?.message.__openclaw
  return meta === undefined
    ? undefined
    : { compacted: true, tokensBefore: meta.tokensBefore ?? 0, tokensAfter: meta.tokensAfter ?? 0 }
}

export interface Outcome extends CompactionResult {
  /** It was tried and went wrong. */
  readonly failed?: boolean | undefined
}

/** Never fails: why there is no compaction is in the result. */
export const compactSession = (
  { models, sessions, tracing }: CompactionServices,
  request: CompactionRequest
): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const { agentId, automatic, config, runId, sessionKey } = request
    const context = yield* sessions.context(sessionKey, COMPACTED_MESSAGES)
    const before = automatic === undefined ? madeBefore(context, runId) : undefined
    if (before !== undefined) return before
    const entries = request.among?.(context.entries) ?? context.entries
    const plan = planOf({ ...context, entries }, automatic?.keepTokens ?? keepTokensOf(config))
    if (context.sessionId === undefined || "reason" in plan) {
      return not("reason" in plan ? plan.reason : "no sessionId")
    }
    yield* request.onStart
    const own = settingsOf(config)?.model
    const summary = yield* summarise({
      tracing,
      model: own === undefined ? request.model : yield* models.resolve(own, agentId),
      messages: plan.older.map(({ message }) => message),
      before: context.summary,
      focus: request.focus,
      window: request.model.contextWindow,
      ...(request.timeoutMs === undefined ? undefined : { timeoutMs: request.timeoutMs })
    })
    const tokensBefore = tokensOfContext(context.summary, entries)
    const tokensAfter = tokensOf(summary.text) + tokensOfContext(undefined, plan.kept)
    if (automatic !== undefined && tokensAfter >= tokensBefore) {
      return { ...not("the summary is as long as what it would replace"), failed: true }
    }
    yield* sessions.compact(sessionKey, {
      sessionId: context.sessionId,
      since: context.since,
      through: plan.through,
      summary: summary.text,
      tokensBefore,
      tokensAfter,
      runId,
      provider: summary.model.provider,
      model: summary.model.model,
      usage: summary.usage
    })
    yield* Effect.logInfo(`${sessionKey} was compacted from about ${tokensBefore} to ${tokensAfter} tokens`)
    return { compacted: true, tokensBefore, tokensAfter }
  }).pipe(
    Effect.catch((error) =>
      Effect.as(Effect.logWarning(`${request.sessionKey} was not compacted: ${error.message}`), {
        ...not(error.message),
        failed: true
      })
    )
  )
