/** A node that goes in the middle of a call: one that remembers is waited for and asked. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { NOT_REMEMBERED, RECALL_CAP } from "../../src/protocol/EventTable.ts"
import { type InvokeError, InvokeFailed, InvokeTimeout, NodeDisconnected } from "../../src/services/NodeRegistry.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { journaledSteps, makeWorld, request, run, type TestNode } from "./fixtures.ts"
import { asked, invokeCall, results, studio } from "./script.ts"

const at = { nodeId: "n-studio", command: "device.status" }
const gone = Effect.fail(new NodeDisconnected(at))
const unknown = /interrupted, outcome unknown: .*disconnected.*do not assume/
type Answer = Effect.Effect<unknown, InvokeError>

/** A node that answers one invoke after the other so, and is away for a number of looks once it was asked first. */
const going = (answers: ReadonlyArray<Answer>, away: number, node: Partial<TestNode> = { caps: [RECALL_CAP] }) => {
  let invokes = 0
  let looks = 0
  const status = () => Effect.suspend(() => answers[Math.min(invokes++, answers.length - 1)]!)
  return makeWorld({
    nodes: () => {
      const connected = invokes === 0 || ++looks > away
      return [{ ...studio, ...node, connected, commands: { "device.status": status } }]
    }
  })
}

/** What the model reads of the call. */
const told = (world: ReturnType<typeof makeWorld>, stopBefore?: string) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(request("x").receivedAt + 60_000)
    const journal = new Map<string, string>()
    if (stopBefore !== undefined) yield* Effect.exit(run(request("x"), journaledSteps(journal, stopBefore).steps))
    const fiber = yield* Effect.forkChild(run(request("x"), journaledSteps(journal).steps), { startImmediately: true })
    yield* TestClock.adjust("60 seconds")
    yield* Fiber.join(fiber)
    const [result] = results(yield* asked(1))
    return String(result?.result)
  }).pipe(Effect.provide(world.provide(ScriptedModel.layer([{ toolCalls: [invokeCall()] }, { text: "done" }]))))

const invoked = (world: ReturnType<typeof makeWorld>) =>
  world.invokes.map(({ askedAgoMs, idempotencyKey, recall }) => [idempotencyKey, recall, askedAgoMs])

describe("a node that disconnects while a call runs", () => {
  it.effect("is asked under the same key once it is back, and told how long ago it was asked", () =>
    Effect.gen(function* () {
      const world = going([gone, Effect.succeed({ uptimeSeconds: 7260 })], 10)
      assert.include(yield* told(world), "7260")
      // Ten looks of 200 ms each went by, and whoever tells an age allows for five seconds.
      assert.deepStrictEqual(invoked(world), [
        ["run-1:1:1", undefined, undefined],
        ["run-1:1:1", true, 7_000]
      ])
    })
  )

  it.effect("has an unknown outcome when it is not back soon, or promises no memory", () =>
    Effect.gen(function* () {
      for (const world of [going([gone], 1_000), going([gone], 0, {})]) {
        assert.match(yield* told(world), unknown)
        assert.lengthOf(world.invokes, 1)
      }
    })
  )

  const unheard: ReadonlyArray<readonly [string, InvokeError]> = [
    ["cannot tell", new InvokeFailed({ ...at, code: NOT_REMEMBERED, message: "its memory cannot be read" })],
    ["does not answer", new InvokeTimeout({ ...at, timeoutMs: 30_000 })]
  ]
  it.effect.each(unheard)("has an unknown outcome when it is back and %s", ([, error]) =>
    Effect.gen(function* () {
      const world = going([gone, Effect.fail(error)], 1)
      assert.match(yield* told(world), unknown)
      assert.lengthOf(world.invokes, 2)
    })
  )

  it.effect("is asked a few times when it goes again and again", () =>
    Effect.gen(function* () {
      const answered = going([gone, gone, Effect.succeed({ uptimeSeconds: 7260 })], 1)
      assert.include(yield* told(answered), "7260")
      const world = going([gone], 1)
      assert.match(yield* told(world), unknown)
      assert.lengthOf(world.invokes, 4)
    })
  )

  it.effect("tells the error that the call ended with", () =>
    Effect.gen(function* () {
      const error = new InvokeFailed({ ...at, code: "E_CAMERA", message: "no camera" })
      assert.match(yield* told(going([gone, Effect.fail(error)], 1)), /answered with an error \(E_CAMERA\): no camera/)
    })
  )

  it.effect("is asked again also when it was asked after an earlier call", () =>
    Effect.gen(function* () {
      const world = going([gone, Effect.succeed({ uptimeSeconds: 7260 })], 1)
      assert.include(yield* told(world, "tool-1-1"), "7260")
      assert.deepStrictEqual(invoked(world), [
        ["run-1:1:1", true, 65_000],
        ["run-1:1:1", true, 65_000 + 200]
      ])
    })
  )
})
