/**
 * Messages that reach a turn while it runs.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { RunId } from "../../src/domain/Ids.ts"
import type { TurnSteps } from "../../src/services/AgentRunner.ts"
import type { TurnMessage } from "../../src/services/Turns.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { journaledSteps, makeWorld, request, run } from "./fixtures.ts"
import { asked, invokeCall, results, studio } from "./script.ts"

const shorter: TurnMessage = { runId: RunId.make("s1"), text: "make it shorter", receivedAt: 5, sender: { id: "8" } }

const script: ScriptedModel.Script = [
  { text: "Looking.", toolCalls: [invokeCall(), invokeCall("system.run")] },
  { text: "Short." }
]

/** A message is there from the moment on that `there` says so, and `model-2` takes it in. */
const steered = (steps: TurnSteps, there: () => boolean): TurnSteps => ({
  ...steps,
  incoming: {
    waiting: Effect.sync(there),
    take: (step) => Effect.sync(() => (step === "model-2" && there() ? [shorter] : []))
  }
})

describe("a turn that is steered", () => {
  it.effect("runs no tool that has not begun, tells the model so, and shows it the message", () => {
    const world = makeWorld({ nodes: [studio] })
    return Effect.gen(function* () {
      const journal = new Map<string, string>()
      const outcome = yield* run(
        request("x"),
        steered(journaledSteps(journal).steps, () => true)
      )
      assert.deepInclude(outcome, { status: "ok", text: "Looking.\n\nShort." })
      assert.deepStrictEqual(world.invokes, [])
      const messages = (yield* asked(1)) ?? []
      assert.deepStrictEqual(
        messages.map((message) => message.role),
        ["system", "user", "assistant", "tool", "user"]
      )
      const told = results(messages)
      assert.lengthOf(told, 2)
      for (const part of told) assert.match(String(part.result), /^Not run/)
      assert.include(JSON.stringify(messages.at(-1)), "make it shorter")
      const ended = world.agent().filter((event) => event.data["phase"] === "result")
      assert.deepStrictEqual(
        ended.map((event) => event.data["isError"]),
        [true, true]
      )
    }).pipe(Effect.provide(world.provide(ScriptedModel.layer(script))))
  })

  it.effect("lets what has begun end, and skips the rest", () => {
    let hasCome = false
    const world = makeWorld({
      nodes: [
        {
          ...studio,
          commands: { "device.status": () => Effect.sync(() => ((hasCome = true), { uptimeSeconds: 1 })) }
        }
      ]
    })
    const calls = Array.from({ length: 10 }, () => invokeCall())
    return Effect.gen(function* () {
      yield* run(
        request("x"),
        steered(journaledSteps(new Map()).steps, () => hasCome)
      )
      const told = results(yield* asked(1)).map((part) => String(part.result).startsWith("Not run"))
      assert.lengthOf(told, 10)
      assert.isFalse(told[0])
      assert.isTrue(told[9])
      assert.strictEqual(world.invokes.length, told.filter((skipped) => !skipped).length)
    }).pipe(Effect.provide(world.provide(ScriptedModel.layer([{ toolCalls: calls }, { text: "ok" }]))))
  })

  it.effect(
    "sees the same message at the same step after a restart, and skips no call that may have been carried out",
    () => {
      const world = makeWorld({ nodes: [studio] })
      return Effect.gen(function* () {
        const journal = new Map<string, string>()
        yield* Effect.exit(
          run(
            request("x"),
            steered(journaledSteps(journal, "model-3").steps, () => true)
          )
        )
        // The queue gives it no second time: the turn remembers it.
        const again = yield* run(request("x"), journaledSteps(journal).steps)
        assert.deepInclude(again, { status: "ok" })
        const last = (yield* asked(2)) ?? []
        assert.deepStrictEqual(
          last.map((message) => message.role),
          ["system", "user", "assistant", "tool", "user", "assistant", "tool"]
        )
        const cut = new Map<string, string>()
        yield* Effect.exit(run(request("y"), journaledSteps(cut, "tool-1-1").steps))
        yield* Effect.exit(
          run(
            request("y"),
            steered(journaledSteps(cut, "model-2").steps, () => true)
          )
        )
        assert.notInclude(cut.get("tool-1-1") ?? "", "Not run")
      }).pipe(
        Effect.provide(
          world.provide(
            ScriptedModel.layer([
              { toolCalls: [invokeCall()] },
              { toolCalls: [invokeCall()] },
              { text: "done" },
              { toolCalls: [invokeCall()] }
            ])
          )
        )
      )
    },
    { timeout: 10_000 }
  )

  it.effect("answers what was collected with it, and says who wrote where several do", () => {
    const world = makeWorld()
    return Effect.gen(function* () {
      yield* run(
        request("first", {
          sender: { id: "7", displayName: "Ada" },
          replyTo: { peer: { channel: "telegram", accountId: "default", chatId: "-1", chatType: "group" } },
          collected: [
            { runId: RunId.make("c1"), text: "second", receivedAt: 1, sender: { id: "8", displayName: "Bob" } }
          ]
        })
      )
      const [, one, two] = (yield* asked(0)) ?? []
      assert.include(JSON.stringify(one), "Ada")
      assert.include(JSON.stringify(two), "second")
      assert.include(JSON.stringify(two), "Bob")
    }).pipe(Effect.provide(world.provide(ScriptedModel.layer([{ text: "both" }]))))
  })
})
