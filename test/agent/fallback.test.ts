/**
 * The agent's other models: asked when the one before them cannot answer, and only then.
 */
import { assert, describe, it } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ModelUnavailable, Models, type ResolvedModel } from "../../src/services/Models.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { journaledSteps, makeWorld, plainSteps, request, run } from "./fixtures.ts"
import { invokeCall, studio } from "./script.ts"

const down = new AiError.InternalProviderError({ description: "HTTP 503" })
const refusal = new AiError.ContentPolicyError({ description: "no" })
const missing = new ModelUnavailable({ model: "x/y", reason: "missing-key", message: "There is no key for x." })

/** Scripted models `a/m`, `b/m`, … in this order of preference; `undefined` is one that cannot be used. */
const choices = (...scripts: ReadonlyArray<ScriptedModel.Script | undefined>) =>
  Layer.orDie(
    Layer.effect(
      Models,
      Effect.gen(function* () {
        const resolve = (index: number): Effect.Effect<ResolvedModel, ModelUnavailable> =>
          Effect.suspend(() => {
            const made = models[index]
            const rest = index + 1 < models.length ? { next: resolve(index + 1) } : {}
            return made === undefined ? (rest.next ?? Effect.fail(missing)) : Effect.succeed({ ...made, ...rest })
          })
        const models = yield* Effect.forEach(scripts, (script, index) => {
          const provider = String.fromCodePoint(97 + index)
          return script === undefined
            ? Effect.undefined
            : Effect.flatMap(Layer.build(ScriptedModel.layer(script)), (built) =>
                Effect.map(Context.get(built, Models).resolve(), (model) => ({
                  ...model,
                  provider,
                  ref: `${provider}/m`
                }))
              )
        })
        return { resolve: () => resolve(0), defaultRef: Effect.succeed("a/m") }
      })
    )
  )

describe("a model that cannot answer", () => {
  it.effect("is stood in for by the next one that can, for the rest of the turn", () => {
    const world = makeWorld({ nodes: [studio] })
    const steps = plainSteps()
    return Effect.gen(function* () {
      const outcome = yield* run(request("how is it?"), steps.steps)
      assert.deepInclude(outcome, { status: "ok", text: "Fine.", provider: "c" })
      assert.deepStrictEqual(steps.names, ["model-1", "tool-1-1", "model-2"])
      assert.deepStrictEqual(
        world.agent().flatMap(({ data }) => (data["phase"] === "model" ? [data["provider"]] : [])),
        ["a", "c"]
      )
      assert.deepStrictEqual(
        world.transcript.flatMap(({ message }) => (message.role === "assistant" ? [message.provider] : [])),
        ["c", "c"]
      )
    }).pipe(
      Effect.provide(
        world.provide(choices([{ fail: down }], undefined, [{ toolCalls: [invokeCall()] }, { text: "Fine." }]))
      )
    )
  })

  it.effect("stands in again after a restart, without being asked again", () => {
    const world = makeWorld({ nodes: [studio] })
    const journal = new Map<string, string>()
    return Effect.gen(function* () {
      yield* Effect.exit(run(request("x"), journaledSteps(journal, "model-2").steps))
      const outcome = yield* run(request("x"), journaledSteps(journal).steps)
      assert.deepInclude(outcome, { status: "ok", text: "Fine.", provider: "b" })
    }).pipe(
      Effect.provide(world.provide(choices([{ fail: down }], [{ toolCalls: [invokeCall()] }, { text: "Fine." }])))
    )
  })

  it.effect("is the one that the user hears of when none can", () => {
    const world = makeWorld()
    return Effect.gen(function* () {
      const outcome = yield* run(request("x"))
      assert.deepInclude(outcome, { status: "error", error: "ModelFailed" })
      assert.match(outcome.text, /^a has trouble/)
    }).pipe(Effect.provide(world.provide(choices([{ fail: down }], [{ fail: down }], undefined))))
  })

  const kept = [
    { why: "it refused", step: { fail: refusal } },
    { why: "it had begun to answer", step: { text: "Well,", fail: down } }
  ]
  for (const { step, why } of kept) {
    it.effect(`is not stood in for when ${why}`, () => {
      const world = makeWorld()
      return Effect.gen(function* () {
        assert.deepInclude(yield* run(request("x")), { status: "error", provider: "a" })
      }).pipe(Effect.provide(world.provide(choices([step], [{ text: "never" }]))))
    })
  }
})
