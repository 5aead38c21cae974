import { assert, describe, it } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { clean, network, oneLine, reasonOf, retryAfterMs } from "../../src/layers/models/errors.ts"

describe("retryAfterMs", () => {
  const now = Date.UTC(2026, 0, 1)
  it("reads seconds, milliseconds and dates", () => {
    assert.strictEqual(retryAfterMs({ "retry-after": "7" }, now), 7000)
    assert.strictEqual(retryAfterMs({ "retry-after": "0.5" }, now), 500)
    assert.strictEqual(retryAfterMs({ "retry-after-ms": "250", "retry-after": "7" }, now), 250)
    assert.strictEqual(retryAfterMs({ "retry-after": "Thu, 01 Jan 2026 00:01:30 GMT" }, now), 90_000)
    assert.strictEqual(retryAfterMs({ "retry-after": "Wed, 31 Dec 2025 23:58:30 GMT" }, now), 0)
    for (const value of ["", "soon", "-1", "NaN"]) assert.isUndefined(retryAfterMs({ "retry-after": value }, now))
    assert.isUndefined(retryAfterMs(undefined, now))
  })
})

it("a failure is one line in the log, without an empty address", () => {
  const error = AiError.make({ module: "M", method: "m", reason: network("nobody there") })
  assert.include(error.message, "\n")
  assert.strictEqual(oneLine(error), "M.m: TransportError: nobody there")
})

describe("reasonOf", () => {
  const Thrown = Schema.Union([
    Schema.Json,
    Schema.Struct({
      name: Schema.Literals(["AI_APICallError", "AI_TypeValidationError", "Error"]),
      message: Schema.Json,
      statusCode: Schema.Union([Schema.Int, Schema.Json]),
      responseHeaders: Schema.Record(Schema.String, Schema.String),
      responseBody: Schema.Json
    })
  ])

  it.prop("has a reason for whatever is thrown", [Thrown], ([thrown]) => {
    assert.isString(reasonOf(thrown, [Redacted.make("key")], 0).message)
  })

  it("shows neither the key nor anything that looks like one, in one short line", () => {
    const secret = Redacted.make("topsecretvalue")
    const line = clean(`bad key topsecretvalue\nor sk-abcdef123456 at https://me:pw@host/path ${"x".repeat(400)}`, [
      secret,
      Redacted.make("")
    ])
    for (const bad of ["topsecretvalue", "sk-abcdef", "me:pw", "\n"]) assert.notInclude(line, bad)
    assert.isAtMost(line.length, 200)
  })

  it.effect("a status decides, whatever the text says", () =>
    Effect.sync(() => {
      const at = (statusCode: number) =>
        reasonOf({ name: "AI_APICallError", message: "m", statusCode, responseHeaders: {} }, [], 0)._tag
      assert.strictEqual(at(401), "AuthenticationError")
      assert.strictEqual(at(402), "QuotaExhaustedError")
      assert.strictEqual(at(408), "InternalProviderError")
      assert.strictEqual(at(413), "InvalidRequestError")
      assert.strictEqual(at(529), "InternalProviderError")
      assert.strictEqual(at(418), "UnknownError")
      assert.strictEqual(at(307), "UnknownError")
    })
  )
})
