/**
 * What goes wrong in a turn, and what the user is told.
 */
import { assert, describe, it } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { network, silentFor } from "../../src/layers/models/errors.ts"
import { Models, ModelUnavailable } from "../../src/services/Models.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { makeWorld, request, run } from "./fixtures.ts"
import { asked, invokeCall, studio } from "./script.ts"

describe("failures", () => {
  const cases: ReadonlyArray<readonly [string, AiError.AiErrorReason, RegExp]> = [
    ["401", new AiError.AuthenticationError({ kind: "InvalidKey" }), /refused the key.*SCRIPTED_API_KEY/],
    ["403", new AiError.AuthenticationError({ kind: "InsufficientPermissions" }), /does not let this key use/],
    ["429", new AiError.RateLimitError({ retryAfter: Duration.seconds(30) }), /try again in 30 s/],
    ["quota", new AiError.QuotaExhaustedError({}), /no quota left/],
    ["500", new AiError.InternalProviderError({ description: "HTTP 502" }), /trouble of its own \(HTTP 502\)/],
    ["network", network("the provider could not be reached"), /could not be reached/],
    ["silence", network(silentFor(120_000)), /sent nothing for 120 s.*scripted\.timeoutSeconds/],
    ["model", new AiError.InvalidRequestError({ parameter: "model" }), /does not know the model/],
    ["long", new AiError.InvalidRequestError({ constraint: "context_length" }), /too long/],
    ["policy", new AiError.ContentPolicyError({ description: "x" }), /content policy/],
    ["malformed", new AiError.InvalidResponseError({ description: "x" }), /could not be read/],
    ["unknown", new AiError.UnknownError({ description: "stack at file.ts" }), /log has the cause/]
  ]
  for (const [name, fail, words] of cases) {
    it.effect(`${name} is told in one plain sentence`, () => {
      const world = makeWorld()
      return Effect.gen(function* () {
        const outcome = yield* run(request("hello"))
        assert.deepInclude(outcome, { status: "error", error: "ModelFailed" })
        assert.match(outcome.text, words)
        assert.match(outcome.text, /^[^\n]+\.$/)
        assert.notMatch(outcome.text, /stack|https?:/)
        const last = world.chat().at(-1)
        assert.strictEqual(last?.state === "error" ? last.errorMessage : undefined, outcome.text)
        assert.strictEqual(world.agent().at(-1)?.data["phase"], "error")
        assert.deepInclude(world.transcript[0]?.message, { stopReason: "error", errorMessage: outcome.text })
      }).pipe(Effect.provide(world.provide(ScriptedModel.layer([{ fail }]))))
    })
  }

  it.effect("text before a cut stays in the transcript, marked, and a tool call before it is not run", () => {
    const world = makeWorld({ nodes: [studio], history: [{ role: "user", content: "hello", runId: "run-1" }] })
    return Effect.gen(function* () {
      const outcome = yield* run(request("hello"))
      assert.match(outcome.text, /broke off before the answer was complete/)
      assert.deepInclude(world.transcript[1]?.message, {
        content: [{ type: "text", text: "half of" }],
        stopReason: "error",
        errorMessage: outcome.text
      })
      const last = world.chat().at(-1)
      assert.deepStrictEqual(last?.message?.content, [{ type: "text", text: "half of" }])
      assert.lengthOf(world.invokes, 0)
      // The next turn's model sees it as an answer that broke off.
      const next = yield* run(request("go on", { runId: "run-2" as never }))
      assert.strictEqual(next.status, "ok")
      assert.include(JSON.stringify(yield* asked(1)), "half of\\n[this answer broke off]")
    }).pipe(
      Effect.provide(
        world.provide(ScriptedModel.layer([{ text: "half of", fail: network("the socket closed") }, { text: "done" }]))
      )
    )
  })

  it.effect("no model, no storage, no answer and a refusal are outcomes too", () =>
    Effect.gen(function* () {
      const none = Layer.mock(Models)({
        resolve: () => Effect.fail(new ModelUnavailable({ model: "", reason: "not-configured", message: "No model." }))
      })
      const first = makeWorld()
      const unavailable = yield* Effect.provide(run(request("x")), first.provide(none))
      assert.deepInclude(unavailable, { status: "error", error: "ModelUnavailable", text: "No model." })
      assert.deepInclude(first.transcript[0]?.message, { errorMessage: "No model." })
      const outcome = (script: ScriptedModel.Script, world = makeWorld()) =>
        Effect.provide(run(request("x")), world.provide(ScriptedModel.layer(script)))
      assert.strictEqual(
        (yield* outcome([{ text: "x" }], makeWorld({ storageFails: true }))).error,
        "SessionStorageFailed"
      )
      assert.match((yield* outcome([{}])).text, /without an answer/)
      assert.match((yield* outcome([{ finish: "content-filter" }])).text, /content policy/)
      assert.match((yield* outcome([{ finish: "length" }])).text, /output limit before/)
      const long = yield* outcome([{ text: "so much", finish: "length", toolCalls: [invokeCall()] }])
      assert.deepInclude(long, { status: "ok", toolCalls: 0 })
      assert.match(long.text, /^so much\n\n\[The answer ends here/)
    })
  )

  it.effect("a defect is an outcome that shows nothing of it", () => {
    const dying = Layer.mock(Models)({ resolve: () => Effect.die(new Error("secret inside")) })
    const world = makeWorld()
    return Effect.gen(function* () {
      const outcome = yield* run(request("x"))
      assert.deepInclude(outcome, { status: "error", error: "Internal" })
      assert.notInclude(JSON.stringify(world.events), "secret inside")
    }).pipe(Effect.provide(world.provide(dying)))
  })

  it.effect("without a limit in the configuration a turn that hangs ends after ten minutes", () => {
    const world = makeWorld()
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(run(request("x")), { startImmediately: true })
      yield* TestClock.adjust("10 minutes")
      assert.deepInclude(yield* Fiber.join(fiber), { status: "error", error: "TurnTimedOut" })
    }).pipe(Effect.provide(world.provide(ScriptedModel.layer([{ gate: Effect.never }]))))
  })

  it.effect("0 seconds in the configuration or in the request is no limit", () =>
    Effect.forEach(
      [makeWorld({ config: { agents: { defaults: { timeoutSeconds: 0 } } } }), makeWorld()],
      (world, index) =>
        Effect.gen(function* () {
          const asked = index === 0 ? request("x") : request("x", { timeoutMs: 0 })
          const fiber = yield* Effect.forkChild(run(asked), { startImmediately: true })
          yield* TestClock.adjust("2 hours")
          assert.deepInclude(yield* Fiber.join(fiber), { status: "ok", text: "late" })
        }).pipe(Effect.provide(world.provide(ScriptedModel.layer([{ delay: "2 hours", text: "late" }]))))
    )
  )

  it.effect("the turn's time runs out, with the text so far", () => {
    const world = makeWorld()
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(run(request("x", { timeoutMs: 5000 })), { startImmediately: true })
      yield* TestClock.adjust(5000)
      const outcome = yield* Fiber.join(fiber)
      assert.deepInclude(outcome, { status: "error", error: "TurnTimedOut" })
      const last = world.chat().at(-1)
      assert.strictEqual(last?.state === "error" ? last.errorKind : undefined, "timeout")
      assert.deepStrictEqual(world.transcript[0]?.message.content, [{ type: "text", text: "slow" }])
    }).pipe(Effect.provide(world.provide(ScriptedModel.layer([{ text: ["slow", "er"], deltaDelay: "1 minute" }]))))
  })
})
