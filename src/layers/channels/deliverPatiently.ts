/**
 * Delivering what the bot has to say: shown once, and tried again for a day as long as that shows nothing twice.
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type { DeliveryFailed, DeliveryReceipt, OutboundMessage } from "../../services/Channel.ts"
import type { ChannelNotConfigured, Channels } from "../../services/ChannelRouter.ts"
import { stopwatch } from "../awake.ts"
import { now } from "../now.ts"
import { stored } from "../turns/Patience.ts"

export interface DeliveryPolicy {
  /** Milliseconds during which a message is tried again whose channel says that this shows nothing twice. */
  readonly giveUpAfterMs: number
  /** Milliseconds until the second try; doubled for each later one, at most 30 s. */
  readonly firstPauseMs: number
}

export const defaultPolicy: DeliveryPolicy = { giveUpAfterMs: 24 * 60 * 60_000, firstPauseMs: 1_000 }

const longestPauseMs = 30_000
/** A server that asks for more is asked all the same, or one wrong answer would hold a message back for days. */
const longestAskedMs = 60 * 60_000
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
  { earlierMs, elapsedMs }: { readonly earlierMs: number; readonly elapsedMs: number },
  policy: DeliveryPolicy
): number | undefined => {
  if (!isOpen(error)) return undefined
  const pause = Math.min(policy.firstPauseMs * 2 ** Math.min(tries, 20), longestPauseMs)
  if (earlierMs + elapsedMs >= policy.giveUpAfterMs) return undefined
  const askedMs = error._tag === "DeliveryFailed" ? (error.retryAfterMs ?? 0) : 0
  return Math.max(pause, Math.min(askedMs, longestAskedMs))
}

/** What delivers. With `abandon` a message that could still go out and is given up becomes a dead letter. */
export interface Courier extends Pick<Channels["Service"], "deliver">, Partial<Pick<Channels["Service"], "abandon">> {
  /** Unix milliseconds at which an earlier process began with the message; else the time counts from now. */
  readonly since?: (key: string) => Effect.Effect<number | undefined>
  /** Runs each wait between two tries. */
  readonly waits?: (wait: Effect.Effect<void>) => Effect.Effect<void>
}

/** Delivers a message that has an idempotency key. `what` names it in the log. */
export const deliverPatiently = Effect.fnUntraced(function* (
  courier: Courier,
  message: OutboundMessage & { readonly idempotencyKey: string },
  policy: DeliveryPolicy,
  what: string
): Effect.fn.Return<DeliveryReceipt, ChannelNotConfigured | DeliveryFailed> {
  const elapsed = yield* stopwatch
  const since = courier.since === undefined ? undefined : yield* courier.since(message.idempotencyKey)
  const earlierMs = since === undefined ? 0 : Math.max(0, (yield* now) - since)
  for (let tries = 0; ; tries++) {
    const sent = yield* Effect.result(courier.deliver(message))
    if (sent._tag === "Success") return sent.success
    const error = sent.failure
    const pause = pauseAfter(error, tries, { earlierMs, elapsedMs: yield* elapsed }, policy)
    if (pause === undefined) {
      if (courier.abandon !== undefined && isOpen(error)) {
        const abandoned = courier.abandon(message.idempotencyKey, `given up: ${error.message}`)
        yield* stored("noting that a message is given up", abandoned)
      }
      return yield* error
    }
    const told = `${what} is tried again in ${pause} ms: ${error.message}`
    yield* tries < toldTries ? Effect.logInfo(told) : Effect.logDebug(told)
    yield* (courier.waits ?? identity)(Effect.sleep(pause))
  }
})
