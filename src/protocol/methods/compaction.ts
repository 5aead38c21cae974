/**
 * `sessions.compact`, and what is announced of it. Tokens are estimates of what a model is told of the session.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Name, SessionKeyText } from "../text.ts"
import { method } from "./method.ts"

export const SessionOperation = Schema.Struct({
  operationId: Schema.NonEmptyString,
  operation: Schema.Literal("compact"),
  phase: Schema.Literals(["start", "end"]),
  sessionKey: Schema.NonEmptyString,
  agentId: Schema.optional(Schema.NonEmptyString),
  ts: Schema.Natural,
  completed: Schema.optional(Schema.Boolean),
  reason: Schema.optional(Schema.String)
})

export const CompactionMethods = RpcGroup.make(
  /**
   * Lets a summary stand for what is older than the newest messages; the transcript keeps all. With `maxLines` no model is asked:
   * all but so many messages are deleted. Refused while the session has a turn that has not ended.
   */
  method("sessions.compact", {
    access: "operator.admin",
    params: Schema.Struct({
      key: SessionKeyText,
      agentId: Schema.optional(Name),
      maxLines: Schema.optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1))))
    }),
    result: Schema.Struct({
      /** `false`: there was something to do, or might have been, and it was not done; `reason` says why. */
      ok: Schema.Boolean,
      key: Schema.String,
      compacted: Schema.Boolean,
      reason: Schema.optional(Schema.String),
      /** Messages that are left, with `maxLines`. */
      kept: Schema.optional(Schema.Natural),
      result: Schema.optional(
        Schema.StructWithRest(
          Schema.Struct({ tokensBefore: Schema.optional(Schema.Finite), tokensAfter: Schema.optional(Schema.Finite) }),
          [Schema.Record(Schema.String, Schema.Unknown)]
        )
      )
    })
  })
)
