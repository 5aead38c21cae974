/**
 * `channels.deadLetters.*`: what was given up and waits for the operator. These methods are ours.
 *
 * Times are Unix milliseconds.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Name } from "../text.ts"
import { method } from "./method.ts"

/**
 * What was given up: `turn`, a message whose turn stopped the Gateway each time; `delivery`, a message to a chat that its
 * channel refused, or of which nobody knows whether it arrived; `message`, one that was received and never had a turn.
 */
export const DeadLetterKind = Schema.Literals(["turn", "delivery", "message"])
export type DeadLetterKind = typeof DeadLetterKind.Type

/** One dead letter. */
export const DeadLetter = Schema.Struct({
  id: Schema.NonEmptyString,
  kind: DeadLetterKind,
  /** How often it was tried, where that is counted. */
  attempts: Schema.optional(Schema.Natural),
  /** Why it was given up. */
  error: Schema.String,
  /**
   * Trying it again may repeat something: of a delivery nobody knows whether it arrived, or tools were begun in a turn, which
   * may have had their effect.
   */
  mayDouble: Schema.Boolean,
  receivedAt: Schema.Natural,
  failedAt: Schema.Natural,
  runId: Schema.optional(Schema.String),
  sessionKey: Schema.optional(Schema.String),
  channel: Schema.optional(Schema.String),
  accountId: Schema.optional(Schema.String),
  chatId: Schema.optional(Schema.String),
  senderId: Schema.optional(Schema.String)
})
export type DeadLetter = typeof DeadLetter.Type

/** With what it says, as far as that is kept. */
export const DeadLetterDetail = Schema.Struct({ ...DeadLetter.fields, text: Schema.optional(Schema.String) })
export type DeadLetterDetail = typeof DeadLetterDetail.Type

export const DeadLetterCounts = Schema.Struct({
  total: Schema.Natural,
  turn: Schema.Natural,
  delivery: Schema.Natural,
  message: Schema.Natural,
  oldestFailedAt: Schema.optional(Schema.Natural)
})
export type DeadLetterCounts = typeof DeadLetterCounts.Type

const Id = Schema.Struct({ id: Name })

export const DeadLetterMethods = RpcGroup.make(
  /** Messages that were set aside, because they could not be worked on or delivered. */
  method("channels.deadLetters.list", {
    access: "operator.read",
    params: Schema.Struct({
      channel: Schema.optional(Name),
      kind: Schema.optional(DeadLetterKind),
      limit: Schema.optional(
        Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1), Schema.isLessThanOrEqualTo(1000)))
      )
    }),
    result: Schema.Struct({
      ts: Schema.Natural,
      counts: DeadLetterCounts,
      /** Oldest first; 200 when no limit is given. */
      deadLetters: Schema.Array(DeadLetter)
    })
  }),
  /** One of them, with why it was set aside. */
  method("channels.deadLetters.show", {
    access: "operator.read",
    params: Id,
    result: DeadLetterDetail
  }),
  /** Takes one of them up again. Again after a success it answers the same, with `already`. */
  method("channels.deadLetters.retry", {
    access: "operator.write",
    params: Id,
    result: Schema.Struct({
      id: Schema.NonEmptyString,
      kind: DeadLetterKind,
      /** It was tried again before; nothing was done now. */
      already: Schema.Boolean,
      /** The new turn's id, for a `turn`. */
      runId: Schema.optional(Schema.String),
      /** Ids of the messages that were created, for a `delivery`. */
      messageIds: Schema.optional(Schema.Array(Schema.String)),
      /** It may have been shown before, or its tools may have done their work before. */
      mayDouble: Schema.Boolean
    })
  }),
  /** Forgets one of them. */
  method("channels.deadLetters.drop", {
    access: "operator.admin",
    params: Id,
    result: Schema.Struct({ id: Schema.NonEmptyString, kind: DeadLetterKind, already: Schema.Boolean })
  })
)
