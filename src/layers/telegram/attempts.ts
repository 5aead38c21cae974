/**
 * What a call that failed means for the message, and when it may be made again.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { DeliveryFailed } from "../../services/Channel.ts"
import { isTokenRefused, type TelegramError } from "./Api.ts"

/** A longer wait is the caller's to decide on. */
const longestWaitMs = 30_000
const maxAttempts = 5

const outcomes = { refused: "refused", unreached: "never-sent", lost: "unknown" } as const

export const isRateLimit = (error: TelegramError): boolean => error.code === 429

/** Of a call that must not be made twice. A token that is not accepted may be replaced: the message can still go out. */
export const outcomeOf = (error: TelegramError): DeliveryFailed["outcome"] =>
  isRateLimit(error) || isTokenRefused(error) ? "never-sent" : outcomes[error.kind]

/** Milliseconds to wait before the call may be made again; `undefined` when it must not be. */
const waitBefore = (error: TelegramError, attempt: number, random: number): number | undefined => {
  if (attempt >= maxAttempts) return undefined
  if (isRateLimit(error)) {
    const wait = error.retryAfterMs ?? 1_000
    return wait <= longestWaitMs ? wait : undefined
  }
  return error.kind === "unreached" && error.code === undefined
    ? 250 * 2 ** (attempt - 1) * (0.5 + random / 2)
    : undefined
}

/** Makes a call again that certainly was not carried out, until `enough` ends. */
export const retrying = <A>(
  effect: Effect.Effect<A, TelegramError>,
  enough: Effect.Effect<void> = Effect.never,
  attempt = 1
): Effect.Effect<A, TelegramError> =>
  Effect.catch(effect, (error) =>
    Effect.flatMap(Random.next, (random) => {
      const wait = waitBefore(error, attempt, random)
      return wait === undefined
        ? Effect.fail(error)
        : Effect.logDebug(`sends again in ${Math.round(wait)} ms: ${error.message}`).pipe(
            Effect.andThen(Effect.raceFirst(Effect.as(Effect.sleep(wait), true), Effect.as(enough, false))),
            Effect.flatMap((goesOn) => (goesOn ? retrying(effect, enough, attempt + 1) : Effect.fail(error)))
          )
    })
  )

/** Telegram has no better way to say what is wrong than its words. */
const says = (pattern: RegExp) => (error: TelegramError) =>
  error.kind === "refused" && error.code === 400 && pattern.test(error.message)

/** The HTML is at fault, not the message. */
export const isHtmlRefused = says(/can't parse entities|unsupported start tag/i)
/** The picture is none that Telegram can show. */
export const isPhotoRefused = says(/PHOTO_|IMAGE_PROCESS_FAILED|too big for a photo/)
/** What it is to show is at fault; a plain text may be none the worse. */
export const isContentRefused = says(/message is too long|MESSAGE_TOO_LONG|text is empty|can't parse/i)
/** It shows already what it is to show. */
export const isNotModified = says(/message is not modified/i)
/** Somebody took it away. */
export const isGone = says(/message to edit not found|MESSAGE_ID_INVALID/i)
/** It stays as it is for ever. */
export const isFixed = says(/message can't be edited|MESSAGE_EDIT_TIME_EXPIRED/i)
