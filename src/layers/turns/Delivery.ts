/**
 * The way of a reply to its channel: shown once, and tried again as long as that shows nothing whole twice.
 */
import * as Effect from "effect/Effect"
import { isBlank } from "../../domain/blank.ts"
import type { RunId } from "../../domain/Ids.ts"
import { Channels } from "../../services/ChannelRouter.ts"
import type { TurnOutcome, TurnRequest } from "../../services/Turns.ts"
import { type Courier, deliverPatiently, type DeliveryPolicy } from "../channels/deliverPatiently.ts"
import * as OutboxRows from "../channels/OutboxRows.ts"
import { givenUp } from "./GivingUp.ts"

export type { DeliveryPolicy } from "../channels/deliverPatiently.ts"

export type Delivered =
  | { readonly _tag: "Delivered"; readonly messageIds: ReadonlyArray<string> }
  | { readonly _tag: "NotDelivered"; readonly message: string }

const keyOf = (runId: RunId, what: "given-up" | "reply"): string => `${runId}:${what}`

/** The key of what a turn has to say last. The reply itself may have been begun: another text under its key would be refused. */
export const keyFor = ({ error, runId }: Pick<TurnOutcome, "error" | "runId">): string =>
  keyOf(runId, error === givenUp ? "given-up" : "reply")

/** There is something to deliver, and somewhere to. */
export const isWanted = (request: TurnRequest, outcome: TurnOutcome): boolean =>
  request.replyTo !== undefined && outcome.status !== "aborted" && !isBlank(outcome.text)

/** What the outbox knows of a key. */
export const makeLook = Effect.map(OutboxRows.make, ({ find }) => ({
  isSent: (key: string) => Effect.map(find(key), (row) => row?.state === "sent"),
  /** Unix milliseconds of the first try; `undefined` when there was none. */
  since: (key: string) =>
    Effect.map(
      Effect.orElseSucceed(find(key), () => undefined),
      (row) => row?.created_at
    )
}))

/** Both keys that a turn's last word may have. */
const keysOf = (runId: RunId) => [keyOf(runId, "reply"), keyOf(runId, "given-up")]

/** Takes a turn's last word back, as part of the caller's transaction; what is returned follows its commit. */
export const withdraw = Effect.fnUntraced(function* (runId: RunId) {
  const channels = yield* Channels
  const deeds = yield* Effect.forEach(keysOf(runId), channels.withdraw)
  return Effect.forEach(deeds, (deed) => deed, { discard: true })
})

/** Lets nobody try any more to deliver a turn's last word. */
export const abandon = Effect.fnUntraced(function* (runId: RunId, reason: string) {
  const channels = yield* Channels
  yield* Effect.forEach(keysOf(runId), (key) => channels.abandon(key, reason), { discard: true })
})

/**
 * A step of the turn that happens once. The outbox remembers by the key what became of it, so the engine need not: a turn that
 * starts again after a crash asks for the same delivery and gets what is left of it, or its answer.
 */
export const deliver = Effect.fnUntraced(function* (
  request: TurnRequest,
  outcome: TurnOutcome,
  policy: DeliveryPolicy,
  waiting: Pick<Courier, "since" | "waits">
): Effect.fn.Return<Delivered, never, Channels> {
  const { replyTo, runId, sessionKey } = request
  if (replyTo === undefined) return { _tag: "Delivered", messageIds: [] }
  const channels = yield* Channels
  const message = {
    peer: replyTo.peer,
    text: outcome.text,
    idempotencyKey: keyFor(outcome),
    ...(replyTo.messageId === undefined ? {} : { replyToMessageId: replyTo.messageId })
  }
  const courier: Courier = { deliver: channels.deliver, abandon: channels.abandon, ...waiting }
  const what = `reply of turn ${runId} in ${sessionKey}`
  return yield* Effect.matchEffect(deliverPatiently(courier, message, policy, what), {
    onSuccess: ({ messageIds }) => Effect.succeed({ _tag: "Delivered", messageIds } as const),
    onFailure: (error) =>
      Effect.as(Effect.logWarning(`${what} was not delivered: ${error.message}`), {
        _tag: "NotDelivered",
        message: error.message
      } as const)
  })
})
