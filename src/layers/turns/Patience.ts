/**
 * Storage trouble (a full disk, a lock) is waited out, for without storage nothing can be decided: 0.25 s doubling to
 * 30 s, about an hour in all. After that it is a defect.
 */
import { PersistenceError } from "effect/cluster/ClusterError"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

export const storageRetry = {
  schedule: Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("30 seconds")]),
  times: 120
}

/** Runs what reads or writes state until it succeeds. */
export const stored = <A, E extends { readonly message: string }, R>(
  doing: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, never, R> =>
  effect.pipe(
    Effect.tapError((error: E) => Effect.logError(`${doing} failed and is tried again`, error)),
    Effect.retry(storageRetry),
    Effect.orDie
  )

/** The same for what the engine runs: it dies when its own storage fails. */
export const engineStored = <A, R>(doing: string, effect: Effect.Effect<A, never, R>): Effect.Effect<A, never, R> =>
  stored(
    doing,
    Effect.catchDefect(effect, (defect) =>
      defect instanceof PersistenceError ? Effect.fail(defect) : Effect.die(defect)
    )
  )
