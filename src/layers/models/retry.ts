/**
 * When a model call is tried again: transient errors, before anything of the answer was seen, a few times.
 */
import type * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { secondsOfSilence } from "./errors.ts"

export interface RetryPolicy {
  /** Calls in all, the first included. */
  readonly attempts: number
  /** Milliseconds before the second call; doubled for each one after it, plus up to a quarter of jitter. */
  readonly baseMs: number
  /** The longest wait in milliseconds. A provider that asks for more is not called again. */
  readonly maxMs: number
}

export const defaultPolicy: RetryPolicy = { attempts: 4, baseMs: 500, maxMs: 20_000 }

const askedFor = (error: AiError.AiError): number | undefined => {
  if (error.reason._tag === "InternalProviderError") {
    const wait = error.reason.metadata["retryAfterMs"]
    return typeof wait === "number" ? wait : undefined
  }
  return error.retryAfter === undefined ? undefined : Duration.toMillis(error.retryAfter)
}

/** Milliseconds until the next call, `undefined` when there is to be none. `attempt` counts calls so far. */
const delayOf = (error: AiError.AiError, attempt: number, policy: RetryPolicy): Effect.Effect<number | undefined> =>
  Effect.gen(function* () {
    const transient =
      error.reason._tag === "RateLimitError" ||
      error.reason._tag === "InternalProviderError" ||
      // Whoever was silent for minutes would be so again, and somebody waits.
      (error.reason._tag === "NetworkError" &&
        error.reason.isRetryable &&
        secondsOfSilence(error.reason.description) === undefined)
    if (!transient || attempt >= policy.attempts) return undefined
    const jitter = 1 + (yield* Random.next) / 4
    const wait = askedFor(error) ?? Math.min(policy.maxMs, policy.baseMs * 2 ** (attempt - 1) * jitter)
    return wait > policy.maxMs ? undefined : wait
  })

/** Tries an effect again by the policy. */
export const retrying = <A, R>(
  effect: Effect.Effect<A, AiError.AiError, R>,
  policy: RetryPolicy,
  attempt = 1
): Effect.Effect<A, AiError.AiError, R> =>
  Effect.catch(effect, (error) =>
    Effect.flatMap(delayOf(error, attempt, policy), (wait) =>
      wait === undefined
        ? Effect.fail(error)
        : Effect.andThen(Effect.sleep(wait), retrying(effect, policy, attempt + 1))
    )
  )

/** Tries a stream again by the policy, as long as it has shown nothing that `isAnswer`. */
export const retryingUntil = <A, R>(
  stream: Stream.Stream<A, AiError.AiError, R>,
  isAnswer: (part: A) => boolean,
  policy: RetryPolicy,
  attempt = 1
): Stream.Stream<A, AiError.AiError, R> =>
  Stream.suspend(() => {
    let answered = false
    return stream.pipe(
      Stream.map((part) => {
        answered ||= isAnswer(part)
        return part
      }),
      Stream.catch((error) =>
        answered
          ? Stream.fail(error)
          : Stream.unwrap(
              Effect.flatMap(delayOf(error, attempt, policy), (wait) =>
                wait === undefined
                  ? Effect.fail(error)
                  : Effect.as(Effect.sleep(wait), retryingUntil(stream, isAnswer, policy, attempt + 1))
              )
            )
      )
    )
  })
