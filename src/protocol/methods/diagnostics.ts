/**
 * `diagnostics.trace`: what became of one message, step by step. The method is ours.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Name } from "../text.ts"
import { method } from "./method.ts"

/**
 * One span. Attributes are names, ids, sizes and outcomes, never what somebody wrote. `running` goes on; `cut` ended with the
 * process that was in it.
 */
export const TraceSpan = Schema.Struct({
  spanId: Schema.NonEmptyString,
  /** Missing for the first one. It may name a span of another program, which is not here. */
  parentId: Schema.optional(Schema.NonEmptyString),
  /** `receive`, `admit`, `request`, `turn`, `model`, `tool`, `invoke`, `node` or `deliver`. */
  name: Schema.NonEmptyString,
  /** Unix milliseconds, with a fraction. */
  startedAt: Schema.Finite,
  /** Milliseconds, with a fraction; missing for what has no end. */
  durationMs: Schema.optional(Schema.Finite),
  status: Schema.Literals(["ok", "error", "interrupted", "running", "cut"]),
  /** The error's name. */
  error: Schema.optional(Schema.String),
  attributes: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))
})
export type TraceSpan = typeof TraceSpan.Type

export const Trace = Schema.Struct({
  traceId: Schema.NonEmptyString,
  /** The turn, where the message had one. */
  runId: Schema.optional(Schema.String),
  sessionKey: Schema.optional(Schema.String),
  /** The turn that answered the message, where that was not its own. */
  foldedInto: Schema.optional(Schema.String),
  /** Oldest first. */
  spans: Schema.Array(TraceSpan)
})
export type Trace = typeof Trace.Type

export const DiagnosticsMethods = RpcGroup.make(
  /** The steps of one turn with their times, as the Gateway kept them. Ours, not OpenClaw's. */
  method("diagnostics.trace", {
    access: "operator.read",
    params: Schema.Struct({
      /** A run id, a session key, a message's id in its chat or a trace id. The newest trace when left out. */
      message: Schema.optional(Name)
    }),
    result: Trace
  })
)
