/**
 * How long one call may take.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { RequestTimeout } from "./errors.ts"

export interface CallOptions {
  /**
   * The call's one deadline. Left out: `timeoutMs` of the params plus five seconds when they have one, else the client's
   * `callTimeout`; for a method that answers more than once that bounds the first answer only.
   */
  readonly timeout?: Duration.Input | undefined
}

/** What a method gets on top of the time that its own params give it. */
const GRACE_MS = 5000

/** The deadline of one call. */
export const deadline = (params: unknown, options: CallOptions, standard: Duration.Input): Duration.Duration => {
  if (options.timeout !== undefined) return Duration.fromInputUnsafe(options.timeout)
  return Predicate.hasProperty(params, "timeoutMs") && Predicate.isNumber(params.timeoutMs) && params.timeoutMs > 0
    ? Duration.millis(params.timeoutMs + GRACE_MS)
    : Duration.fromInputUnsafe(standard)
}

/** Fails a call whose time is up. `sent` says whether the Gateway may have seen it by then. */
export const expired = (method: string, duration: Duration.Duration, sent: boolean) =>
  Effect.fail(new RequestTimeout({ method, timeoutMs: Duration.toMillis(duration), sent }))
