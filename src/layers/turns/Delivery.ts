/**
 * The way of a reply to its channel: sent once, tried again only when it is certain that nothing arrived.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import type { DeliveryFailed } from "../../services/Channel.ts"
import { type ChannelNotConfigured, Channels } from "../../services/ChannelRouter.ts"
import type { TurnOutcome, TurnRequest } from "../../services/Turns.ts"

export const Delivered = Schema.Union([
  Schema.Struct({ _tag: Schema.tag("Delivered"), messageIds: Schema.Array(Schema.String) }),
  Schema.Struct({ _tag: Schema.tag("NotDelivered"), message: Schema.String })
])
export type Delivered = typeof Delivered.Type

export interface DeliveryPolicy {
  /** Milliseconds during which a reply that certainly did not arrive is tried again. */
  readonly giveUpAfterMs: number
  /** Milliseconds until the second try; doubled for each later one, at most 30 s. */
  readonly firstPauseMs: number
}

/** Milliseconds that a resumed turn waits for its channel, which may not have been started yet. */
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
  if (error.outcome !== "never-sent" || elapsedMs >= policy.giveUpAfterMs) return undefined
  return Math.max(pause, error.retryAfterMs ?? 0)
}

const send = Effect.fnUntraced(function* (request: TurnRequest, text: string, policy: DeliveryPolicy) {
  const { replyTo, runId, sessionKey } = request
  if (replyTo === undefined) return { _tag: "Delivered", messageIds: [] } as const
  const channels = yield* Channels
  const message = {
    peer: replyTo.peer,
    text,
    idempotencyKey: `${runId}:reply`,
    ...(replyTo.messageId === undefined ? {} : { replyToMessageId: replyTo.messageId })
  }
  const startedAt = yield* Clock.currentTimeMillis
  for (let tries = 0; ; tries++) {
    const sent = yield* Effect.result(channels.deliver(message))
    if (sent._tag === "Success") return { _tag: "Delivered", messageIds: sent.success.messageIds } as const
    const error = sent.failure
    const pause = pauseAfter(error, tries, (yield* Clock.currentTimeMillis) - startedAt, policy)
    if (pause === undefined) {
      yield* Effect.logWarning(`reply of turn ${runId} in ${sessionKey} was not delivered: ${error.message}`)
      return { _tag: "NotDelivered", message: error.message } as const
    }
    yield* Effect.logInfo(`reply of turn ${runId} in ${sessionKey} is tried again in ${pause} ms: ${error.message}`)
    yield* Effect.sleep(pause)
  }
})

/** A step of the turn: once it has an answer, the reply is never sent again. */
export const deliver = (request: TurnRequest, outcome: TurnOutcome, policy: DeliveryPolicy) =>
  Activity.make({ name: "deliver", success: Delivered, execute: send(request, outcome.text, policy) })
