/**
 * A turn whose Gateway stopped in the middle: what was finished does not happen again.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { journaledSteps, makeWorld, request, run } from "./fixtures.ts"
import { asked, invokeCall, studio } from "./script.ts"

describe("a turn that starts again", () => {
  const script: ScriptedModel.Script = [
    { text: "Looking.", reasoning: "hm", toolCalls: [invokeCall()], usage: { inputTokens: 1, outputTokens: 1 } },
    { text: "Up two hours." }
  ]
  for (const stop of ["tool-1-1", "model-2"]) {
    it.effect(`before ${stop} runs nothing twice and comes to the same end`, () => {
      const world = makeWorld({ nodes: [studio] })
      const journal = new Map<string, string>()
      return Effect.gen(function* () {
        const before = journaledSteps(journal, stop)
        yield* Effect.exit(run(request("x"), before.steps))
        const after = journaledSteps(journal)
        const outcome = yield* run(request("x"), after.steps)
        assert.deepInclude(outcome, { status: "ok", text: "Looking.\n\nUp two hours.", toolCalls: 1 })
        assert.deepStrictEqual([...before.ran, ...after.ran], ["model-1", "tool-1-1", "model-2"])
        assert.lengthOf(world.invokes, 1)
        assert.deepStrictEqual(
          world.transcript.map((entry) => entry.dedupeKey),
          ["run-1:model-1", "run-1:tool-1-1", "run-1:model-2"]
        )
        // The model saw the conversation once, not once more from the transcript.
        const messages = (yield* asked(1)) ?? []
        assert.deepStrictEqual(
          messages.map((message) => message.role),
          ["system", "user", "assistant", "tool"]
        )
      }).pipe(Effect.provide(world.provide(ScriptedModel.layer(script))))
    })
  }
})
