/**
 * What a restart takes away for a moment: nodes connect again, channels start after the turns that they belong to.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds after the Gateway's start within which everything is back that will come back by itself. */
const SETTLING_MS = 20_000
const LOOK_AGAIN_MS = 200

/** Looks again until what it sees is settled, or the Gateway has run for a while. `startedAt`: Unix milliseconds. */
export const whenSettled = <A, E, R>(
  startedAt: number,
  look: Effect.Effect<A, E, R>,
  isSettled: (seen: A) => boolean
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    while (true) {
      const seen = yield* look
      const now = yield* Clock.currentTimeMillis
      if (isSettled(seen) || now - startedAt >= SETTLING_MS) return seen
      yield* Effect.sleep(LOOK_AGAIN_MS)
    }
  })
