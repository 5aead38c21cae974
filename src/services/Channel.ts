/**
 * The interface that one channel implements: inbound messages, replies, and its state. Telegram is the first; an app that
 * embeds the Gateway adds its own.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ChannelAccountStatus } from "../protocol/methods/system.ts"

/** The channel's credentials were refused. Terminal for the channel; the Gateway stays up. */
export class ChannelUnauthorized extends Schema.TaggedError<ChannelUnauthorized>()("ChannelUnauthorized", {
  channel: Schema.String,
  accountId: Schema.String,
  message: Schema.String
}) {}

/** The channel cannot receive just now; it is tried again. */
export class ChannelInterrupted extends Schema.TaggedError<ChannelInterrupted>()("ChannelInterrupted", {
  channel: Schema.String,
  accountId: Schema.String,
  message: Schema.String,
  /** Milliseconds that the channel asked to wait. */
  retryAfterMs: Schema.optional(Schema.Finite)
}) {}

/** A message could not be delivered. */
export class DeliveryFailed extends Schema.TaggedError<DeliveryFailed>()("DeliveryFailed", {
  channel: Schema.String,
  to: Schema.String,
  message: Schema.String,
  /** `never-sent`: certain that nothing arrived, safe to send again; `unknown`: it may have arrived; `refused`: for good. */
  outcome: Schema.Literals(["never-sent", "unknown", "refused"]),
  retryAfterMs: Schema.optional(Schema.Finite)
}) {}

/** An inbound message could not be committed; the channel must not confirm it. */
export class InboxFailed extends Schema.TaggedError<InboxFailed>()("InboxFailed", { message: Schema.String }) {}

/** Where a message came from or goes to. `chatId` is the channel's own id, as text. */
export const Peer = Schema.Struct({
  channel: Schema.NonEmptyString,
  accountId: Schema.NonEmptyString,
  chatId: Schema.NonEmptyString,
  chatType: Schema.Literals(["direct", "group", "channel"]),
  threadId: Schema.optional(Schema.String)
})
export type Peer = typeof Peer.Type

/** One message that somebody sent to the bot. */
export const InboundMessage = Schema.Struct({
  /** Unique within `(channel, account)`; the same id again is the same message. */
  updateId: Schema.NonEmptyString,
  /** Which credential's sequence `updateId` belongs to, for example the bot's numeric id. */
  source: Schema.NonEmptyString,
  peer: Peer,
  messageId: Schema.NonEmptyString,
  sender: Schema.Struct({
    /** The channel's immutable id; access policy looks at nothing else. */
    id: Schema.NonEmptyString,
    username: Schema.optional(Schema.String),
    displayName: Schema.optional(Schema.String)
  }),
  text: Schema.String,
  /** The bot was addressed: mentioned, replied to, or a command. Always true in direct chats. */
  addressed: Schema.Boolean,
  /** Unix milliseconds. */
  sentAt: Schema.Natural
})
export type InboundMessage = typeof InboundMessage.Type

export const OutboundMessage = Schema.Struct({
  peer: Peer,
  /** Markdown. The channel renders, splits and falls back to plain text as it must. */
  text: Schema.String,
  replyToMessageId: Schema.optional(Schema.String),
  silent: Schema.optional(Schema.Boolean),
  /** The same key again is the same message: the outbox does not send it twice. */
  idempotencyKey: Schema.optional(Schema.NonEmptyString)
})
export type OutboundMessage = typeof OutboundMessage.Type

/** Ids of the messages that were created, in order. */
export const DeliveryReceipt = Schema.Struct({ messageIds: Schema.Array(Schema.String) })
export type DeliveryReceipt = typeof DeliveryReceipt.Type

export interface Channel {
  readonly id: string
  readonly label: string
  readonly accountId: string
  /**
   * Receives for ever. Hands every message to `commit` and confirms it to the channel only after `commit` succeeded.
   * Supervised by the ChannelRouter: `ChannelUnauthorized` ends it, anything else is tried again.
   */
  readonly receive: (
    commit: (messages: ReadonlyArray<InboundMessage>) => Effect.Effect<void, InboxFailed>
  ) => Effect.Effect<never, ChannelUnauthorized | ChannelInterrupted | InboxFailed>
  readonly send: (message: OutboundMessage) => Effect.Effect<DeliveryReceipt, DeliveryFailed>
  /** Shows that the bot is at work, until interrupted. */
  readonly typing: (peer: Peer) => Effect.Effect<void>
  /** Reads a destination as people write it (`123`, `telegram:123`, `-100…:topic:7`); `undefined` when it is none. */
  readonly parsePeer: (to: string, threadId?: string) => Peer | undefined
  readonly status: Effect.Effect<ChannelAccountStatus>
  /** Asks the channel whether the credentials work; for `channels.status` with `probe`. */
  readonly probe: Effect.Effect<unknown>
}
