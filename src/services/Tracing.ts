/**
 * The spans of the flow: what happened to one message from its arrival to the delivery of its reply.
 *
 * A handful a turn, kept by the Gateway itself (`layers/tracing`), which is why they are not simply spans of Effect's tracer:
 * the binary runs with that one switched off. Where an app has it on, each of these is one of its spans too, with the same ids.
 * Attributes are names, ids, sizes, durations and outcomes; never what somebody wrote or a model said, and never a secret.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { TraceContext } from "../domain/TraceContext.ts"

/**
 * `receive`: a message came and was committed. `admit`: what it is was decided. `request`: a client's call that may begin
 * something. `turn`: from its start, or from where it resumed. `model`, `tool`, `deliver`: one call, one delivery. `invoke`: a
 * node's command. `node`: the same, as the node told of it.
 */
export type SpanName = "receive" | "admit" | "request" | "turn" | "model" | "tool" | "invoke" | "node" | "deliver"

export type Attribute = string | number | boolean
export type Attributes = Readonly<Record<string, Attribute | undefined>>

/** Where a fiber is in which trace; a log line says it too. */
export interface FlowContext extends TraceContext {
  readonly parentSpanId?: string
  /** The turn that it belongs to. */
  readonly runId?: string
}

/** Of the fiber and all that it forks. */
export const CurrentFlow = Context.Reference<FlowContext | undefined>("openclaw/services/CurrentFlow", {
  defaultValue: () => undefined
})

export interface FlowSpan {
  /** `undefined` where nothing is traced. */
  readonly context: FlowContext | undefined
  readonly annotate: (attributes: Attributes) => void
  /** It came to its end, and that was a failure: a tag such as `ModelFailed`. */
  readonly fail: (error: string) => void
  /** What another process did under this span and told of: `spanId` is the other's, it began so many milliseconds ago. */
  readonly child: (told: {
    readonly name: SpanName
    readonly spanId: string
    readonly beforeEndMs: number
    readonly durationMs: number
    readonly error?: string
    readonly attributes: Attributes
  }) => void
  /** Nothing came of it after all: it is not kept. */
  readonly drop: () => void
}

export interface SpanOptions {
  /** What it is a child of, where that is not the fiber's own place: something that was stored, or sent by another process. */
  readonly parent?: TraceContext | undefined
  /** It begins a trace, whatever it runs in. */
  readonly root?: boolean
  readonly runId?: string | undefined
  readonly attributes?: Attributes
}

/** A span that nobody keeps. */
export const untraced: FlowSpan = {
  context: undefined,
  annotate: () => {},
  fail: () => {},
  child: () => {},
  drop: () => {}
}

export interface TracingShape {
  /** Runs `use` as a span. A failure, a defect and an interruption are its outcome; they go on unchanged. */
  readonly span: <A, E, R>(
    name: SpanName,
    options: SpanOptions,
    use: (span: FlowSpan) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R>
}

/** Without a layer nothing is traced. */
export const Tracing = Context.Reference<TracingShape>("openclaw/services/Tracing", {
  defaultValue: () => ({ span: (_name, _options, use) => use(untraced) })
})

/** What a fiber that is not this one's child goes on with. */
export const carried: Effect.Effect<<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>> = Effect.map(
  CurrentFlow,
  (flow) => (effect) => (flow === undefined ? effect : Effect.provideService(effect, CurrentFlow, flow))
)
