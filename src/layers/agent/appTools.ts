/**
 * Calls of the app's own tools: their handlers see the app's services, not the Gateway's of the same name.
 */
import * as AiError from "effect/ai/AiError"
import * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { type AppToolset, ToolCall } from "../../services/AppTools.ts"
import { cutText, MAX_RESULT_CHARS } from "./output.ts"
import { type ToolCall as Call, ToolFailed } from "./tools.ts"

/** A toolkit as what it is an Effect of; its handlers are looked up by key. */
type AnyToolkit = Effect.Effect<Toolkit.WithHandler<Record<string, Tool.Any>>>

/** What belongs to the turn and not to where a handler was made. */
const ambient: ReadonlySet<string> = new Set([
  Tracer.ParentSpan.key,
  Tracer.Tracer.key,
  References.CurrentLogAnnotations.key,
  References.CurrentLogSpans.key
])

const withApps = (turn: Context.Context<never>, app: Context.Context<never>): Context.Context<never> => {
  const all = new Map(turn.mapUnsafe)
  for (const [key, service] of app.mapUnsafe) if (!ambient.has(key)) all.set(key, service)
  return Context.makeUnsafe(all)
}

/** What a handler was made with; `toHandlers` keeps it beside the function. */
const madeWith = (app: AppToolset, tool: Tool.Any): Context.Context<never> => {
  const handler = app.handlers.mapUnsafe.get(tool.id)
  const made =
    Predicate.hasProperty(handler, "context") && Context.isContext(handler.context) ? handler.context : undefined
  return made === undefined ? app.services : Context.merge(app.services, made as Context.Context<never>)
}

const said = (value: unknown): string =>
  cutText(typeof value === "string" ? value : (JSON.stringify(value) ?? "done"), MAX_RESULT_CHARS)

/** A failure as a model reads it: an error's message, else what the tool's failure encodes to. */
const failureText = (error: unknown): string =>
  Predicate.hasProperty(error, "message") && typeof error.message === "string" && error.message !== ""
    ? error.message
    : said(error)

const mayRepeat = (tool: Tool.Any): boolean =>
  Context.get(tool.annotations, Tool.Idempotent) || Context.get(tool.annotations, Tool.Readonly)

const CUT_OFF =
  "interrupted, outcome unknown: the Gateway restarted while this call ran, and the tool does not say that it may be repeated"

/** Runs calls of the app's tools; `undefined` where it has none of that name. */
export const makeAppCaller = Effect.fnUntraced(function* (app: AppToolset) {
  const { handle, tools } = yield* Effect.provideContext(app.toolkit as unknown as AnyToolkit, app.handlers)

  const run = Effect.fnUntraced(function* (tool: Tool.Any, params: unknown, id: string, current: Call) {
    if (current.again && !mayRepeat(tool)) return yield* new ToolFailed({ message: CUT_OFF })
    const progress = current.progress ?? (() => Effect.void)
    let last: unknown
    const results = yield* handle(tool.name, params as never, id)
    yield* Stream.runForEach(results, (got): Effect.Effect<void, AiError.AiError | ToolFailed> => {
      const { encodedResult, isFailure, preliminary, result } = got
      if (isFailure)
        return AiError.isAiError(result) ? Effect.fail(result) : new ToolFailed({ message: failureText(result) })
      if (preliminary) return progress(said(encodedResult))
      last = encodedResult
      return Effect.void
    })
    return said(last)
  })

  return (
    call: { readonly id: string; readonly name: string; readonly params: unknown },
    current: Call
  ): Effect.Effect<string, ToolFailed | AiError.AiError> | undefined => {
    const tool = Object.hasOwn(tools, call.name) ? tools[call.name] : undefined
    if (tool === undefined) return undefined
    const { again, idempotencyKey, progress, request } = current
    return (run(tool, call.params, call.id, current) as Effect.Effect<string, unknown, ToolCall>).pipe(
      Effect.mapError((error) =>
        AiError.isAiError(error) || error instanceof ToolFailed
          ? error
          : new ToolFailed({ message: failureText(error) })
      ),
      Effect.provideService(ToolCall, {
        runId: request.runId,
        sessionKey: request.sessionKey,
        agentId: request.agentId,
        idempotencyKey,
        again,
        progress: progress ?? (() => Effect.void)
      }),
      Effect.updateContext((turn: Context.Context<never>) => withApps(turn, madeWith(app, tool))),
      Effect.withSpan(`tool ${call.name}`)
    )
  }
})
