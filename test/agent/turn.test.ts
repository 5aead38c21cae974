/**
 * The tool loop, on a scripted model.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { AgentRunner } from "../../src/services/AgentRunner.ts"
import { ChannelNotConfigured } from "../../src/services/ChannelRouter.ts"
import { InvokeFailed, InvokeTimeout, NodeDisconnected } from "../../src/services/NodeRegistry.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { makeWorld, plainSteps, request, run } from "./fixtures.ts"
import { asked, invokeCall, nodesCall, results, studio } from "./script.ts"

describe("a turn", () => {
  it.effect("answers, streams, and writes the transcript", () => {
    const world = makeWorld()
    return Effect.gen(function* () {
      const outcome = yield* run(request("hello"))
      assert.deepInclude(outcome, { status: "ok", text: "Hello there", toolCalls: 0, provider: "scripted" })
      assert.deepStrictEqual(outcome.usage, { inputTokens: 5, outputTokens: 2, totalTokens: 7 })
      assert.deepStrictEqual(
        world.transcript.map((entry) => [entry.dedupeKey, entry.message.role, entry.message.stopReason]),
        [["run-1:model-1", "assistant", "stop"]]
      )
      const deltas = world.chat().filter((event) => event.state === "delta")
      assert.strictEqual(deltas.map((event) => event.deltaText).join(""), "Hello there")
      const last = world.chat().at(-1)
      assert.strictEqual(last?.state, "final")
      assert.deepStrictEqual(last?.message?.content, [{ type: "text", text: "Hello there" }])
      assert.deepStrictEqual(
        world.agent().map((event) => [event.stream, event.data["phase"]]),
        [
          ["lifecycle", "start"],
          ["lifecycle", "model"],
          ["assistant", undefined],
          ["assistant", undefined],
          ["lifecycle", "end"]
        ]
      )
      assert.deepStrictEqual(
        world.agent().map((event) => event.seq),
        [1, 2, 3, 4, 5]
      )
    }).pipe(
      Effect.provide(
        world.provide(ScriptedModel.layer([{ text: ["Hello", " there"], usage: { inputTokens: 5, outputTokens: 2 } }]))
      )
    )
  })

  it.effect("gives each call an id of its own, whatever the provider calls it", () => {
    const world = makeWorld({ nodes: [studio] })
    const list = (id: string) => ({ ...nodesCall({ action: "list" }), id })
    return Effect.gen(function* () {
      assert.strictEqual((yield* run(request("x"))).status, "ok")
      const ids = results(yield* asked(2)).map((part) => part.id)
      assert.deepStrictEqual(ids, ["c", "call", "c_2"])
      const stored = world.transcript.flatMap(({ message }) => message.toolCallId ?? [])
      assert.deepStrictEqual(stored, ids)
    }).pipe(
      Effect.provide(
        world.provide(
          ScriptedModel.layer([{ toolCalls: [list("c"), list("")] }, { toolCalls: [list("c")] }, { text: "." }])
        )
      )
    )
  })

  it.effect("calls tools, several side by side, and hands their results back", () => {
    const world = makeWorld({ nodes: [studio] })
    const steps = plainSteps()
    return Effect.gen(function* () {
      const outcome = yield* run(request("how is studio?"), steps.steps)
      assert.deepInclude(outcome, { status: "ok", toolCalls: 3, text: "Looking.\n\nUp two hours." })
      assert.deepStrictEqual(steps.names, ["model-1", "tool-1-1", "model-2", "tool-2-1", "tool-2-2", "model-3"])
      assert.deepStrictEqual(
        world.invokes.map((call) => [call.command, call.idempotencyKey]),
        [
          ["device.status", "run-1:2:1"],
          ["system.run", "run-1:2:2"]
        ]
      )
      assert.deepInclude(world.invokes[1]?.params as object, { command: ["echo", "hi"], agentId: "main" })
      const prompt = yield* asked(2)
      const answers = results(prompt)
      assert.deepStrictEqual(
        answers.map((part) => part.isFailure),
        [false, false, false]
      )
      assert.include(String(answers[0]?.result), '"commands":["device.status","system.run"]')
      assert.strictEqual(
        answers[1]?.result,
        '{"node":"studio","command":"device.status","result":{"uptimeSeconds":7260}}'
      )
      assert.deepStrictEqual(
        world.transcript.map((entry) => [entry.dedupeKey, entry.message.role]),
        [
          ["run-1:model-1", "assistant"],
          ["run-1:tool-1-1", "toolResult"],
          ["run-1:model-2", "assistant"],
          ["run-1:tool-2-1", "toolResult"],
          ["run-1:tool-2-2", "toolResult"],
          ["run-1:model-3", "assistant"]
        ]
      )
      const phases = world.agent().flatMap((event) => (event.stream === "tool" ? [event.data["phase"]] : []))
      assert.deepStrictEqual([...phases].sort(), ["result", "result", "result", "start", "start", "start"])
    }).pipe(
      Effect.provide(
        world.provide(
          ScriptedModel.layer([
            { text: "Looking.", toolCalls: [nodesCall({ action: "list" })] },
            { toolCalls: [invokeCall(), nodesCall({ action: "run", node: "n-st", argv: ["echo", "hi"] })] },
            { text: "Up two hours." }
          ])
        )
      )
    )
  })

  it.effect("tells the model about bad params, unknown tools and every kind of node error, and goes on", () => {
    const fails = (error: InvokeFailed | InvokeTimeout | NodeDisconnected) => () => Effect.fail(error)
    const at = { nodeId: "n", command: "c" }
    const world = makeWorld({
      nodes: [
        {
          nodeId: "n-studio",
          displayName: "studio",
          commands: {
            gone: fails(new NodeDisconnected(at)),
            slow: fails(new InvokeTimeout({ ...at, timeoutMs: 30_000 })),
            failing: fails(new InvokeFailed({ ...at, code: "E", message: "no camera" })),
            dying: () => Effect.die(new Error("secret inside"))
          }
        },
        { nodeId: "n-studio-2", displayName: "studio two", connected: false, commands: {} }
      ]
    })
    const cases: ReadonlyArray<readonly [{ readonly name: string; readonly params: unknown }, RegExp]> = [
      [nodesCall({ action: "explode" }), /parameters were not understood/],
      [nodesCall("not an object"), /parameters were not understood/],
      [nodesCall({ action: "invoke", node: "studio", command: "x", timeoutMs: -1 }), /parameters were not understood/],
      [{ name: "rm", params: {} }, /There is no tool "rm"/],
      [{ name: "__proto__", params: {} }, /There is no tool/],
      [nodesCall({ action: "invoke", node: "mars", command: "x" }), /no node "mars"; known: studio/],
      [nodesCall({ action: "invoke", node: "n-stu", command: "x" }), /could be any of/],
      [nodesCall({ action: "invoke", node: "studio" }), /invoke needs command/],
      [nodesCall({ action: "run", node: "studio" }), /run needs argv/],
      [invokeCall("system.run"), /use action "run"/],
      [invokeCall("system.run.prepare"), /use action "run"/],
      [invokeCall("system.execApprovals.set"), /operators only/],
      [invokeCall("gone"), /interrupted, outcome unknown/],
      [invokeCall("slow"), /outcome unknown/],
      [invokeCall("failing"), /no camera/],
      [invokeCall("dying"), /failed inside the Gateway/],
      [invokeCall("absent"), /unknown nodeId/]
    ]
    return Effect.gen(function* () {
      const outcome = yield* run(request("go"))
      assert.strictEqual(outcome.status, "ok")
      const answers = results(yield* asked(1))
      for (const [index, [call, words]] of cases.entries()) {
        assert.match(String(answers[index]?.result), words, JSON.stringify(call))
        assert.isTrue(answers[index]?.isFailure)
      }
      assert.notInclude(JSON.stringify(answers), "secret inside")
    }).pipe(
      Effect.provide(world.provide(ScriptedModel.layer([{ toolCalls: cases.map(([call]) => call) }, { text: "done" }])))
    )
  })

  it.effect("cuts what a tool returns and says so", () => {
    const world = makeWorld({
      nodes: [
        {
          ...studio,
          commands: {
            "system.run": () =>
              Effect.succeed({
                exitCode: 0,
                stdout: `BEGIN${"x".repeat(500_000)}END`,
                lists: Array(50_000).fill("row")
              })
          }
        }
      ]
    })
    return Effect.gen(function* () {
      yield* run(request("go"))
      const text = String(results(yield* asked(1))[0]?.result)
      assert.isBelow(text.length, 25_000)
      assert.include(text, "characters left out")
      assert.include(text, "BEGIN")
    }).pipe(
      Effect.provide(
        world.provide(
          ScriptedModel.layer([
            { toolCalls: [nodesCall({ action: "run", node: "studio", argv: ["yes"] })] },
            { text: "long" }
          ])
        )
      )
    )
  })

  it.effect("sends messages through the channels, and tells when it cannot", () => {
    const world = makeWorld({
      send: (to) => (to === "1" ? Effect.void : Effect.fail(new ChannelNotConfigured({ channel: "telegram" })))
    })
    const peer = { channel: "telegram", accountId: "work", chatId: "5", chatType: "direct" as const }
    return Effect.gen(function* () {
      const outcome = yield* run(request("go", { replyTo: { peer } }))
      // The model said nothing itself, but it did send a message.
      assert.deepInclude(outcome, { status: "ok", text: "" })
      assert.deepInclude(world.sends[0], {
        to: "1",
        channel: "telegram",
        accountId: "work",
        idempotencyKey: "run-1:1:1"
      })
      assert.notProperty(world.sends[1], "accountId")
      const answers = results(yield* asked(1))
      assert.deepStrictEqual(
        answers.map((part) => part.isFailure),
        [false, true]
      )
      assert.include(String(answers[1]?.result), "not configured")
    }).pipe(
      Effect.provide(
        world.provide(
          ScriptedModel.layer([
            {
              toolCalls: [
                { name: "message", params: { to: "1", text: "hi" } },
                { name: "message", params: { to: "2", text: "hi", channel: "matrix" } }
              ]
            },
            {}
          ])
        )
      )
    )
  })

  it.effect("stops at the step limit and says what was reached", () => {
    const world = makeWorld({ nodes: [studio], config: { agents: { defaults: { maxSteps: 2 } } } })
    return Effect.gen(function* () {
      const outcome = yield* run(request("go"))
      assert.deepInclude(outcome, { status: "error", error: "TurnExhausted", toolCalls: 1 })
      assert.match(outcome.text, /limit of 2 steps after 1 tool calls \(the last was nodes\)/)
      assert.lengthOf(world.invokes, 1)
      assert.strictEqual(world.chat().at(-1)?.state, "error")
      // Every call in the transcript has its result.
      assert.strictEqual(world.transcript.filter((entry) => entry.message.role === "toolResult").length, 2)
    }).pipe(Effect.provide(world.provide(ScriptedModel.layer([0, 1, 2].map(() => ({ toolCalls: [invokeCall()] }))))))
  })
})

describe("streaming", () => {
  it.effect("fast text is put together, a pause shows what there is, and the end holds nothing back", () => {
    const world = makeWorld()
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(run(request("x")), { startImmediately: true })
      const deltas = () => world.chat().flatMap((event) => (event.state === "delta" ? [event.deltaText] : []))
      assert.deepStrictEqual(deltas(), ["a"])
      yield* TestClock.adjust(50)
      assert.deepStrictEqual(deltas(), ["a"])
      yield* TestClock.adjust(50)
      assert.deepStrictEqual(deltas(), ["a", "bcdefghij"])
      yield* TestClock.adjust(30)
      const outcome = yield* Fiber.join(fiber)
      assert.strictEqual(outcome.text, "abcdefghijklm")
      assert.strictEqual(deltas().join(""), "abcdefghijklm")
      const order = world.chat().map((event) => event.state)
      assert.strictEqual(order.indexOf("final"), order.length - 1)
      const seqs = world.chat().map((event) => event.seq)
      assert.deepStrictEqual(
        seqs,
        [...seqs].sort((a, b) => a - b)
      )
    }).pipe(Effect.provide(world.provide(ScriptedModel.layer([{ text: [..."abcdefghijklm"], deltaDelay: 10 }]))))
  })

  it.effect("interruption ends the turn, says nothing final, and leaves the text to whoever interrupted", () => {
    const world = makeWorld()
    return Effect.gen(function* () {
      const runner = yield* AgentRunner
      const fiber = yield* Effect.forkChild(run(request("x")), { startImmediately: true })
      assert.strictEqual((yield* runner.partialText("run-1"))?.text, "begun")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* runner.partialText("run-1"))?.text, "begun")
      assert.isTrue(world.chat().every((event) => event.state === "delta"))
      assert.lengthOf(world.transcript, 0)
    }).pipe(Effect.provide(world.provide(ScriptedModel.layer([{ text: ["begun", "more"], deltaDelay: "1 hour" }]))))
  })

  it.effect("partial text is there while the turn runs and gone when it has ended", () => {
    const world = makeWorld()
    return Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      yield* ScriptedModel.ScriptedModel.use((model) =>
        model.push(
          { text: "one", toolCalls: [nodesCall({ action: "list" })] },
          { gate: Deferred.await(gate), text: "two" }
        )
      )
      const runner = yield* AgentRunner
      const fiber = yield* Effect.forkChild(run(request("x")), { startImmediately: true })
      yield* TestClock.adjust(200)
      assert.deepStrictEqual(yield* runner.partialText("run-1"), { text: "one", unstored: "", seq: 5 })
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(fiber)).text, "one\n\ntwo")
      assert.isUndefined(yield* runner.partialText("run-1"))
    }).pipe(Effect.provide(world.provide(ScriptedModel.layer())))
  })
})
