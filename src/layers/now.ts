/**
 * The time as it is stored and shown.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Unix milliseconds, whole and not negative: a clock may have finer steps, and a table's column may not. */
export const now: Effect.Effect<number> = Effect.map(Clock.currentTimeMillis, (millis) =>
  Math.max(0, Math.floor(millis))
)
