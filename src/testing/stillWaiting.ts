/**
 * A word about a wait of the kit that takes long, so that a test which runs into its timeout says what it waited for.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * Milliseconds of real time, also where the test's clock stands still, before a wait of the kit says what it waits for.
 * `Infinity`: never.
 */
export const Patience = Context.Reference<number>("openclaw/testing/Patience", { defaultValue: () => 3_000 })

/** Logs once what is waited for, while the effect goes on. */
export const stillWaiting =
  (message: Effect.Effect<string>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const word = Effect.flatMap(Patience, (millis) =>
      Number.isFinite(millis) ? Effect.sleep(millis) : Effect.never
    ).pipe(
      Effect.provideService(Clock.Clock, Clock.Clock.defaultValue()),
      Effect.andThen(message),
      Effect.flatMap((text) => Effect.logWarning(text))
    )
    return Effect.raceFirst(effect, Effect.andThen(word, Effect.never))
  }
