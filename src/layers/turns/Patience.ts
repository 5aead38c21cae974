/**
 * Storage trouble (a full disk, a lock) is waited out for as long as the Gateway runs, for without storage nothing can be
 * decided: 0.25 s doubling to 5 s. A failure that is not the storage's own gets 120 tries, then it is a defect.
 */
import { PersistenceError } from "effect/cluster/ClusterError"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { troubleOf } from "../storage/trouble.ts"

/** Without end: what a failure is worth is for its user to say. */
export const storageRetry = {
  schedule: Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("5 seconds")])
}

/** Tries of what fails for another reason than the storage's. */
const mostOthers = 120

/** Runs what reads or writes state until it succeeds. Only the first failure and the end of them are told. */
export const stored = <A, E extends { readonly message: string }, R>(
  doing: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, never, R> =>
  Effect.suspend(() => {
    let failures = 0
    let others = 0
    return effect.pipe(
      Effect.tapError((error: E) =>
        failures++ === 0
          ? Effect.logError(`${doing} failed and is tried again`, error)
          : Effect.logDebug(`${doing} failed again`, error)
      ),
      Effect.retry({
        ...storageRetry,
        while: (error) => troubleOf(error) !== undefined || ++others < mostOthers
      }),
      Effect.tap(() =>
        failures === 0 ? Effect.void : Effect.logInfo(`${doing} succeeded after ${failures} failed tries`)
      ),
      Effect.orDie
    )
  })

/** The same for what the engine runs: it dies when its own storage fails. */
export const engineStored = <A, R>(doing: string, effect: Effect.Effect<A, never, R>): Effect.Effect<A, never, R> =>
  stored(
    doing,
    Effect.catchDefect(effect, (defect) =>
      defect instanceof PersistenceError ? Effect.fail(defect) : Effect.die(defect)
    )
  )
