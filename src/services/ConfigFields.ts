/**
 * What the keys of `openclaw.json` are made of.
 */
import * as Schema from "effect/Schema"

export const text = Schema.optional(Schema.String)
export const flag = Schema.optional(Schema.Boolean)
export const strings = Schema.optional(Schema.Array(Schema.String))
export const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))
export const atLeast = (minimum: number) => Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(minimum)))
export const positive = Schema.optional(atLeast(1))
export const natural = Schema.optional(atLeast(0))
export const oneOf = <const L extends ReadonlyArray<string>>(...literals: L) =>
  Schema.optional(Schema.Literals(literals))
export const record = <S extends Schema.Top>(value: S) => Schema.optional(Schema.Record(Schema.String, value))

/**
 * A credential. In the file it may also be `"${NAME}"` or a reference `{ source: "env", provider, id }`; both are put in
 * before this schema is asked, and what cannot be put in is absent here.
 */
export const secret = text

/** A channel's ids: numbers are accepted too; whoever compares them reads both as text. */
export const Ids = Schema.optional(Schema.Array(Schema.Union([Schema.String, Schema.Finite])))
