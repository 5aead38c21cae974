/**
 * The tool loop of one turn: call the model, answer its tool calls, until it has nothing more to call.
 *
 * Whatever must not happen twice goes through `steps.step`: `model-<n>` for the n-th model call, `tool-<n>-<m>` for the m-th
 * tool call in it. The transcript is appended under keys made of the same names. The rest runs again without harm.
 */
import type * as Prompt from "effect/ai/Prompt"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { isBlank } from "../../domain/blank.ts"
import type { TranscriptMessage } from "../../protocol/methods/chat.ts"
import type { TurnSteps } from "../../services/AgentRunner.ts"
import type { Config } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import type { Models, ResolvedModel } from "../../services/Models.ts"
import type { Sessions } from "../../services/Sessions.ts"
import type { TracingShape } from "../../services/Tracing.ts"
import type { TurnOutcome, TurnRequest } from "../../services/Turns.ts"
import { stopwatch } from "../awake.ts"
import * as Time from "../now.ts"
import { failure, type TurnFailure } from "./explain.ts"
import { answering, askInTurn } from "./fallback.ts"
import { makeConversation } from "./conversation.ts"
import { resultsMessage, toolResultEntry } from "./history.ts"
import { callModel, callsOf, ModelReply, replyMessage, type ReplyCall, withCallIds } from "./modelStep.ts"
import type { RunEvents } from "./runEvents.ts"
import { nothingElse, type Noticed, tell, whatWaits } from "./told.ts"
import { ToolOutcome, type makeAnswerer } from "./tools.ts"
import { modelSpan, toolSpan } from "./traced.ts"

/** Model calls of a turn when `agents.defaults.maxSteps` says nothing. */
export const DEFAULT_MAX_STEPS = 20

/** Seconds of a turn when neither the request nor `agents.defaults.timeoutSeconds` says anything; there 0 is no limit. */
export const DEFAULT_TIMEOUT_SECONDS = 600

/** Tool calls of one step that run side by side. */
const TOOL_CONCURRENCY = 8

export interface TurnServices {
  readonly models: Models["Service"]
  readonly sessions: Sessions["Service"]
  readonly config: Config["Service"]
  /** What waits to be told to a session's next turn. */
  readonly noticed: Noticed
  readonly answer: Effect.Success<ReturnType<typeof makeAnswerer>>
  /** The agent's tools and the app's, as the model is told of them. */
  readonly toolkit: Toolkit.Any
  readonly tracing: TracingShape
}

/** What a turn has come to so far. */
interface Progress {
  model: ResolvedModel | undefined
  toolCalls: number
  inputTokens: number
  outputTokens: number
}

const storageFailed = failure(
  "SessionStorageFailed",
  "This conversation could not be stored or read; the Gateway's log has the cause."
)

const unusableConfig = failure(
  "ModelUnavailable",
  "The Gateway's configuration cannot be used; `openclaw config validate` says what is wrong with it."
)

const exhausted = (steps: number, toolCalls: number, last: string | undefined): TurnFailure =>
  failure(
    "TurnExhausted",
    `I stopped at the limit of ${steps} steps after ${toolCalls} tool calls${last === undefined ? "" : ` (the last was ${last})`}, without being done; ask me to go on.`
  )

const noAnswer = failure("ModelFailed", "The model ended without an answer; try again or choose another model.")

const notBegun: ToolOutcome = { text: "Not run: somebody wrote before this call had begun.", isError: true }

const LENGTH_NOTICE = "[The answer ends here because the model reached its output limit.]"

const stopReasonOf = (reply: ModelReply, calls: ReadonlyArray<ReplyCall>): string =>
  calls.length > 0 ? "toolUse" : reply.finish === "length" ? "length" : "stop"

const content = (reply: ModelReply, calls: ReadonlyArray<ReplyCall>): TranscriptMessage["content"] => [
  ...(reply.text === "" ? [] : [{ type: "text" as const, text: reply.text }]),
  ...calls.map(({ id, name, params }) => ({ type: "toolCall", id, name, arguments: params }))
]

const usageOf = (progress: Progress) =>
  progress.inputTokens + progress.outputTokens === 0
    ? undefined
    : {
        inputTokens: progress.inputTokens,
        outputTokens: progress.outputTokens,
        totalTokens: progress.inputTokens + progress.outputTokens
      }

const timeoutOf = (request: TurnRequest, config: OpenClawConfig): number | undefined => {
  const seconds = config.agents?.defaults?.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS
  const limit = request.timeoutMs ?? seconds * 1000
  return limit === 0 ? undefined : limit
}

/** Runs the loop. Fails with what ends the turn; `progress` holds what was reached. */
const loop = Effect.fnUntraced(function* (
  services: TurnServices,
  request: TurnRequest,
  steps: TurnSteps,
  events: RunEvents,
  progress: Progress
) {
  const { config, models, noticed, sessions, tracing } = services
  const answer = toolSpan(tracing, services.toolkit.tools, services.answer)
  const settings = yield* Effect.mapError(config.get, () => unusableConfig)
  const timeoutMs = timeoutOf(request, settings)
  const elapsed = yield* stopwatch
  const remaining = Effect.map(elapsed, (millis) =>
    timeoutMs === undefined ? undefined : Math.max(0, timeoutMs - millis)
  )
  const append = (name: string, message: TranscriptMessage) =>
    sessions
      .append([
        { sessionKey: request.sessionKey, runId: request.runId, dedupeKey: `${request.runId}:${name}`, message }
      ])
      .pipe(Effect.catch(onStorageError), Effect.andThen(events.markStored), Effect.uninterruptible)

  const chosen = request.model ?? (yield* Effect.catch(sessions.model(request.sessionKey), onStorageError))
  let model = yield* Effect.mapError(models.resolve(chosen, request.agentId), (error) =>
    failure("ModelUnavailable", error.message)
  )
  progress.model = model
  const announce = ({ model: name, provider }: ResolvedModel) =>
    events.agent("lifecycle", { phase: "model", provider, model: name })
  yield* announce(model)

  const { ids, say, ...conversation } = yield* makeConversation({
    services,
    request,
    config: settings,
    model,
    events,
    remaining
  }).pipe(Effect.catch(onStorageError))
  /** What came in the turn itself. */
  const messages: Array<Prompt.Message> = []

  const runTool = (step: number, index: number, call: ReplyCall, again: boolean) =>
    steps.step({
      name: `tool-${step}-${index + 1}`,
      success: ToolOutcome,
      execute: Effect.gen(function* () {
        yield* events.agent("tool", { phase: "start", name: call.name, toolCallId: call.id, args: call.params })
        const left = yield* remaining
        const idempotencyKey = `${request.runId}:${step}:${index + 1}`
        const limit = left === undefined ? undefined : { leftMs: left }
        const progress = events.progressOf(call)
        const current = { request, idempotencyKey, again, progress: progress.take, waits: steps.waits, ...limit }
        // What may have been carried out before is asked for; what has not begun makes way for what somebody says now.
        const skipped = !again && (yield* steps.incoming.waiting)
        const outcome = skipped
          ? notBegun
          : yield* left === undefined
              ? answer(call, current)
              : Effect.timeoutOrElse(answer(call, current), {
                  duration: left,
                  orElse: () => Effect.succeed({ text: "the turn's time ran out; outcome unknown", isError: true })
                })
        yield* progress.rest
        yield* events.agent("tool", {
          phase: "result",
          name: call.name,
          toolCallId: call.id,
          isError: outcome.isError,
          result: { content: [{ type: "text", text: outcome.text }] }
        })
        return outcome
      })
    })

  const maxSteps = settings.agents?.defaults?.maxSteps ?? DEFAULT_MAX_STEPS
  let sent = false
  let lastTool: string | undefined
  for (let step = 1; step <= maxSteps; step++) {
    const first = model
    // An answer that is remembered was there before a restart, and its calls may have been carried out.
    let remembered = true
    const answered = yield* steps.step({
      name: `model-${step}`,
      success: ModelReply,
      execute: Effect.gen(function* () {
        const took = yield* steps.incoming.take(`model-${step}`)
        const reply = yield* (step === 1 ? whatWaits(noticed, request.sessionKey) : nothingElse)((told) => {
          const since = [...messages, ...say(took), ...tell(told)]
          const ask = (asked: ResolvedModel) =>
            Effect.flatMap(remaining, (left) => {
              remembered = false
              return conversation.ask(asked, since, (prompt) =>
                modelSpan(tracing, asked, { step }, events.delta, (onText) =>
                  callModel(asked, prompt, { onText, tools: services.toolkit, timeoutMs: left })
                )
              )
            })
          return askInTurn(first, ask, announce)
        })
        return { ...reply, ...(took.length === 0 ? undefined : { took }) }
      })
    })
    messages.push(...say(answered.took ?? []), ...tell(answered.told ?? []))
    // Whoever answered goes on with the turn.
    model = yield* answering(model, answered.ref)
    progress.model = model
    const reply = withCallIds(answered, ids.unique)
    progress.inputTokens += reply.usage.inputTokens ?? 0
    progress.outputTokens += reply.usage.outputTokens ?? 0
    yield* events.settle(reply.text)
    const now = yield* Clock.currentTimeMillis
    const entry = {
      role: "assistant",
      provider: model.provider,
      model: model.model,
      usage: reply.usage,
      runId: request.runId,
      timestamp: now
    }
    if (reply.failure !== undefined) {
      // Text that came before the failure stays, marked by the error beside it.
      const text = reply.text === "" ? reply.failure.message : reply.text
      const broken = { stopReason: "error", errorMessage: reply.failure.message }
      yield* append(`model-${step}`, { ...entry, ...broken, content: [{ type: "text", text }] })
      return yield* Effect.fail({ ...reply.failure, recorded: true })
    }
    const calls = callsOf(reply)
    if (calls.length === 0) {
      const said = events.text()
      if (isBlank(said) && !sent) return yield* Effect.fail(noAnswer)
      if (reply.finish === "length") yield* events.settle(LENGTH_NOTICE)
    }
    yield* append(`model-${step}`, { ...entry, content: content(reply, calls), stopReason: stopReasonOf(reply, calls) })
    if (calls.length === 0) return { text: events.text(), stopReason: stopReasonOf(reply, calls) }

    const last = step === maxSteps
    const outcomes: ReadonlyArray<ToolOutcome> = last
      ? calls.map(() => ({ text: "not run: the turn had reached its step limit", isError: true }))
      : yield* Effect.forEach(calls, (call, index) => runTool(step, index, call, remembered), {
          concurrency: TOOL_CONCURRENCY
        })
    for (const [index, call] of calls.entries()) {
      const outcome = outcomes[index]
      if (outcome === undefined) continue
      yield* append(`tool-${step}-${index + 1}`, toolResultEntry(request, call, outcome, now))
      sent ||= call.name === "message" && !outcome.isError
    }
    if (last) break
    progress.toolCalls += calls.length
    lastTool = calls.at(-1)?.name
    messages.push(replyMessage(reply), resultsMessage(calls, outcomes))
  }
  return yield* Effect.fail(exhausted(maxSteps, progress.toolCalls, lastTool))
})

const onStorageError = (error: { readonly message: string }) =>
  Effect.andThen(Effect.logError("a turn's transcript failed", error.message), Effect.fail(storageFailed))

/** Runs a turn to its outcome and announces its end. Only interruption gets out. */
export const runTurn = Effect.fnUntraced(function* (
  services: TurnServices,
  request: TurnRequest,
  steps: TurnSteps,
  events: RunEvents
) {
  const { runId, sessionKey } = request
  const { sessions } = services
  const startedAt = yield* Clock.currentTimeMillis
  const progress: Progress = { model: undefined, toolCalls: 0, inputTokens: 0, outputTokens: 0 }
  yield* events.agent("lifecycle", { phase: "start", startedAt })

  const ended = yield* loop(services, request, steps, events, progress).pipe(
    Effect.map((done) => ({ ...done, failure: undefined })),
    Effect.catch((reason: TurnFailure & { readonly recorded?: boolean }) =>
      Effect.succeed({ text: reason.message, stopReason: "error", failure: reason })
    ),
    Effect.catchDefect((defect) =>
      Effect.as(Effect.logError(`turn ${runId} died`, defect), {
        text: internal.message,
        stopReason: "error",
        failure: internal as TurnFailure & { readonly recorded?: boolean }
      })
    )
  )
  const reason = ended.failure
  const usage = usageOf(progress)
  const now = yield* Clock.currentTimeMillis
  if (reason !== undefined && reason.recorded !== true) {
    const { unstored } = events.partial()
    const message: TranscriptMessage = {
      role: "assistant",
      content: [{ type: "text", text: isBlank(unstored) ? reason.message : unstored }],
      errorMessage: reason.message,
      stopReason: "error",
      runId,
      timestamp: now
    }
    yield* sessions
      .append([{ sessionKey, runId, dedupeKey: `${runId}:end`, message }])
      .pipe(Effect.catch((error) => Effect.logError("a turn's end was not stored", error.message)))
  }
  if (reason === undefined) {
    yield* events.final(ended.text, { stopReason: ended.stopReason, startedAt, usage })
  } else {
    yield* events.error(reason, startedAt)
  }
  const outcome: TurnOutcome = {
    runId,
    sessionKey,
    status: reason === undefined ? "ok" : "error",
    text: ended.text,
    toolCalls: progress.toolCalls,
    durationMs: Math.max(0, Math.round((yield* Time.now) - startedAt)),
    ...(reason === undefined ? undefined : { error: reason.tag }),
    ...(usage === undefined ? undefined : { usage }),
    ...(progress.model === undefined ? undefined : { model: progress.model.model, provider: progress.model.provider })
  }
  return outcome
})

const internal = failure("Internal", "Something went wrong inside the Gateway; its log has the cause.")
