/**
 * How `effect/rpc` encodes the method table on the wire: as it is.
 *
 * The table's schemas are JSON on their encoded side already, so only the Exit around an answer needs a form. What is
 * `undefined` is then left out of the JSON, where the JSON codec of `effect/Schema` would write `null`, which OpenClaw's
 * schemas do not allow.
 *
 * An answer that is its own encoding, as nearly all are, goes out without the walk through its schema.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { CodecFor } from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { isPlain } from "./plain.ts"

type AnyExit = Schema.Exit<Schema.Codec<unknown, unknown>, Schema.Codec<unknown, unknown>, Schema.Defect>

const isExit = (schema: Schema.Top): schema is AnyExit =>
  schema.ast._tag === "Declaration" && "value" in schema && "error" in schema && "defect" in schema

const reasonsOf = ({ defect, error }: AnyExit) =>
  Schema.Array(
    Schema.Union([
      Schema.Struct({ _tag: Schema.Literal("Fail"), error }),
      Schema.Struct({ _tag: Schema.Literal("Die"), defect }),
      Schema.Struct({ _tag: Schema.Literal("Interrupt"), fiberId: Schema.optional(Schema.Number) })
    ])
  )

type Reason = ReturnType<typeof reasonsOf>["Type"][number]

const toReason = (reason: Cause.Reason<unknown>): Reason => {
  switch (reason._tag) {
    case "Fail":
      return { _tag: "Fail", error: reason.error }
    case "Die":
      return { _tag: "Die", defect: reason.defect }
    case "Interrupt":
      return { _tag: "Interrupt", fiberId: reason.fiberId }
  }
}

const fromReason = (reason: Reason): Cause.Reason<unknown> => {
  switch (reason._tag) {
    case "Fail":
      return Cause.makeFailReason(reason.error)
    case "Die":
      return Cause.makeDieReason(reason.defect)
    case "Interrupt":
      return Cause.makeInterruptReason(reason.fiberId)
  }
}

const exitCodec = (schema: AnyExit) =>
  Schema.Union([
    Schema.Struct({ _tag: Schema.Literal("Success"), value: schema.value }),
    Schema.Struct({ _tag: Schema.Literal("Failure"), cause: reasonsOf(schema) })
  ]).pipe(
    Schema.decodeTo(
      Schema.toType(schema),
      SchemaTransformation.transform({
        decode: (encoded): Exit.Exit<unknown, unknown> =>
          encoded._tag === "Success"
            ? Exit.succeed(encoded.value)
            : Exit.failCause(Cause.fromReasons(encoded.cause.map(fromReason))),
        encode: (exit) =>
          Exit.isSuccess(exit)
            ? { _tag: "Success" as const, value: exit.value }
            : { _tag: "Failure" as const, cause: exit.cause.reasons.map(toReason) }
      })
    )
  )

/** The same, with a short way for answers that the walk would only copy. */
const quickExitCodec = (schema: AnyExit) => {
  const whole = exitCodec(schema)
  const encode: (exit: unknown) => Effect.Effect<unknown, SchemaIssue.Issue> = SchemaParser.encodeUnknownEffect(whole)
  const decode = SchemaParser.decodeUnknownEffect(whole)
  const isAnswer = isPlain(schema.value)
  return Schema.Unknown.pipe(
    Schema.decodeTo(
      Schema.Unknown,
      SchemaTransformation.transformEffect({
        decode: (encoded: unknown) => decode(encoded),
        encode: (exit: unknown) =>
          Exit.isExit(exit) && Exit.isSuccess(exit) && isAnswer(exit.value)
            ? Effect.succeed({ _tag: "Success", value: exit.value })
            : encode(exit)
      })
    )
  )
}

/** The codec of a payload, an answer, or the Exit of a call. */
export const wireCodec = ((schema: Schema.Top) => (isExit(schema) ? quickExitCodec(schema) : schema)) as CodecFor
