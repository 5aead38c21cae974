import { assert, describe, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { MethodTable } from "../../src/protocol/MethodTable.ts"
import { isPlain } from "../../src/protocol/plain.ts"
import { SessionMethods } from "../../src/protocol/methods/sessions.ts"
import { wireCodec } from "../../src/protocol/wireCodec.ts"

type Codec = Schema.Codec<unknown, unknown>

const text = Schema.String
const word = Schema.Struct({ kind: Schema.Literal("word"), text })
const count = Schema.Struct({ kind: Schema.Literal("count"), n: Schema.Natural })

const schemas: ReadonlyArray<Codec> = [
  Schema.Struct({ a: text, b: Schema.optional(Schema.Finite) }),
  // The first of them takes what is meant for the second, and less of it.
  Schema.Union([Schema.Struct({ a: Schema.optional(text) }), Schema.Struct({ a: Schema.optional(text), b: text })]),
  Schema.Union([word, count]),
  Schema.Union([Schema.Array(Schema.Struct({ a: text })), Schema.Array(Schema.Unknown)]),
  Schema.Union([Schema.NumberFromString, text]),
  Schema.Union([Schema.Struct({}), text]),
  Schema.Union([text, Schema.Literals(["a", "7"])], { mode: "oneOf" }),
  Schema.NullOr(Schema.optional(Schema.Struct({ a: Schema.NullOr(text) })).schema),
  Schema.Struct({ a: Schema.FiniteFromString }),
  Schema.Record(text, Schema.Int),
  Schema.Record(text.pipe(Schema.check(Schema.isMaxLength(1))), Schema.Int),
  Schema.StructWithRest(Schema.Struct({ a: text }), [Schema.Record(text, Schema.Unknown)]),
  Schema.Array(Schema.Union([text, Schema.Null])).pipe(Schema.check(Schema.isMaxLength(2))),
  Schema.Tuple([text, text])
]

const junk: ReadonlyArray<unknown> = [null, undefined, "", "7", 7, -1, 0.5, Number.NaN, true, [], {}, ["a"], { a: "a" }]

/** The value with something else in one of its places; and with one property more or less. */
const changed = (value: unknown): ReadonlyArray<unknown> => {
  if (Array.isArray(value)) {
    return [
      ...value.flatMap((item, at) => changed(item).map((other) => value.with(at, other))),
      ...junk.map((item) => [...value, item])
    ]
  }
  if (typeof value !== "object" || value === null) return junk
  const entries = Object.entries(value)
  return [
    ...entries.flatMap(([name, inner]) => changed(inner).map((other) => ({ ...value, [name]: other }))),
    ...entries.map(([name]) => Object.fromEntries(entries.filter(([other]) => other !== name))),
    ...["a", "b", "kind", "noSuch"].map((name) => ({ ...value, [name]: "a" })),
    ...junk
  ]
}

/** Some of many. */
const spread = (all: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  const step = Math.ceil(all.length / 200)
  return all.filter((_, at) => at % step === 0)
}

const literals = SchemaTransformation.transform({ decode: () => "A" as const, encode: () => "a" as const })

/** Whether what is said of the value is true of it. */
const hold = (schema: Codec, value: unknown): boolean => {
  const said = isPlain(schema)(value)
  if (!said) return false
  assert.deepStrictEqual(Schema.encodeUnknownExit(schema)(value), Exit.succeed(value))
  assert.deepStrictEqual(Schema.decodeUnknownExit(schema)(value), Exit.succeed(value))
  return true
}

describe("what is its own encoding", () => {
  for (const [at, schema] of schemas.entries()) {
    it.prop(`is encoded and decoded as it is (${at})`, [schema, Schema.Json], ([value, json]) => {
      for (const one of [value, json, ...changed(value)]) hold(schema, one)
    })
  }

  for (const [name, { successSchema }] of MethodTable.requests) {
    const schema = (RpcSchema.isStreamSchema(successSchema) ? successSchema.success : successSchema) as unknown as Codec
    it.prop(
      `and so are answers of ${name}`,
      [schema, Schema.Json],
      ([value, json]) => {
        for (const one of [value, json, ...spread(changed(value))]) hold(schema, one)
      },
      { arbitrary: { runs: 5 } }
    )
  }

  const list = SessionMethods.requests.get("sessions.list")!.successSchema as unknown as Codec
  it.prop("is said of every list of sessions, and of none with more in it", [list], ([value]) => {
    assert.isTrue(hold(list, value))
    assert.isFalse(isPlain(list)({ ...(value as object), more: 1 }))
  })

  it("is not said of an object that is more than its properties", () => {
    class Named {
      readonly a = "a"
      get b() {
        return 1
      }
    }
    assert.isFalse(isPlain(schemas[0]!)(new Named()))
    assert.isTrue(isPlain(schemas[0]!)({ a: "a", b: 1 }))
  })

  it("is not said of what goes out as something else", () => {
    const toJSON = { value: () => "else" }
    const list: Codec = Schema.Array(Schema.String)
    assert.isFalse(isPlain(list)(Object.defineProperty(["a"], "toJSON", toJSON)))
    assert.isFalse(isPlain(schemas[0]!)(Object.defineProperty({ a: "a", b: 1 }, "toJSON", toJSON)))
  })

  it("is not said for a later member of a union where an earlier one would be meant", () => {
    const first = Schema.Struct({
      k: Schema.Literal("a").pipe(Schema.decodeTo(Schema.Literal("A"), literals)),
      x: Schema.Number
    })
    const union: Codec = Schema.Union([first, Schema.Struct({ k: Schema.String, x: Schema.Number })])
    assert.isFalse(hold(union, { k: "a", x: 1 }))
  })
})

describe("an answer on the wire", () => {
  const { successSchema } = SessionMethods.requests.get("sessions.list")!
  const exit = Rpc.exitSchema(SessionMethods.requests.get("sessions.list")!)
  const encode = Schema.encodeUnknownExit(wireCodec(exit) as unknown as Codec)

  it.prop("is as its schema encodes it, with what the schema does not know left out", [successSchema], ([value]) => {
    const whole = { _tag: "Success", value }
    assert.deepStrictEqual(encode(Exit.succeed(value)), Exit.succeed(whole))
    assert.deepStrictEqual(encode(Exit.succeed({ ...value, more: 1 })), Exit.succeed(whole))
  })

  it("that does not fit is refused", () => {
    assert.isTrue(Exit.isFailure(encode(Exit.succeed({ ts: "now" }))))
    assert.isTrue(Exit.isFailure(encode("no exit")))
  })
})
