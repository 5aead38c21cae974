/**
 * Command handlers in modules of their own, loaded when their command runs: help, and every other command, does not pay
 * for what they import.
 */
import * as Effect from "effect/Effect"

interface Handler<Input, E, R> {
  readonly run: (input: Input) => Effect.Effect<void, E, R>
}

export const lazily =
  <Input, E, R>(load: () => Promise<Handler<Input, E, R>>) =>
  (input: Input): Effect.Effect<void, E, R> =>
    Effect.flatMap(Effect.promise(load), ({ run }) => run(input))
