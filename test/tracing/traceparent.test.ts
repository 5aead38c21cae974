/** What is heard as a `traceparent`, of all that anybody may send. */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { format, parse } from "../../src/domain/TraceContext.ts"

const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
const span = "00f067aa0ba902b7"

const Digits = (length: number) =>
  Schema.Array(Schema.Literals([..."0123456789abcdef"])).pipe(
    Schema.check(Schema.isMinLength(length), Schema.isMaxLength(length))
  )
/** Parts that nearly make one. */
const Piece = Schema.Union([
  Schema.Literals(["00", "01", "ff", "-", trace, span, "0".repeat(32), "0".repeat(16), trace.toUpperCase(), "\n", "٠"]),
  Schema.String
])

describe("a traceparent", () => {
  it.prop("is written as it is read", [Digits(32), Digits(16), Schema.Boolean], ([traceId, spanId, sampled]) => {
    const context = { traceId: traceId.join(""), spanId: spanId.join(""), sampled }
    const isNone = /^0+$/.test(context.traceId) || /^0+$/.test(context.spanId)
    assert.deepStrictEqual(parse(format(context)), isNone ? undefined : context)
  })

  it.prop("is nothing, or ids of the right form, whatever it is made of", [Schema.Array(Piece)], ([pieces]) => {
    for (const text of [pieces.join(""), pieces.join("-")]) {
      const found = parse(text)
      if (found === undefined) continue
      assert.match(found.traceId, /^(?!0+$)[\da-f]{32}$/)
      assert.match(found.spanId, /^(?!0+$)[\da-f]{16}$/)
      assert.isTrue(text.includes(`-${found.traceId}-${found.spanId}-`))
    }
  })

  it("of a later version may say more, of this one not", () => {
    const at = (version: string, rest = "") => parse(`${version}-${trace}-${span}-01${rest}`)?.traceId
    assert.strictEqual(at("00"), trace)
    assert.strictEqual(at("cc", "-what-comes"), trace)
    for (const wrong of [
      at("ff"),
      at("00", "-more"),
      at("cc", "more"),
      at("00", "\n"),
      at("cc", `-${"x".repeat(99)}`)
    ]) {
      assert.isUndefined(wrong)
    }
    assert.isUndefined(parse(undefined))
    assert.isUndefined(parse(`00-${trace.toUpperCase()}-${span}-01`))
    assert.isFalse(parse(`00-${trace}-${span}-fe`)?.sampled)
  })
})
