import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { RetryPolicy } from "../../src/layers/models/retry.ts"
import { modelsLayer } from "./fixtures.ts"
import { collect, reasonOf, textOf, wires, withModel } from "./wires.ts"

describe("trying again", () => {
  const wire = wires[3]!
  const policy: RetryPolicy = { attempts: 3, baseMs: 1, maxMs: 2000 }

  it.live("a transient failure before the first token is tried again", () =>
    withModel(
      wire,
      (server, ref) =>
        Effect.gen(function* () {
          yield* server.push({ status: 503 }, { status: 429, retryAfter: "0" }, { text: ["there"] })
          const { error, parts } = yield* collect(ref)
          assert.isUndefined(error)
          assert.strictEqual(textOf(parts), "there")
          assert.lengthOf(yield* server.requests, 3)
        }),
      policy
    )
  )

  it.live("an answer that broke off after text is not asked for again", () =>
    withModel(
      wire,
      (server, ref) =>
        Effect.gen(function* () {
          yield* server.push({ text: ["half"], end: "cut" }, { text: ["whole"] })
          const { parts } = yield* collect(ref)
          assert.strictEqual(textOf(parts), "half")
          assert.lengthOf(yield* server.requests, 1)
        }),
      policy
    )
  )

  it.live("it is bounded, a refused key is not tried again, and a long wait is told instead of waited", () =>
    withModel(
      wire,
      (server, ref) =>
        Effect.gen(function* () {
          yield* server.push({ status: 500 }, { status: 500 }, { status: 500 }, { text: ["late"] })
          assert.strictEqual(reasonOf((yield* collect(ref)).error)._tag, "InternalProviderError")
          assert.lengthOf(yield* server.requests, 3)
          assert.strictEqual(textOf((yield* collect(ref)).parts), "late")
          yield* server.push({ status: 401 }, { status: 429, retryAfter: "3600" })
          assert.strictEqual(reasonOf((yield* collect(ref)).error)._tag, "AuthenticationError")
          assert.strictEqual(reasonOf((yield* collect(ref)).error)._tag, "RateLimitError")
          assert.lengthOf(yield* server.requests, 6)
        }),
      policy
    )
  )

  it.live("a server that is not there is a network error without its address", () =>
    Effect.gen(function* () {
      const layer = modelsLayer({ models: { providers: { gone: { baseUrl: "http://127.0.0.1:1/v1" } } } })
      const { error } = yield* Effect.provide(collect("gone/model"), layer)
      assert.strictEqual(reasonOf(error)._tag, "NetworkError")
      assert.notInclude(JSON.stringify(error), "127.0.0.1")
    })
  )
})
