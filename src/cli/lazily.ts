/**
 * Command handlers in modules of their own, loaded when their command runs: help, and every other command, does not pay
 * for what they import.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"

interface Handler<Input, E, R> {
  readonly run: (input: Input) => Effect.Effect<void, E, R>
}

/** A command that answers and ends. Interrupted (Ctrl-C), it ends the program with exit code 130. */
export const lazily =
  <Input, E, R>(load: () => Promise<Handler<Input, E, R>>) =>
  (input: Input): Effect.Effect<void, E, R> =>
    Effect.flatMap(Effect.promise(load), ({ run }) => run(input)).pipe(
      Effect.tapCauseIf(Cause.hasDies, (cause) => Effect.logDebug("a bug", cause)),
      Effect.interruptible
    )

/**
 * A command that runs until it is stopped. Being told to stop (Ctrl-C, SIGTERM) is how it is meant to end: after its
 * finalizers the program ends with exit code 0.
 */
export const untilStopped =
  <Input, E, R>(load: () => Promise<Handler<Input, E, R>>) =>
  (input: Input): Effect.Effect<void, E, R> =>
    lazily(load)(input).pipe(Effect.catchCauseIf(Cause.hasInterruptsOnly, () => Effect.void))
