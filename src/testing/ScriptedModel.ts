/**
 * A language model that plays a script, for tests: texts, tool calls, failures, delays, and gates that hold it.
 *
 * **When to use**
 *
 * In a test of everything around the model: what its tool calls do, what it is told of their results, what becomes of its
 * failures. Give the layer to `GatewayTest.layer` as `models`.
 *
 * **Details**
 *
 * Each call of the model takes the next step of the script. What it was asked is kept, so that a test can look at it. A script
 * that has run out fails the turn and says which call asked what; `played` fails when that happened, or when steps are left.
 */
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { network, STREAM_CUT } from "../layers/models/errors.ts"
import { Models } from "../services/Models.ts"
import { stillWaiting } from "./stillWaiting.ts"

/** One answer of the model, in this order: gate, delay, reasoning, text, tool calls, failure or finish. */
export interface ScriptStep {
  /** Held until this succeeds; an effect that never does holds the model for ever. */
  readonly gate?: Effect.Effect<unknown>
  readonly delay?: Duration.Input
  readonly reasoning?: string
  /** Streamed one delta per element. */
  readonly text?: string | ReadonlyArray<string>
  /** Waited between two deltas. */
  readonly deltaDelay?: Duration.Input
  readonly toolCalls?: ReadonlyArray<{ readonly id?: string; readonly name: string; readonly params: unknown }>
  /** Ends the answer with this error, after whatever text came before. */
  readonly fail?: AiError.AiErrorReason
  readonly finish?: Response.FinishReason
  readonly usage?: { readonly inputTokens: number; readonly outputTokens: number }
}

/** A step, or one made from what the model is asked. */
export type Script = ReadonlyArray<ScriptStep | ((messages: ReadonlyArray<Prompt.Message>) => ScriptStep)>

export interface ScriptedModelOptions {
  /** Tokens that the model is said to read at once; unknown when left out. */
  readonly contextWindow?: number
}

/** The script and what was asked of it do not fit together. */
export class ScriptMismatch extends Schema.TaggedError<ScriptMismatch>()("ScriptMismatch", {
  message: Schema.String
}) {}

/** The step of a model that calls a node's command. */
export const invoke = (node: string, command: string, params: Readonly<Record<string, unknown>> = {}): ScriptStep => ({
  toolCalls: [
    {
      name: "nodes",
      params: { action: "invoke", node, command, params }
    }
  ]
})

export class ScriptedModel extends Context.Service<
  ScriptedModel,
  {
    /** The messages of every call so far. */
    readonly calls: Effect.Effect<ReadonlyArray<ReadonlyArray<Prompt.Message>>>
    /** Waits until the model was asked so many times. */
    readonly awaitCalls: (count: number) => Effect.Effect<ReadonlyArray<ReadonlyArray<Prompt.Message>>>
    /** Steps that were not played yet. */
    readonly remaining: Effect.Effect<number>
    /** Fails unless every step was played and nothing was asked beyond the last one. */
    readonly played: Effect.Effect<void, ScriptMismatch>
    /** Adds steps to the end of the script. */
    readonly push: (...steps: Script) => Effect.Effect<void>
  }
>()("openclaw/testing/ScriptedModel") {}

/** `fail` of an answer whose connection broke off in the middle. */
export const streamCut: AiError.AiErrorReason = network(STREAM_CUT)

/** The reference of the scripted model, whatever reference is asked for. */
export const SCRIPTED_REF = "scripted/model"

const finishPart = (step: ScriptStep): Response.FinishPartEncoded => ({
  type: "finish",
  reason: step.finish ?? ((step.toolCalls?.length ?? 0) > 0 ? "tool-calls" : "stop"),
  usage: {
    inputTokens: step.usage === undefined ? {} : { total: step.usage.inputTokens },
    outputTokens: step.usage === undefined ? {} : { total: step.usage.outputTokens }
  }
})

const failure = (reason: AiError.AiErrorReason) =>
  AiError.make({ module: "ScriptedModel", method: "streamText", reason })

const textDeltas = (step: ScriptStep): ReadonlyArray<string> =>
  step.text === undefined ? [] : typeof step.text === "string" ? [step.text] : step.text

const toolCalls = (step: ScriptStep, call: number): ReadonlyArray<Response.ToolCallPartEncoded> =>
  (step.toolCalls ?? []).map((tool, index) => ({
    type: "tool-call",
    id: tool.id ?? `call-${call}-${index + 1}`,
    name: tool.name,
    params: tool.params,
    providerExecuted: false
  }))

const streamOf = (step: ScriptStep, call: number): Stream.Stream<Response.StreamPartEncoded, AiError.AiError> => {
  const reasoning: ReadonlyArray<Response.StreamPartEncoded> =
    step.reasoning === undefined
      ? []
      : [
          { type: "reasoning-start", id: "r" },
          { type: "reasoning-delta", id: "r", delta: step.reasoning },
          { type: "reasoning-end", id: "r" }
        ]
  const deltas = textDeltas(step)
  const text = Stream.fromIterable(deltas).pipe(
    Stream.rechunk(1),
    Stream.mapEffect((delta, index) =>
      Effect.as(step.deltaDelay === undefined || index === 0 ? Effect.void : Effect.sleep(step.deltaDelay), {
        type: "text-delta",
        id: "t",
        delta
      } as const)
    )
  )
  const end: Stream.Stream<Response.StreamPartEncoded, AiError.AiError> =
    step.fail === undefined
      ? Stream.fromIterable<Response.StreamPartEncoded>([
          ...(deltas.length === 0 ? [] : [{ type: "text-end", id: "t" } as const]),
          ...toolCalls(step, call),
          finishPart(step)
        ])
      : Stream.fail(failure(step.fail))
  return Stream.unwrap(
    Effect.gen(function* () {
      if (step.gate !== undefined) yield* step.gate
      if (step.delay !== undefined) yield* Effect.sleep(step.delay)
      const begin: ReadonlyArray<Response.StreamPartEncoded> =
        deltas.length === 0 ? reasoning : [...reasoning, { type: "text-start", id: "t" }]
      return Stream.fromIterable(begin).pipe(Stream.concat(text), Stream.concat(end))
    })
  )
}

const contentOf = (step: ScriptStep, call: number): Array<Response.PartEncoded> => [
  ...(step.reasoning === undefined ? [] : [{ type: "reasoning", text: step.reasoning } as const]),
  ...(step.text === undefined ? [] : [{ type: "text", text: textDeltas(step).join("") } as const]),
  ...toolCalls(step, call),
  finishPart(step)
]

/** The last thing that a model was told, in one line. */
const asked = (messages: ReadonlyArray<Prompt.Message>): string => {
  const last = messages.at(-1)
  if (last === undefined) return "nothing"
  const parts = typeof last.content === "string" ? [last.content] : last.content.map((part) => told(part))
  const text = parts.join(" ").replace(/\s+/g, " ")
  return `${last.role} ${JSON.stringify(text.length > 200 ? `${text.slice(0, 199)}…` : text)}`
}

const told = (part: Exclude<Prompt.Message["content"], string>[number]): string => {
  switch (part.type) {
    case "text":
    case "reasoning":
      return part.text
    case "tool-call":
      return `${part.name} ${JSON.stringify(part.params)}`
    case "tool-result":
      return `${part.name}: ${typeof part.result === "string" ? part.result : JSON.stringify(part.result)}`
    default:
      return part.type
  }
}

const make = (script: Script, options: ScriptedModelOptions) =>
  Effect.gen(function* () {
    const steps = [...script]
    const calls: Array<ReadonlyArray<Prompt.Message>> = []
    const unexpected: Array<string> = []
    let called = Deferred.makeUnsafe<void>()
    const awaitCalls = (count: number): Effect.Effect<ReadonlyArray<ReadonlyArray<Prompt.Message>>> =>
      Effect.suspend(() =>
        calls.length >= count
          ? Effect.succeed([...calls])
          : Effect.flatMap(Deferred.await(called), () => awaitCalls(count))
      )

    const take = (messages: ReadonlyArray<Prompt.Message>) =>
      Effect.suspend(() => {
        calls.push(messages)
        const before = called
        called = Deferred.makeUnsafe()
        Deferred.doneUnsafe(before, Effect.void)
        const next = steps.shift()
        if (next === undefined) {
          const description = `the script has no more steps: call ${calls.length} of the model asks ${asked(messages)}, and ${calls.length - 1} steps were played`
          unexpected.push(description)
          return Effect.andThen(
            Effect.logWarning(`ScriptedModel: ${description}`),
            Effect.fail(failure(new AiError.InvalidRequestError({ description })))
          )
        }
        return Effect.succeed({ step: typeof next === "function" ? next(messages) : next, call: calls.length })
      })

    const service = yield* LanguageModel.make({
      generateText: (options) =>
        Effect.gen(function* () {
          const { call, step } = yield* take(options.prompt.content)
          if (step.gate !== undefined) yield* step.gate
          if (step.delay !== undefined) yield* Effect.sleep(step.delay)
          return step.fail === undefined ? contentOf(step, call) : yield* failure(step.fail)
        }),
      streamText: (options) =>
        Stream.unwrap(Effect.map(take(options.prompt.content), ({ call, step }) => streamOf(step, call)))
    })
    const resolved = { ref: SCRIPTED_REF, provider: "scripted", model: "model", service, ...options }
    return Context.make(Models, {
      resolve: () => Effect.succeed(resolved),
      defaultRef: Effect.succeed(SCRIPTED_REF)
    }).pipe(
      Context.add(ScriptedModel, {
        calls: Effect.sync(() => [...calls]),
        awaitCalls: (count) =>
          stillWaiting(
            Effect.sync(
              () =>
                `ScriptedModel still waits for call ${count}; it was asked ${calls.length} times${calls.length === 0 ? "" : `, last ${asked(calls.at(-1) ?? [])}`}.`
            )
          )(awaitCalls(count)),
        played: Effect.suspend(() => {
          const left = steps.length === 0 ? [] : [`${steps.length} steps of the script were not played`]
          const problems = [...unexpected, ...left]
          return problems.length === 0
            ? Effect.void
            : Effect.fail(new ScriptMismatch({ message: `${problems.join("; ")}.` }))
        }),
        remaining: Effect.sync(() => steps.length),
        push: (...more) => Effect.sync(() => void steps.push(...more))
      })
    )
  })

/** `Models` whose every reference is the scripted model. */
export const layer = (script: Script = [], options: ScriptedModelOptions = {}): Layer.Layer<Models | ScriptedModel> =>
  Layer.effectContext(make(script, options))
