/**
 * Delivering what the bot has to say: sent once, and tried again for a while as long as it is certain that something of it
 * did not go out.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { DeliveryFailed, DeliveryReceipt, OutboundMessage } from "../../services/Channel.ts"
import type { ChannelNotConfigured, Channels } from "../../services/ChannelRouter.ts"

export interface DeliveryPolicy {
  /** Milliseconds during which a message that certainly did not arrive is tried again. */
  readonly giveUpAfterMs: number
  /** Milliseconds until the second try; doubled for each later one, at most 30 s. */
  readonly firstPauseMs: number
}

export const defaultPolicy: DeliveryPolicy = { giveUpAfterMs: 60 * 60_000, firstPauseMs: 1_000 }

/** Milliseconds that a message waits for its channel, which may not have been started yet. */
const channelStartMs = 60_000
const longestPauseMs = 30_000

/** Milliseconds to wait before the next try; `undefined` when there must be none. */
const pauseAfter = (
  error: ChannelNotConfigured | DeliveryFailed,
  tries: number,
  elapsedMs: number,
  policy: DeliveryPolicy
): number | undefined => {
  const pause = Math.min(policy.firstPauseMs * 2 ** Math.min(tries, 20), longestPauseMs)
  if (error._tag === "ChannelNotConfigured") {
    return elapsedMs < Math.min(channelStartMs, policy.giveUpAfterMs) ? pause : undefined
  }
  const isOpen = error.outcome === "never-sent" || (error.outcome === "unknown" && error.progress !== undefined)
  if (!isOpen || elapsedMs >= policy.giveUpAfterMs) return undefined
  return Math.max(pause, error.retryAfterMs ?? 0)
}

/** Delivers a message that has an idempotency key. `what` names it in the log. */
export const deliverPatiently = Effect.fnUntraced(function* (
  channels: Pick<Channels["Service"], "deliver">,
  message: OutboundMessage & { readonly idempotencyKey: string },
  policy: DeliveryPolicy,
  what: string
): Effect.fn.Return<DeliveryReceipt, ChannelNotConfigured | DeliveryFailed> {
  const startedAt = yield* Clock.currentTimeMillis
  for (let tries = 0; ; tries++) {
    const sent = yield* Effect.result(channels.deliver(message))
    if (sent._tag === "Success") return sent.success
    const error = sent.failure
    const pause = pauseAfter(error, tries, (yield* Clock.currentTimeMillis) - startedAt, policy)
    if (pause === undefined) return yield* error
    yield* Effect.logInfo(`${what} is tried again in ${pause} ms: ${error.message}`)
    yield* Effect.sleep(pause)
  }
})
