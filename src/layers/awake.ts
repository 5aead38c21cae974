/**
 * Waiting and measuring that a jump of the clock does not shorten or lengthen: one that is set, or one that went on while the
 * machine was suspended.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds that one wait may count for, however long the machine slept in it. */
const longestSlice = 5_000

/** Waits for so many milliseconds during which this machine was awake. */
export const sleepAwake = (millis: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    // Each slice counts as what was asked for: timers of some systems run on while the machine is suspended.
    for (let left = millis; left > 0; left -= longestSlice) yield* Effect.sleep(Math.min(left, longestSlice))
  })

/** Starts to measure: milliseconds since then, whatever the wall clock was set to meanwhile. */
export const stopwatch: Effect.Effect<Effect.Effect<number>> = Effect.map(Clock.monotonicTimeNanos, (begun) =>
  Effect.map(Clock.monotonicTimeNanos, (now) => Number((now - begun) / 1_000_000n))
)

/**
 * Milliseconds of a limit that are left of something that began at `startedAt` by the wall clock, perhaps in an earlier
 * process: at least `least`, because the time away was no time to work in, and at most the limit, should the clock have been
 * set back.
 */
export const leftOf = (limit: number, startedAt: number, now: number, least: number): number =>
  Math.min(limit, Math.max(limit - (now - startedAt), least))
