/** Work in the background that takes many small steps and leaves the database to others in between. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** A step is followed by a pause of this many times its own length, and at least of so many milliseconds. */
const factor = 3
const leastMs = 2
const mostMs = 1_000

/** One step, and the pause after it. */
export const considerate = <A, E, R>(step: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeNanos
    const result = yield* step
    const tookMs = Number((yield* Clock.currentTimeNanos) - started) / 1e6
    yield* Effect.sleep(Math.max(leastMs, Math.min(tookMs * factor, mostMs)))
    return result
  })

/** Steps until there is nothing more to do. */
export const untilDone = <E, R>(step: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.asVoid(Effect.repeat(considerate(step), { while: (more) => more }))
