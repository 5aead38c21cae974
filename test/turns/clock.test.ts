/**
 * The clock is set, or goes on while the machine sleeps: limits neither shrink to nothing nor grow.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { leftOf, sleepAwake, stopwatch } from "../../src/layers/awake.ts"

const year = 365 * 24 * 60 * 60_000
const minute = 60_000

describe("a clock that jumps", () => {
  it("leaves a turn its time", () => {
    assert.strictEqual(leftOf(10 * minute, 0, 3 * minute, minute), 7 * minute)
    // Suspended for eight hours, or set forward.
    assert.strictEqual(leftOf(10 * minute, 0, 8 * 60 * minute, minute), minute)
    // Set back.
    assert.strictEqual(leftOf(10 * minute, year, 0, minute), 10 * minute)
    assert.strictEqual(leftOf(1_000, 0, year, minute), 1_000)
  })

  it.effect("does not end a wait at once when timers went on while the machine slept", () =>
    Effect.gen(function* () {
      let sleeps = 0
      const clock = yield* Clock.Clock
      // The third timer is due at once: the machine was suspended in it.
      const jumpy: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + (sleeps >= 3 ? 8 * 60 * minute : 0),
        sleep: (duration) => (++sleeps === 3 ? Effect.void : clock.sleep(duration))
      }
      const waiting = yield* Effect.forkChild(Effect.provideService(sleepAwake(minute), Clock.Clock, jumpy), {
        startImmediately: true
      })
      yield* TestClock.adjust("54 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(waiting)
    })
  )

  it.effect("is not what a stopwatch reads", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let offset = 0
      const set: Clock.Clock = { ...clock, currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + offset }
      yield* Effect.gen(function* () {
        const elapsed = yield* stopwatch
        offset = -year
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* elapsed, 2_000)
      }).pipe(Effect.provideService(Clock.Clock, set))
    })
  )
})
