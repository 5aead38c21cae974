/**
 * What the reference makes of a schema: rows that people read, and an example that fits.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { example } from "../../tools/reference/examples.ts"
import { fields, table } from "../../tools/reference/markdown.ts"
import { Names, rowsOf, typeOf } from "../../tools/reference/shapes.ts"
import type { Place } from "../../tools/reference/comments.ts"

/** A place of which only some fields say something. */
const saying = (docs: Readonly<Record<string, string>>): Place => {
  const place: Place = {
    says: (name) => ({ doc: docs[name] ?? "", fallback: undefined }),
    property: () => place,
    item: () => place,
    value: () => place
  }
  return place
}
const silent = saying({})

const Lamp = Schema.Struct({ on: Schema.Boolean, color: Schema.optional(Schema.String) })
const nothing = new Names([])
const known = () => new Names([{ Lamp }])

const wordsOf = (schema: Schema.Top, names = nothing) => typeOf(schema.ast, names, silent)

describe("a type in words", () => {
  it("tells limits", () => {
    assert.strictEqual(wordsOf(Schema.String), "text")
    assert.strictEqual(wordsOf(Schema.NonEmptyString), "text, not empty")
    assert.strictEqual(
      wordsOf(Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(512)))),
      "text, 1 to 512 characters"
    )
    assert.strictEqual(wordsOf(Schema.Natural), "whole number, at least 0")
    assert.strictEqual(
      wordsOf(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })))),
      "whole number, 1 to 65,535"
    )
  })

  it("tells choices, lists and objects by name", () => {
    assert.strictEqual(wordsOf(Schema.Literals(["a", "b"])), '`"a"` or `"b"`')
    assert.strictEqual(wordsOf(Schema.NullOr(Schema.Array(Schema.String))), "list of text or `null`")
    assert.strictEqual(wordsOf(Schema.Record(Schema.String, Schema.Boolean)), "object by name: `true` or `false`")
    assert.strictEqual(wordsOf(Schema.Record(Schema.String, Schema.Unknown)), "object with any keys")
  })

  it("links to what has a name, also where it is optional", () => {
    const names = known()
    assert.strictEqual(wordsOf(Lamp, names), "[Lamp](shapes.md#lamp)")
    assert.strictEqual(wordsOf(Schema.optional(Lamp), names), "[Lamp](shapes.md#lamp)")
    assert.deepStrictEqual(
      names.linked.map(([name]) => name),
      ["Lamp"]
    )
  })
})

describe("rows", () => {
  const Room = Schema.Struct({
    name: Schema.NonEmptyString,
    lamps: Schema.optional(Schema.Array(Lamp)),
    byName: Schema.Record(Schema.String, Lamp)
  })

  it("go into lists and objects, and say what is required", () => {
    assert.deepStrictEqual(
      rowsOf(Room.ast, "", silent, nothing).map(({ path, required }) => [path, required]),
      [
        ["name", true],
        ["lamps", false],
        ["lamps[].on", true],
        ["lamps[].color", false],
        ["byName", true],
        ["byName.<name>.on", true],
        ["byName.<name>.color", false]
      ]
    )
  })

  it("stop at what has a name", () => {
    const paths = rowsOf(Room.ast, "", silent, known()).map(({ path }) => path)
    assert.deepStrictEqual(paths, ["name", "lamps", "byName"])
  })

  it("of one path become one, required where every member requires it", () => {
    const Event = Schema.Union([
      Schema.Struct({ state: Schema.Literal("on"), since: Schema.Natural }),
      Schema.Struct({ state: Schema.Literal("off") })
    ])
    const rows = rowsOf(Event.ast, "", saying({ since: "When." }), nothing)
    assert.deepStrictEqual(
      rows.map(({ path, required, type }) => [path, type, required]),
      [
        ["state", '`"on"` or `"off"`', true],
        ["since", "whole number, at least 0", false]
      ]
    )
    assert.include(fields(rows), "| `since` | whole number, at least 0 |  | When. |")
  })
})

describe("a table", () => {
  it("keeps a bar within its cell", () => {
    assert.include(table(["a"], [["x | y\nz"]]), "| x \\| y z |")
  })
})

describe("an example", () => {
  it("has what is required, by the names of the fields", () => {
    const schema = Schema.Struct({ sessionKey: Schema.NonEmptyString, limit: Schema.optional(Schema.Int) })
    assert.deepStrictEqual(example("it", schema.ast), { sessionKey: "agent:main:main" })
  })

  it("that does not fit is none", () => {
    const odd = Schema.Struct({ code: Schema.String.pipe(Schema.check(Schema.isPattern(/^never-thought-of$/))) })
    assert.throws(() => example("the odd one", odd.ast), /no example of the odd one was found/)
  })
})
