/**
 * Delivering what the bot has to say: shown once, and tried again for a day as long as that shows nothing twice.
 */
import * as Effect from "effect/Effect"
import type { DeliveryFailed, DeliveryReceipt, OutboundMessage } from "../../services/Channel.ts"
import type { ChannelNotConfigured, Channels } from "../../services/ChannelRouter.ts"
import { stopwatch } from "../awake.ts"
import { stored } from "../turns/Patience.ts"

export interface DeliveryPolicy {
  /** Milliseconds during which a message is tried again whose channel says that this shows nothing twice. */
  readonly giveUpAfterMs: number
  /** Milliseconds until the second try; doubled for each later one, at most 30 s. */
  readonly firstPauseMs: number
}

export const defaultPolicy: DeliveryPolicy = { giveUpAfterMs: 24 * 60 * 60_000, firstPauseMs: 1_000 }

/** Milliseconds that a message waits for its channel, which may not have been started yet. */
const channelStartMs = 60_000
const longestPauseMs = 30_000
/** Tries that are told; a server that is away for hours does not fill the log. */
const toldTries = 5

/** The message can still go out. */
const isOpen = (error: ChannelNotConfigured | DeliveryFailed): boolean =>
  error._tag === "ChannelNotConfigured" ||
  error.outcome === "never-sent" ||
  error.outcome === "unfinished" ||
  (error.outcome === "unknown" && error.progress !== undefined)

/** Milliseconds to wait before the next try; `undefined` when there must be none. */
const pauseAfter = (
  error: ChannelNotConfigured | DeliveryFailed,
  tries: number,
  elapsedMs: number,
  policy: DeliveryPolicy
): number | undefined => {
  if (!isOpen(error)) return undefined
  const pause = Math.min(policy.firstPauseMs * 2 ** Math.min(tries, 20), longestPauseMs)
  if (error._tag === "ChannelNotConfigured") {
    return elapsedMs < Math.min(channelStartMs, policy.giveUpAfterMs) ? pause : undefined
  }
  if (elapsedMs >= policy.giveUpAfterMs) return undefined
  return Math.max(pause, error.retryAfterMs ?? 0)
}

/** What delivers. With `abandon` a message that could still go out and is given up becomes a dead letter. */
type Courier = Pick<Channels["Service"], "deliver"> & Partial<Pick<Channels["Service"], "abandon">>

/** Delivers a message that has an idempotency key. `what` names it in the log. */
export const deliverPatiently = Effect.fnUntraced(function* (
  channels: Courier,
  message: OutboundMessage & { readonly idempotencyKey: string },
  policy: DeliveryPolicy,
  what: string
): Effect.fn.Return<DeliveryReceipt, ChannelNotConfigured | DeliveryFailed> {
  const elapsed = yield* stopwatch
  for (let tries = 0; ; tries++) {
    const sent = yield* Effect.result(channels.deliver(message))
    if (sent._tag === "Success") return sent.success
    const error = sent.failure
    const pause = pauseAfter(error, tries, yield* elapsed, policy)
    if (pause === undefined) {
      if (channels.abandon !== undefined && isOpen(error)) {
        const abandoned = channels.abandon(message.idempotencyKey, `given up: ${error.message}`)
        yield* stored("noting that a message is given up", abandoned)
      }
      return yield* error
    }
    const told = `${what} is tried again in ${pause} ms: ${error.message}`
    yield* tries < toldTries ? Effect.logInfo(told) : Effect.logDebug(told)
    yield* Effect.sleep(pause)
  }
})
