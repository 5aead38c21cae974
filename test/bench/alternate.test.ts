/** Subjects take turns, and what one of them cannot do stands in the record without holding up the others. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { alternate, attempt, type Turn } from "../../bench/alternate.ts"
import { echo } from "../../bench/baselines.ts"
import { treeCpu, treeMemory } from "../../bench/processes.ts"
import { open, pump } from "../../bench/rawClient.ts"
import * as Record from "../../bench/record.ts"
import { boot } from "../../bench/measures/boot.ts"
import { peer } from "../../bench/subject.ts"

class Broken extends Data.TaggedError("Broken")<{ readonly message: string }> {}

const nowhere = 2 ** 30

const turn = (name: string, order: Array<string>, fails = false): Turn<Broken, never> => ({
  who: { name, pid: nowhere },
  warmUp: Effect.sync(() => void order.push(`${name}?`)),
  run: Effect.suspend(() => {
    order.push(name)
    return fails
      ? Effect.fail(new Broken({ message: "no\n  more" }))
      : Effect.succeed({ operations: 1, readings: [{ measure: "m", unit: "ms", samples: [1] }] })
  })
})

const ground = () => ({ recorder: Record.make(), busy: () => undefined })

describe("alternate", () => {
  it.live("goes round, and leaves out who failed", () =>
    Effect.gen(function* () {
      const here = ground()
      const order: Array<string> = []
      yield* alternate(here, "m", 3, [turn("a", order), turn("b", order, true), turn("c", order)])
      assert.strictEqual(order.join(" "), "a? b? c? a b c a c a c")
      assert.deepStrictEqual(here.recorder.problems(), [{ measure: "m", subject: "b", message: "no more" }])
      assert.deepStrictEqual(
        here.recorder.rows().map(({ subject, samples }) => [subject, samples]),
        [
          ["a", [1, 1, 1]],
          ["c", [1, 1, 1]]
        ]
      )
    })
  )

  it.effect("an interruption is no failure of a subject", () =>
    Effect.gen(function* () {
      const here = ground()
      const fiber = yield* Effect.forkChild(attempt(here, "m", "a", Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      assert.deepStrictEqual(here.recorder.problems(), [])
    })
  )

  it.live("a Gateway that does not start is told with what it said, and bare Node is measured all the same", () =>
    Effect.gen(function* () {
      const here = ground()
      const dead = peer("dead", `${process.execPath} -p "'out-of-order'"`)!
      yield* boot(here, [dead], { rounds: 1, turns: 0 })
      const problems = here.recorder.problems()
      assert.deepStrictEqual(
        problems.map(({ subject }) => subject),
        ["dead", "dead"]
      )
      for (const { message } of problems) assert.match(message, /^dead ended; it said: .*out-of-order/)
      assert.deepStrictEqual(
        here.recorder.rows().map(({ subject }) => subject),
        ["node -e 0", "node -e 0"]
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("a pump counts answers, and ends with the connection", () =>
    Effect.gen(function* () {
      const { endpoint, who } = yield* echo
      const clients = [yield* open(endpoint), yield* open(endpoint)]
      const frame = (id: string) => JSON.stringify({ type: "req", id, method: "health", params: {} })
      const first = yield* pump(clients, { inFlight: 4, ms: 20, frame })
      assert.isAtLeast(first.latencies.length, 8)
      assert.strictEqual(first.refused, 0)
      assert.isAbove(treeMemory(who.pid) ?? 1, 0)
      let asked = 0
      const last = (id: string) => {
        if (++asked === 10) process.kill(who.pid)
        return frame(id)
      }
      const gone = yield* Effect.flip(pump(clients, { inFlight: 1, ms: 60_000, frame: last }))
      assert.match(gone.message, /^the connection was closed with 1006/)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it("knows nothing of a process that is not there", () => {
    assert.strictEqual(treeMemory(nowhere), undefined)
    assert.strictEqual(treeCpu(nowhere), undefined)
  })
})
