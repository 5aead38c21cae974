/**
 * What was answered to things that are done at once, so that a client which lost the answer and asks again under the same key
 * is told it, and nothing is done twice. Turns need none of it: they are booked.
 */
import * as Effect from "effect/Effect"

/** Answers that are remembered; the oldest goes first. */
const REMEMBERED = 1_000

export interface Answered<A> {
  /** The answer that was given under this key, else what `make` gives, which is remembered. */
  readonly once: <E, R>(key: string, make: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** `again`: how an answer reads when it is given once more. */
export const make = <A>(again: (answer: A) => A): Answered<A> => {
  const answers = new Map<string, A>()
  const remember = (key: string, answer: A) => {
    answers.set(key, answer)
    const oldest = answers.size > REMEMBERED ? answers.keys().next().value : undefined
    if (oldest !== undefined) answers.delete(oldest)
  }
  return {
    once: (key, make) =>
      Effect.suspend(() => {
        const before = answers.get(key)
        return before === undefined
          ? Effect.tap(make, (answer) => Effect.sync(() => remember(key, answer)))
          : Effect.succeed(again(before))
      })
  }
}
