import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Pull from "effect/Pull"
import { CurrentLogAnnotations } from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Redactor } from "../../src/layers/logging/Redactor.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import { Supervisor } from "../../src/services/Supervisor.ts"

class Boom extends Schema.TaggedError<Boom>()("Boom", { message: Schema.String, fatal: Schema.Boolean }) {}
const boom = new Boom({ message: "no more coal", fatal: false })
const everySecond = Schedule.spaced("1 second")

/** Collects what is logged: level, message, the fiber's name and the cause's text. */
const logs: Array<{ level: string; message: string; fiber: unknown; cause: string }> = []
const capture = Logger.make((options) => {
  logs.push({
    level: options.logLevel,
    message: String(options.message),
    fiber: options.fiber.getRef(CurrentLogAnnotations)["fiber"],
    cause: Cause.pretty(options.cause)
  })
})

const test = (name: string, body: () => Effect.Effect<void, unknown, Supervisor | Scope.Scope>) =>
  it.effect(name, () => {
    logs.length = 0
    return body().pipe(Effect.provide(Layer.provideMerge(SupervisorLive.layer, Logger.layer([capture]))))
  })

const row = (name: string) =>
  Effect.flatMap(Supervisor.pipe(Effect.flatMap((supervisor) => supervisor.tree)), (tree) => {
    const found = tree.find((candidate) => candidate.name === name)
    return found === undefined ? Effect.die(`no row ${name}`) : Effect.succeed(found)
  })

describe("Supervisor", () => {
  test("shows what is short-lived for as long as it runs, however it ends", () =>
    Effect.gen(function* () {
      const { track, tree } = yield* Supervisor
      const names = Effect.map(tree, (rows) => rows.map(({ detail, name, state }) => [name, state, detail]))
      for (const end of [Effect.void, Effect.fail("no"), Effect.die("broken")]) {
        const gate = yield* Deferred.make<void>()
        const running = track("sessions/s", "run-1", Effect.andThen(Deferred.await(gate), end))
        const fiber = yield* Effect.forkChild(running, { startImmediately: true })
        assert.deepStrictEqual(yield* names, [["sessions/s", "running", "run-1"]])
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.await(fiber)
        assert.deepStrictEqual(yield* names, [])
      }
    }))

  test("restarts a failing fiber, waiting by its schedule, and remembers why", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      let runs = 0
      yield* supervise(
        "a/b",
        Effect.suspend(() => (++runs < 3 ? Effect.fail(boom) : Effect.never)),
        { restart: "on-failure", schedule: everySecond }
      )
      assert.deepStrictEqual(yield* row("a/b"), {
        name: "a/b",
        state: "backoff",
        restarts: 0,
        since: 0,
        lastCause: "Boom: no more coal"
      })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* row("a/b")).restarts, 1)
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* row("a/b"), { state: "running", restarts: 2, since: 2000 })
      assert.strictEqual(runs, 3)
      assert.deepInclude(
        logs.find((line) => line.message === "failed"),
        { level: "Warn", fiber: "a/b" }
      )
      assert.include(logs.find((line) => line.message === "failed")?.cause, "no more coal")
    }))

  test("on-failure is done when it succeeds; never runs once; always starts again", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      let runs = 0
      const once = Effect.sync(() => void (runs += 1))
      yield* supervise("done", once, { restart: "on-failure", schedule: everySecond })
      yield* supervise("never", Effect.fail(boom), { restart: "never" })
      yield* supervise("always", once, { restart: "always", schedule: everySecond })
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* row("done")).state, "done")
      assert.deepInclude(yield* row("never"), { state: "failed", restarts: 0 })
      assert.strictEqual((yield* row("always")).restarts, 3)
      assert.strictEqual(runs, 5)
    }))

  test("a terminal error ends it for good, and is logged as an error", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      let runs = 0
      yield* supervise(
        "t",
        Effect.suspend(() => Effect.fail(new Boom({ message: "401", fatal: ++runs === 2 }))),
        { restart: "always", terminal: (error) => error.fatal, schedule: everySecond }
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(runs, 2)
      assert.deepInclude(yield* row("t"), { state: "failed", restarts: 1, lastCause: "Boom: 401" })
      assert.strictEqual(logs.at(-1)?.level, "Error")
    }))

  test("a defect is logged with its cause and restarted, even when every error is terminal", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      let runs = 0
      yield* supervise(
        "d",
        Effect.suspend(() => (++runs === 1 ? Effect.die(new TypeError("x is not a function")) : Effect.never)),
        { restart: "on-failure", terminal: () => true, schedule: everySecond }
      )
      assert.deepInclude(yield* row("d"), { state: "backoff", lastCause: "defect: x is not a function" })
      const line = logs.find((candidate) => candidate.level === "Error")
      assert.deepInclude(line, { message: "died of a defect", fiber: "d" })
      assert.include(line?.cause, "supervisor.test")
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* row("d"), { state: "running", restarts: 1 })
    }))

  test("a fiber that interrupts itself is restarted too", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      let runs = 0
      yield* supervise(
        "i",
        Effect.suspend(() => (++runs === 1 ? Effect.interrupt : Effect.never)),
        { restart: "on-failure", schedule: everySecond }
      )
      assert.deepInclude(yield* row("i"), { state: "backoff", lastCause: "interrupted" })
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* row("i"), { state: "running", restarts: 1 })
    }))

  test("tells its wait in whole milliseconds", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      yield* supervise("w", Effect.fail(boom), { restart: "always", schedule: Schedule.spaced("1.4386 millis") })
      assert.strictEqual(logs.at(-1)?.message, "starts again in 2ms")
    }))

  test("gives up when its schedule ends", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      yield* supervise("g", Effect.fail(boom), { restart: "always", schedule: Schedule.recurs(2) })
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* row("g"), { state: "failed", restarts: 2 })
      assert.deepInclude(logs.at(-1), { level: "Error", message: "given up after 2 restarts" })
    }))

  test("a policy that throws is a failure of that fiber alone, and is logged", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      const thrower = (): boolean => {
        throw new RangeError("bad policy")
      }
      yield* supervise("p", Effect.fail(boom), { restart: "always", terminal: thrower })
      assert.deepInclude(yield* row("p"), { state: "failed", lastCause: "defect: bad policy" })
      assert.strictEqual(logs.at(-1)?.level, "Error")
    }))

  test("closing the scope interrupts the fiber, runs its finalizers and removes its row", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor
      const scope = yield* Scope.make()
      let released = false
      yield* supervisor
        .supervise(
          "s",
          Effect.andThen(
            Effect.addFinalizer(() => Effect.sync(() => void (released = true))),
            Effect.never
          ),
          { restart: "always" }
        )
        .pipe(Scope.provide(scope))
      assert.strictEqual((yield* supervisor.tree).length, 1)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(released)
      assert.deepStrictEqual(yield* supervisor.tree, [])
    }))

  test("a fiber interrupted by itself is shown as stopped, and said so", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      const fiber = yield* supervise("x", Effect.never, { restart: "always" })
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* row("x")).state, "stopped")
      assert.deepInclude(logs.at(-1), { level: "Info", message: "stopped by interruption" })
    }))

  test("a defect while stopping is not lost", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      const body = Effect.andThen(
        Effect.addFinalizer(() => Effect.die("bad finalizer")),
        Effect.never
      )
      const fiber = yield* supervise("y", body, { restart: "always" })
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* row("y")).state, "stopped")
      assert.deepInclude(logs.at(-1), { level: "Error", message: "died while it was stopped", fiber: "y" })
      assert.include(logs.at(-1)?.cause, "bad finalizer")
    }))

  test("what a run acquired is released before the next run", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      const events: Array<string> = []
      const record = (event: string) => Effect.sync(() => void events.push(event))
      const body = Effect.andThen(
        Effect.acquireRelease(record("open"), () => record("close")),
        Effect.fail(boom)
      )
      yield* supervise("r", body, { restart: "always", schedule: everySecond })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(events, ["open", "close", "open", "close"])
    }))

  test("a name used again replaces its row, and the old scope does not take it away", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor
      const scope = yield* Scope.make()
      yield* Scope.provide(supervisor.supervise("n", Effect.never, { restart: "never" }), scope)
      yield* TestClock.adjust("5 seconds")
      yield* supervisor.supervise("n", Effect.never, { restart: "never" })
      yield* supervisor.supervise("m", Effect.never, { restart: "never" })
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(
        (yield* supervisor.tree).map((each) => [each.name, each.since]),
        [
          ["m", 5000],
          ["n", 5000]
        ]
      )
    }))

  test("a long healthy run starts the waits over", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      const gates = [yield* Deferred.make<void>(), yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      let runs = 0
      yield* supervise(
        "h",
        Effect.suspend(() =>
          Effect.andThen(Effect.flatMap(Effect.fromNullishOr(gates[runs++]), Deferred.await), Effect.fail("cut"))
        ),
        { restart: "always", schedule: Schedule.exponential("1 second", 10) }
      )
      yield* Deferred.succeed(gates[0]!, undefined)
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("2 minutes")
      yield* Deferred.succeed(gates[1]!, undefined)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(runs, 3)
    }))

  it.effect("the default waits are full jitter: within the doubling bound, at most 30 s, spread out", () =>
    Effect.gen(function* () {
      const delays: Array<number> = []
      for (let round = 0; round < 40; round += 1) {
        const step = yield* Schedule.toStep(SupervisorLive.fullJitter)
        for (let attempt = 0; attempt < 10; attempt += 1) {
          const [, delay] = yield* Pull.catchDone(step(0, undefined), () => Effect.die("the schedule ended"))
          const millis = Duration.toMillis(delay)
          assert.isAtLeast(millis, 0)
          assert.isAtMost(millis, Math.min(30_000, 250 * 2 ** attempt))
          if (attempt === 9) delays.push(millis)
        }
      }
      assert.isBelow(Math.min(...delays), 15_000)
      assert.isAbove(Math.max(...delays), 15_000)
    })
  )

  it.effect("no secret reaches the tree", () =>
    Effect.gen(function* () {
      const { supervise } = yield* Supervisor
      yield* (yield* Redactor).add(["correct-horse"])
      yield* supervise("c", Effect.fail("denied: correct-horse, Bearer abcdefghijklmnop"), { restart: "never" })
      assert.strictEqual((yield* row("c")).lastCause, "denied: <redacted>, Bearer <redacted>")
    }).pipe(Effect.provide(Layer.provideMerge(SupervisorLive.layer, Redactor.layer)))
  )
})
