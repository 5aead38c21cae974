/**
 * A turn whose Gateway stopped in the middle: what was finished does not happen again.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { NodeId } from "../../src/domain/Ids.ts"
import { NOT_REMEMBERED, RECALL_CAP } from "../../src/protocol/EventTable.ts"
import { DeliveryFailed } from "../../src/services/Channel.ts"
import { ChannelNotConfigured } from "../../src/services/ChannelRouter.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { InvokeFailed } from "../../src/services/NodeRegistry.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { journaledSteps, makeWorld, request, run, type TestNode } from "./fixtures.ts"
import { asked, invokeCall, nodesCall, results, studio } from "./script.ts"

const remembering: TestNode = { ...studio, caps: [RECALL_CAP] }

describe("a turn that starts again", () => {
  const script: ScriptedModel.Script = [
    { text: "Looking.", reasoning: "hm", toolCalls: [invokeCall()], usage: { inputTokens: 1, outputTokens: 1 } },
    { text: "Up two hours." }
  ]
  for (const stop of ["tool-1-1", "model-2"]) {
    it.effect(`before ${stop} runs nothing twice and comes to the same end`, () => {
      const world = makeWorld({ nodes: [remembering] })
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

/** A turn that is cut before its first tool call has an answer, and what the model reads once it goes on. */
const cutAndResumed = (world: ReturnType<typeof makeWorld>, call: ReturnType<typeof nodesCall>, turn = request("x")) =>
  Effect.gen(function* () {
    const journal = new Map<string, string>()
    yield* Effect.exit(run(turn, journaledSteps(journal, "tool-1-1").steps))
    const fiber = yield* Effect.forkChild(run(turn, journaledSteps(journal).steps), { startImmediately: true })
    yield* TestClock.adjust("30 seconds")
    assert.strictEqual((yield* Fiber.join(fiber)).status, "ok")
    const [result] = results(yield* asked(1))
    return { text: String(result?.result), isFailure: result?.isFailure }
  }).pipe(Effect.provide(world.provide(ScriptedModel.layer([{ toolCalls: [call] }, { text: "done" }]))))

describe("a tool call that may have run before a restart", () => {
  const at = { nodeId: NodeId.make("n-studio"), command: "device.status" }
  const unknown = /interrupted, outcome unknown.*do not assume/

  it.effect("is asked after at a node that remembers, under the same key, and not sent again", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(request("x").receivedAt + 10_000)
      const world = makeWorld({ nodes: [remembering] })
      const { text } = yield* cutAndResumed(world, invokeCall())
      assert.include(text, "7260")
      assert.deepStrictEqual(
        world.invokes.map(({ idempotencyKey, recall }) => [idempotencyKey, recall]),
        [["run-1:1:1", true]]
      )
      // Old enough for a node that sets this against what it has forgotten.
      assert.isAtLeast(world.invokes[0]?.askedAgoMs ?? -1, 10_000)
    })
  )

  const reboot = nodesCall({ action: "run", argv: ["reboot"] })
  const execNode = { tools: { exec: { node: "studio" } } }
  const ages: ReadonlyArray<readonly [string, ReturnType<typeof nodesCall>, number, OpenClawConfig, boolean]> = [
    ["is named by the model", nodesCall({ action: "run", node: "studio", argv: ["reboot"] }), 60_000, {}, true],
    ["is named by the configuration, which may have changed", reboot, 60_000, execNode, false],
    ["is only the one that is here now", reboot, 60_000, {}, false],
    ["remembers hardly as long", invokeCall(), 23 * 3_600_000, {}, false],
    ["is asked by a clock that was set back", invokeCall(), -1, {}, false]
  ]
  for (const [name, call, age, config, isTold] of ages) {
    it.effect(`is ${isTold ? "" : "not "}left to be begun at a node that ${name}`, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(request("x").receivedAt + age)
        const world = makeWorld({ nodes: [remembering], config })
        yield* cutAndResumed(world, call)
        assert.deepStrictEqual(
          world.invokes.map(({ askedAgoMs, recall }) => [askedAgoMs !== undefined, recall]),
          [[isTold, true]]
        )
      })
    )
  }

  it.effect("waits for the node that the configuration names, whoever else is there", () =>
    Effect.gen(function* () {
      let looks = 0
      const other = { ...remembering, nodeId: "n-other", displayName: "other" }
      const world = makeWorld({
        nodes: () => [other, { ...remembering, connected: ++looks > 10 }],
        config: execNode
      })
      const { text } = yield* cutAndResumed(world, reboot)
      assert.include(text, "exitCode")
      assert.isAbove(looks, 10)
    })
  )

  it.effect("waits for that node to come back", () =>
    Effect.gen(function* () {
      let looks = 0
      const world = makeWorld({ nodes: () => [{ ...remembering, connected: ++looks > 10 }] })
      const { text } = yield* cutAndResumed(world, invokeCall())
      assert.include(text, "7260")
    })
  )

  const fails = (code: string, message = "no") => ({
    ...remembering,
    commands: { "device.status": () => Effect.fail(new InvokeFailed({ ...at, code, message })) }
  })
  const cases: ReadonlyArray<readonly [string, TestNode, ReturnType<typeof nodesCall>]> = [
    ["of a node that promises no memory", studio, invokeCall()],
    ["to run a program there", studio, nodesCall({ action: "run", node: "studio", argv: ["reboot"] })],
    ["of a node that forgot", fails(NOT_REMEMBERED), invokeCall()],
    ["of a node that is no longer known", { ...remembering, displayName: "other" }, invokeCall()],
    ["of a node that does not come back", { ...remembering, connected: false, commands: {} }, invokeCall()]
  ]
  for (const [name, node, call] of cases) {
    it.effect(`has an unknown outcome when it is ${name}, for the model and in the transcript`, () =>
      Effect.gen(function* () {
        const world = makeWorld({ nodes: [node] })
        const { isFailure, text } = yield* cutAndResumed(world, call)
        assert.match(text, unknown)
        assert.isTrue(isFailure)
        assert.isTrue(world.invokes.every(({ recall }) => recall === true))
        const entry = world.transcript.find(({ dedupeKey }) => dedupeKey === "run-1:tool-1-1")
        assert.match(JSON.stringify(entry?.message.content), unknown)
      })
    )
  }

  it.effect("has the outcome that the node tells, also when it is an error", () =>
    Effect.gen(function* () {
      const { text } = yield* cutAndResumed(makeWorld({ nodes: [fails("E_CAMERA", "no camera")] }), invokeCall())
      assert.match(text, /answered with an error \(E_CAMERA\): no camera/)
    })
  )

  it.effect("of what changes nothing is simply done", () =>
    Effect.gen(function* () {
      const { text } = yield* cutAndResumed(makeWorld({ nodes: [studio] }), nodesCall({ action: "list" }))
      assert.include(text, "n-studio")
    })
  )

  const message = { name: "message", params: { to: "42", text: "for bob", channel: "telegram" } }
  it.effect("to send a message waits for its channel, which knows by the key what became of it", () =>
    Effect.gen(function* () {
      let tries = 0
      const outcomes = [
        Effect.fail(new ChannelNotConfigured({ channel: "telegram" })),
        Effect.fail(
          new DeliveryFailed({ channel: "telegram", to: "42", message: "it was on its way", outcome: "unknown" })
        )
      ]
      const world = makeWorld({ send: () => outcomes[tries++ < 5 ? 0 : 1]! })
      const { text } = yield* cutAndResumed(world, message)
      assert.match(text, /outcome unknown, the message may have arrived: it was on its way/)
      assert.deepStrictEqual(new Set(world.sends.map((sent) => sent.idempotencyKey)), new Set(["run-1:1:1"]))
    })
  )

  it.effect("to send a message through a channel that does not come back has an unknown outcome", () =>
    Effect.gen(function* () {
      const world = makeWorld({ send: () => Effect.fail(new ChannelNotConfigured({ channel: "telegram" })) })
      const { text } = yield* cutAndResumed(world, message)
      assert.match(text, /interrupted, outcome unknown.*may have arrived.*not configured/)
    })
  )
})
