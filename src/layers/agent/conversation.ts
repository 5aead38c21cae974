/**
 * What a turn tells its model: the session as it was, compacted when it is too long, and what came since.
 *
 * A compaction is committed by itself. A turn that starts again finds it, and is not asked for it once more.
 */
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import type { ResolvedModel } from "../../services/Models.ts"
import type { SessionContext, SessionStorageFailed } from "../../services/Sessions.ts"
import type { TurnRequest } from "../../services/Turns.ts"
import {
  COMPACTED_MESSAGES,
  compactSession,
  type CompactionServices,
  isEnabled,
  keepTokensOf,
  roomOf
} from "./compaction/compact.ts"
import { type Entry, tokensOf, tokensOfContext } from "./compaction/plan.ts"
import { before, HISTORY_MESSAGES, promptOf } from "./history.ts"
import type { ModelReply } from "./modelStep.ts"
import type { RunEvents } from "./runEvents.ts"
import { systemPrompt } from "./systemPrompt.ts"

/** Tokens of the tools' descriptions, which go with every call. */
const TOOLS_TOKENS = 1_500

const tokensOfPrompt = (messages: ReadonlyArray<Prompt.Message>): number =>
  messages.reduce(
    (sum, { content }) => sum + tokensOf(typeof content === "string" ? content : JSON.stringify(content)),
    0
  )

/** What was said before the turn began. */
const earlierThan = (request: TurnRequest) => (entries: ReadonlyArray<Entry>) => {
  const known = new Set(
    before(
      entries.map(({ message }) => message),
      request
    )
  )
  return entries.filter(({ message }) => known.has(message))
}

export const makeConversation = Effect.fnUntraced(function* (options: {
  readonly services: CompactionServices
  readonly request: TurnRequest
  readonly config: OpenClawConfig
  readonly model: ResolvedModel
  readonly events: RunEvents
  /** Milliseconds that are left of the turn. */
  readonly remaining: Effect.Effect<number | undefined>
}): Effect.fn.Return<Conversation, SessionStorageFailed> {
  const { config, events, request, services } = options
  const { agentId, runId, sessionKey } = request
  const room = roomOf(options.model)
  const earlier = earlierThan(request)
  const read = services.sessions.context(sessionKey, room === undefined ? HISTORY_MESSAGES : COMPACTED_MESSAGES)
  const system = systemPrompt(config, request)
  /** What goes with every call, whatever was said before. */
  const fixed =
    TOOLS_TOKENS +
    tokensOf(system) +
    [request, ...(request.collected ?? [])].reduce((sum, { text }) => sum + tokensOf(text), 0)
  const build = (context: SessionContext, ids?: Conversation["ids"]) =>
    promptOf(system, context, request, {
      ...(ids === undefined ? undefined : { ids }),
      ...(room === undefined ? undefined : { tokens: Math.max(0, room - fixed - tokensOf(context.summary ?? "")) })
    })

  let context = yield* read
  let prompt = build(context)
  /** A model that cannot write a summary is not asked for one at each step of the turn. */
  let isTried = false

  /** `wasTooMuch`: a model said so, whatever was reckoned. */
  const compact = Effect.fnUntraced(function* (model: ResolvedModel, wasTooMuch: boolean) {
    const known = tokensOfContext(context.summary, earlier(context.entries))
    const limit = roomOf(model)
    const half = Math.floor((limit === undefined ? known : Math.max(0, limit - fixed)) / 2)
    const keepTokens = Math.min(keepTokensOf(config), half, ...(wasTooMuch ? [Math.floor(known / 4)] : []))
    const outcome = yield* compactSession(services, {
      sessionKey,
      agentId,
      runId,
      model,
      config,
      automatic: { keepTokens },
      among: earlier,
      timeoutMs: options.remaining,
      onStart: events.agent("compaction", { phase: "start" })
    })
    if (outcome.compacted || outcome.failed === true) {
      yield* events.agent("compaction", { phase: "end", completed: outcome.compacted })
    }
    if (!outcome.compacted) return false
    const next = yield* Effect.option(read)
    if (next._tag === "None") return false
    context = next.value
    prompt = build(context, prompt.ids)
    return true
  })

  /** What the model would be shown if nothing were cut off. */
  const wholeOf = (since: ReadonlyArray<Prompt.Message>) =>
    tokensOfContext(context.summary, earlier(context.entries)) + tokensOfPrompt(since) + fixed

  return {
    ids: prompt.ids,
    say: prompt.say,
    ask: Effect.fnUntraced(function* (model, since, call) {
      const limit = roomOf(model)
      if (!isTried && limit !== undefined && isEnabled(config) && wholeOf(since) > limit) {
        isTried = true
        yield* compact(model, false)
      }
      const reply = yield* call([...prompt.messages, ...since])
      const isTooLong = reply.failure?.kind === "context_length" && reply.parts.length === 0
      // Each makes the prompt shorter, so that there is an end to it.
      if (!isTooLong || !(yield* compact(model, true))) return reply
      return yield* call([...prompt.messages, ...since])
    })
  }
})

export interface Conversation {
  readonly ids: ReturnType<typeof promptOf>["ids"]
  readonly say: ReturnType<typeof promptOf>["say"]
  /** Calls the model with all that was said and what came `since` the turn began. */
  readonly ask: (
    model: ResolvedModel,
    since: ReadonlyArray<Prompt.Message>,
    call: (prompt: ReadonlyArray<Prompt.Message>) => Effect.Effect<ModelReply>
  ) => Effect.Effect<ModelReply>
}
