import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { MixedScheduler, type Scheduler } from "effect/Scheduler"
import * as Polite from "../../src/cli/politeScheduler.ts"

const BUDGET = 5
const LONGEST = 3

/** A task: which dispatcher's, how urgent, how many milliseconds it takes, and what it schedules. */
interface Step {
  readonly to: number
  readonly priority: number
  readonly ms: number
  readonly then: ReadonlyArray<Step>
}
const range = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))
const Step: Schema.Codec<Step> = Schema.Struct({
  to: range(0, 3),
  priority: range(-1, 1),
  ms: range(0, LONGEST),
  then: Schema.Array(Schema.suspend((): Schema.Codec<Step> => Step))
})

/** An event loop of which only the phase for immediate callbacks is there, and a clock that tasks move. */
const makeLoop = () => {
  const callbacks: Array<() => void> = []
  const loop = {
    time: 0,
    defer: (resume: () => void) => void callbacks.push(resume),
    /** Runs what is there, and tells for how long nobody else could. */
    turn: (): number => {
      const began = loop.time
      for (const callback of callbacks.splice(0)) callback()
      return loop.time - began
    },
    isIdle: () => callbacks.length === 0
  }
  return loop
}

type Loop = ReturnType<typeof makeLoop>

const polite = (loop: Loop) => Polite.make({ now: () => loop.time, defer: loop.defer, budgetMs: BUDGET })

const mixed = (loop: Loop) =>
  new MixedScheduler("async", (run) => {
    let isWanted = true
    loop.defer(() => {
      if (isWanted) run()
    })
    return () => {
      isWanted = false
    }
  })

/** In what order the steps run, and how long each turn of the loop took. */
const walk = (steps: ReadonlyArray<Step>, make: (loop: Loop) => Scheduler) => {
  const loop = makeLoop()
  const scheduler = make(loop)
  const dispatchers = Array.from({ length: 4 }, () => scheduler.makeDispatcher())
  const order: Array<string> = []
  const schedule = (step: Step, name: string) =>
    dispatchers[step.to]!.scheduleTask(() => {
      order.push(name)
      loop.time += step.ms
      step.then.forEach((next, at) => schedule(next, `${name}.${at}`))
    }, step.priority)
  steps.forEach((step, at) => schedule(step, String(at)))
  const turns: Array<number> = []
  while (!loop.isIdle()) turns.push(loop.turn())
  return { order, turns }
}

/** Many of them, or no turn would be cut. */
const Steps = Schema.Array(Step).pipe(Schema.check(Schema.isMinLength(12)))

describe("the scheduler of a Gateway that has its process to itself", () => {
  it.prop("runs everything in the order of Effect's own", [Steps], ([steps]) => {
    assert.deepStrictEqual(walk(steps, polite).order, walk(steps, mixed).order)
  })

  it.prop("hands the loop back when its time is over and a task has ended", [Steps], ([steps]) => {
    for (const ms of walk(steps, polite).turns) assert.isBelow(ms, BUDGET + LONGEST)
  })

  it("uses the time that it has", () => {
    const steps = Array.from({ length: 20 }, (_, at): Step => ({ to: at % 4, priority: 0, ms: 1, then: [] }))
    assert.deepStrictEqual(walk(steps, polite).turns, [5, 5, 5, 5])
    assert.deepStrictEqual(walk(steps, mixed).turns, [20])
  })

  it("lets what comes in have its turn before what a task schedules", () => {
    const again: Step = { to: 0, priority: 0, ms: 0, then: [{ to: 0, priority: 0, ms: 0, then: [] }] }
    assert.deepStrictEqual(walk([again], polite).turns.length, 2)
  })

  it("runs at once what a dispatcher that is flushed has left, and no other's", () => {
    const loop = makeLoop()
    const scheduler = polite(loop)
    const [one, other] = [scheduler.makeDispatcher(), scheduler.makeDispatcher()]
    const order: Array<string> = []
    const task = (name: string, ms: number) => () => {
      order.push(name)
      loop.time += ms
    }
    one.scheduleTask(task("a", BUDGET), 0)
    one.scheduleTask(task("b", 0), 0)
    other.scheduleTask(task("other", 0), 0)
    loop.turn()
    assert.deepStrictEqual(order, ["a"])
    one.scheduleTask(() => {
      order.push("c")
      one.scheduleTask(task("e", 0), 0)
    }, 0)
    one.scheduleTask(task("d", 0), 0)
    one.flush()
    assert.deepStrictEqual(order, ["a", "b", "c", "d", "e"])
    one.scheduleTask(task("f", 0), 0)
    while (!loop.isIdle()) loop.turn()
    assert.deepStrictEqual(order.toSorted(), ["a", "b", "c", "d", "e", "f", "other"])
  })

  it("goes on after a task that throws", () => {
    const loop = makeLoop()
    const scheduler = polite(loop)
    const [one, other] = [scheduler.makeDispatcher(), scheduler.makeDispatcher()]
    const order: Array<string> = []
    one.scheduleTask(() => {
      throw new Error("a bug")
    }, 0)
    one.scheduleTask(() => order.push("next"), 0)
    other.scheduleTask(() => order.push("other"), 0)
    assert.throws(loop.turn, "a bug")
    while (!loop.isIdle()) loop.turn()
    assert.deepStrictEqual(order, ["next", "other"])
  })

  it("is taken by the fibers that run under it", () => {
    const loop = makeLoop()
    const ran: Array<number> = []
    const worker = (at: number) =>
      Effect.gen(function* () {
        for (let round = 0; round < 3; round++) {
          yield* Effect.yieldNow
          loop.time += 1
          ran.push(at)
        }
      })
    const all = Effect.forEach([0, 1, 2, 3], worker, { concurrency: "unbounded", discard: true })
    const fiber = Effect.runFork(all, { scheduler: polite(loop) })
    const turns: Array<number> = []
    while (!loop.isIdle()) turns.push(loop.turn())
    assert.isDefined(fiber.pollUnsafe())
    assert.deepStrictEqual(ran, [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3])
    assert.isAtMost(Math.max(...turns), BUDGET)
  })

  it("asks a fiber that never waits to give way", () => {
    const loop = makeLoop()
    const fiber = Effect.runFork(Effect.forever(Effect.void, { disableYield: true }), { scheduler: polite(loop) })
    assert.isFalse(loop.isIdle())
    fiber.interruptUnsafe()
    while (!loop.isIdle()) loop.turn()
    assert.isDefined(fiber.pollUnsafe())
  })
})
