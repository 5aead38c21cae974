/**
 * The way of a reply to its channel: sent once, tried again only when it is certain that nothing arrived.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import { Channels } from "../../services/ChannelRouter.ts"
import type { TurnOutcome, TurnRequest } from "../../services/Turns.ts"
import { deliverPatiently, type DeliveryPolicy } from "../channels/deliverPatiently.ts"
import { givenUp } from "./GivingUp.ts"

export type { DeliveryPolicy } from "../channels/deliverPatiently.ts"

export const Delivered = Schema.Union([
  Schema.Struct({ _tag: Schema.tag("Delivered"), messageIds: Schema.Array(Schema.String) }),
  Schema.Struct({ _tag: Schema.tag("NotDelivered"), message: Schema.String })
])
export type Delivered = typeof Delivered.Type

const send = Effect.fnUntraced(function* (request: TurnRequest, outcome: TurnOutcome, policy: DeliveryPolicy) {
  const { replyTo, runId, sessionKey } = request
  if (replyTo === undefined) return { _tag: "Delivered", messageIds: [] } as const
  const channels = yield* Channels
  const message = {
    peer: replyTo.peer,
    text: outcome.text,
    // The reply itself may have been begun: another text under its key would be refused.
    idempotencyKey: `${runId}:${outcome.error === givenUp ? "given-up" : "reply"}`,
    ...(replyTo.messageId === undefined ? {} : { replyToMessageId: replyTo.messageId })
  }
  const what = `reply of turn ${runId} in ${sessionKey}`
  return yield* Effect.matchEffect(deliverPatiently(channels, message, policy, what), {
    onSuccess: ({ messageIds }) => Effect.succeed({ _tag: "Delivered", messageIds } as const),
    onFailure: (error) =>
      Effect.as(Effect.logWarning(`${what} was not delivered: ${error.message}`), {
        _tag: "NotDelivered",
        message: error.message
      } as const)
  })
})

/** A step of the turn: once it has an answer, the reply is never sent again. */
export const deliver = (request: TurnRequest, outcome: TurnOutcome, policy: DeliveryPolicy) =>
  Activity.make({ name: "deliver", success: Delivered, execute: send(request, outcome, policy) })
