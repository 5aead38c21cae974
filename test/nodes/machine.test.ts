/**
 * Connections, invokes and answers in any order: every invoke ends exactly once, and with an answer only if that answer
 * came by the connection it was asked on.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { ConnId, NodeId } from "../../src/domain/Ids.ts"
import * as Answers from "../../src/layers/nodes/answers.ts"
import { type InvokeError, type InvokeSuccess, NodeRegistry } from "../../src/services/NodeRegistry.ts"
import { approveAll, linux, live, wire } from "./kit.ts"

const Pick = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 7 })))
const Step = Schema.Union([
  Schema.Struct({ do: Schema.Literal("connect"), node: Pick }),
  Schema.Struct({ do: Schema.Literal("disconnect"), connection: Pick }),
  Schema.Struct({ do: Schema.Literal("invoke"), node: Pick, key: Pick }),
  Schema.Struct({ do: Schema.Literal("interrupt"), call: Pick }),
  Schema.Struct({ do: Schema.Literal("invoke"), node: Pick, key: Pick }),
  // One of the latest requests is answered by the connection it went to …
  Schema.Struct({ do: Schema.Literal("answer"), request: Pick }),
  Schema.Struct({ do: Schema.Literal("answer"), request: Pick }),
  // … or by any other, in its own name or in that of the node that was asked.
  Schema.Struct({ do: Schema.Literal("forge"), connection: Pick, request: Pick, honest: Schema.Boolean }),
  Schema.Struct({ do: Schema.Literal("forge"), connection: Pick, request: Pick, honest: Schema.Boolean }),
  Schema.Struct({ do: Schema.Literal("wait"), ms: Schema.Literals([1, 400, 700]) })
])
type Step = typeof Step.Type

interface Opened {
  readonly node: NodeId
  readonly connId: ConnId
  readonly scope: Scope.Closeable
  readonly socket: ReturnType<typeof wire>
}

interface Call {
  readonly fiber: Fiber.Fiber<InvokeSuccess, InvokeError>
  ends: number
}

const nodes = ["n0", "n1"].map((id) => NodeId.make(id))
const at = <A>(list: ReadonlyArray<A>, index: number): A | undefined => list[index % Math.max(1, list.length)]

const play = Effect.fnUntraced(function* (steps: ReadonlyArray<Step>) {
  const registry = yield* NodeRegistry
  const opened: Array<Opened> = []
  const calls: Array<Call> = []
  /** Which connection a request was sent on, by the request's id. */
  const sentOn = new Map<string, ConnId>()

  const note = () => {
    for (const { connId, socket } of opened) for (const { id } of socket.sent) sentOn.set(id, connId)
  }

  const step = Effect.fnUntraced(function* (command: Step) {
    switch (command.do) {
      case "connect": {
        const node = at(nodes, command.node)!
        const connId = ConnId.make(`c${opened.length}`)
        const socket = wire()
        const scope = yield* Scope.make()
        yield* registry.connect(linux(node, connId, ["system.which"]), socket).pipe(Scope.provide(scope))
        yield* approveAll
        opened.push({ node, connId, scope, socket })
        return
      }
      case "disconnect": {
        const connection = at(opened, command.connection)
        return connection === undefined ? undefined : yield* Scope.close(connection.scope, Exit.void)
      }
      case "invoke": {
        const call = registry.invoke({
          nodeId: at(nodes, command.node)!,
          command: "system.which",
          timeoutMs: 1_000,
          idempotencyKey: `key${command.key}`
        })
        const entry: Call = { fiber: yield* Effect.forkChild(call, { startImmediately: true }), ends: 0 }
        entry.fiber.addObserver(() => {
          entry.ends += 1
        })
        calls.push(entry)
        return
      }
      case "interrupt": {
        const call = at(calls, command.call)
        return call === undefined ? undefined : yield* Fiber.interrupt(call.fiber)
      }
      case "answer":
      case "forge": {
        note()
        const request = at(opened.flatMap((open) => open.socket.sent).toReversed(), command.request)
        if (request === undefined) return
        const asked = opened.find((open) => open.connId === sentOn.get(request.id))!
        const by = command.do === "answer" ? asked : at(opened, command.connection)!
        const nodeId = command.do === "answer" || command.honest ? by.node : request.nodeId
        const payload = { by: by.connId, to: request.id }
        const taken = yield* registry.complete(by.connId, { id: request.id, nodeId, ok: true, payload })
        if (taken) assert.strictEqual(by.connId, asked.connId)
        return
      }
      case "wait":
        return yield* TestClock.adjust(command.ms)
    }
  })

  yield* Effect.forEach(steps, step, { discard: true })
  // Everything that is left has a deadline.
  yield* TestClock.adjust("2 seconds")
  note()
  for (const call of calls) {
    const exit = yield* Fiber.await(call.fiber)
    assert.strictEqual(call.ends, 1)
    if (Exit.isSuccess(exit)) {
      const payload = exit.value.payload as { readonly by: string; readonly to: string }
      assert.strictEqual(payload.by, sentOn.get(payload.to))
    }
  }
  // Nothing waits any longer: whatever comes now is dropped.
  for (const { connId, node, socket } of opened) {
    for (const { id } of socket.sent) {
      assert.isFalse(yield* registry.complete(connId, { id, nodeId: node, ok: true }))
    }
  }
})

describe("the invoke machine", () => {
  it.effect.prop(
    "every invoke ends once, no answer crosses connections",
    [Schema.Array(Step).pipe(Schema.check(Schema.isMinLength(25), Schema.isMaxLength(50)))],
    ([steps]) =>
      // Without a node there is nothing to see; two connected ones to begin with.
      play([{ do: "connect", node: 0 }, { do: "connect", node: 1 }, ...steps]).pipe(
        Effect.provide(live),
        Effect.scoped
      ),
    { arbitrary: { runs: 30 } }
  )
})

describe("remembered keys", () => {
  it.effect("count, bytes and age are bounded; work that runs is not forgotten (D11)", () =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const answers = Answers.make<string, never>(scope, (exit) => ({ _tag: "Answer", exit, size: 10 }), {
        count: 100,
        bytes: 800,
        ageMs: 1_000
      })
      const stuck = yield* Effect.forkChild(answers.once("stuck", "d", Effect.never), { startImmediately: true })
      for (let index = 0; index < 5_000; index++) yield* answers.once(`k${index}`, "d", Effect.succeed("x"))
      assert.strictEqual(answers.size(), 51)
      assert.strictEqual((yield* Effect.flip(answers.once("stuck", "other", Effect.never)))._tag, "IdempotencyConflict")
      let ran = 0
      const count = Effect.sync(() => `ran ${++ran}`)
      assert.strictEqual(yield* answers.once("k4999", "d", count), "x")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* answers.once("k4999", "d", count), "ran 1")
      assert.strictEqual(answers.size(), 2)
      yield* Fiber.interrupt(stuck)
    })
  )

  it.effect("long keys count against the bytes, whether their outcome is known or not", () =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const answers = Answers.make<string, never>(
        scope,
        (exit) =>
          Exit.isSuccess(exit) && exit.value === "x" ? { _tag: "Answer", exit, size: 1 } : { _tag: "Unknown" },
        { count: 1_000, bytes: 10_000, ageMs: 60_000 }
      )
      for (let index = 0; index < 200; index++) {
        yield* answers.once(`${index}${"k".repeat(1_000)}`, "d", Effect.succeed(index % 2 === 0 ? "x" : "y"))
      }
      assert.strictEqual(answers.size(), 9)
    })
  )
})
