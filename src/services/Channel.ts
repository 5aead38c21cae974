/**
 * The interface that one channel implements: inbound messages, replies, and its state. Telegram is the first; an app that
 * embeds the Gateway adds its own.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ChannelAccountStatus } from "../protocol/methods/system.ts"
import type { TelegramAccountConfig } from "./ConfigSchema.ts"

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

/** The credentials are still where they were. */
export class ChannelLogoutFailed extends Schema.TaggedError<ChannelLogoutFailed>()("ChannelLogoutFailed", {
  channel: Schema.String,
  accountId: Schema.String,
  message: Schema.String
}) {}

/** `cleared`: some credentials were forgotten. `loggedOut`: none are left. `envToken`: one is in the environment. */
export interface LogoutResult {
  readonly cleared: boolean
  readonly loggedOut: boolean
  readonly envToken: boolean
}

/**
 * How far a message came that takes several on its channel. The outbox keeps it across restarts; only the channel that
 * wrote it reads it.
 */
export const DeliveryProgress = Schema.Struct({
  /** Ids of the messages that were created, in order. */
  messageIds: Schema.Array(Schema.String),
  /** The channel's own mark of the part that comes next. */
  next: Schema.NonEmptyString,
  /** Parts before `next` whose answer was lost: they may be missing. */
  lost: Schema.Natural,
  /** The message that shows the beginning of the part `next` and is changed into the whole of it. */
  open: Schema.optional(Schema.NonEmptyString),
  /** Beginnings that may have stayed in the chat because their ids were lost. 0 when left out. */
  orphans: Schema.optional(Schema.Natural),
  /** The chat that it goes to, when that is another one by now than the message names. */
  chatId: Schema.optional(Schema.NonEmptyString)
})
export type DeliveryProgress = typeof DeliveryProgress.Type

/** A message could not be delivered. */
export class DeliveryFailed extends Schema.TaggedError<DeliveryFailed>()("DeliveryFailed", {
  channel: Schema.String,
  to: Schema.String,
  message: Schema.String,
  /**
   * Of the part at which it stopped. `never-sent`: certain that it did not arrive, safe to send again; `unfinished`: it may
   * have arrived, and the same message with the same key is brought to its end without showing it twice; `unknown`: it may
   * have arrived, and nothing more is done; `refused`: for good.
   */
  outcome: Schema.Literals(["never-sent", "unfinished", "unknown", "refused"]),
  /** Some parts are dealt with, and those from here on certainly did not go out: they still can. */
  progress: Schema.optional(DeliveryProgress),
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
  /** The channel's number for handing it over, which may come again for something else; for the log. */
  updateId: Schema.NonEmptyString,
  /** Who received it, whatever the account is called: for example the bot's numeric id. */
  source: Schema.NonEmptyString,
  peer: Peer,
  /** Unique within the source and the chat: the same id again is the same message. */
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

/** A file that a message shows. Its bytes are kept in the state directory until the message is delivered. */
export const OutboundMedia = Schema.Struct({
  /** Names the bytes; another one for other bytes. */
  id: Schema.NonEmptyString,
  /** What the receiver sees as its name. */
  name: Schema.NonEmptyString,
  mimeType: Schema.NonEmptyString,
  /** Bytes. */
  size: Schema.Natural,
  /** Sent as it is, also where the channel could show it. */
  asDocument: Schema.optional(Schema.Boolean)
})
export type OutboundMedia = typeof OutboundMedia.Type

export const OutboundMessage = Schema.Struct({
  peer: Peer,
  /** Shown in this order, before what of the text is no caption. Only for channels that have `mediaMaxBytes`. */
  media: Schema.optional(Schema.Array(OutboundMedia)),
  /** Markdown. The channel renders, splits and falls back to plain text as it must. */
  text: Schema.String,
  replyToMessageId: Schema.optional(Schema.String),
  silent: Schema.optional(Schema.Boolean),
  /** Below the text: commands that a reader sends by a press. A channel leaves out what it cannot carry. */
  buttons: Schema.optional(
    Schema.Array(Schema.Struct({ label: Schema.NonEmptyString, command: Schema.NonEmptyString }))
  ),
  /** The same key again is the same message: the outbox does not send it twice. */
  idempotencyKey: Schema.optional(Schema.NonEmptyString)
})
export type OutboundMessage = typeof OutboundMessage.Type

/** `messageIds`: of the messages that were created, in order. `orphans`: beginnings that may have stayed besides them. */
export const DeliveryReceipt = Schema.Struct({
  messageIds: Schema.Array(Schema.String),
  orphans: Schema.optional(Schema.Natural)
})
export type DeliveryReceipt = typeof DeliveryReceipt.Type

/** What the outbox knows of a message when it asks a channel to send it. */
export interface DeliveryAttempt {
  /** Where an earlier attempt stopped, as far as it was kept. */
  readonly from?: DeliveryProgress
  /**
   * That attempt was cut off, so the step behind `from` may have been taken. A channel that `resumes` takes it again without
   * showing anything whole twice; any other passes the part over that `from.next` names and counts it as lost.
   */
  readonly cut?: boolean
  /**
   * Keeps the progress on disk. Called before each part of a message that has several, and with the id of each message that
   * is open. A channel that does not resume and never calls it is never asked to go on.
   */
  readonly keep?: (progress: DeliveryProgress) => Effect.Effect<void>
  /**
   * Ends once nobody wants the message any more. A channel that only waits to begin with it stops then, as `never-sent`; what
   * it has begun it goes on with.
   */
  readonly withdrawn?: Effect.Effect<void>
  /** Reads a file of the message; `undefined` when it is gone. */
  readonly read?: (media: OutboundMedia) => Effect.Effect<Uint8Array | undefined>
}

/** Something that a channel was handed and cannot read, although it may have been meant for the bot. It is set aside. */
export interface UnreadMessage {
  /** The channel's number for handing it over, if it has one. */
  readonly updateId?: string
  /** Who received it, as in `InboundMessage`. */
  readonly source: string
  /** As it came; the same again is the same message. */
  readonly raw: string
  /** Why, in words. */
  readonly reason: string
}

/** Stores everything or nothing. Once it succeeded, all of it may be confirmed to the channel. */
export type Commit = (
  messages: ReadonlyArray<InboundMessage>,
  unread?: ReadonlyArray<UnreadMessage>
) => Effect.Effect<void, InboxFailed>

/** Who may talk to the bot on a channel, in the words that `channels.telegram` has for it. */
export type ChannelPolicy = Pick<
  TelegramAccountConfig,
  "dmPolicy" | "allowFrom" | "groupPolicy" | "groupAllowFrom" | "groups"
>

export interface Channel {
  readonly id: string
  readonly label: string
  readonly accountId: string
  /**
   * Who may talk to the bot here. Left out, the configuration says it, which it can for Telegram only; for any other channel
   * people are then let in one by one by their codes (`openclaw pairing approve`), and groups are not answered.
   */
  readonly policy?: ChannelPolicy
  /**
   * The `source` of what this channel receives, when it is known beforehand. Messages that wait are then found by it, also
   * after the account was given another name.
   */
  readonly source?: string
  /**
   * Only one program may receive for this `source` at a time. The router then runs `receive` only while this Gateway holds the
   * lease of the source, and says here, once a change, why it does not.
   */
  readonly standby?: (why: string) => Effect.Effect<void>
  /** Reads again what could not be read once, after an upgrade perhaps; `undefined` when it still cannot. */
  readonly reread?: (raw: string) => Effect.Effect<InboundMessage | undefined>
  /**
   * Receives for ever. Hands every message to `commit` and confirms it to the channel only after `commit` succeeded.
   * Supervised by the ChannelRouter: `ChannelUnauthorized` ends it, anything else is tried again.
   */
  readonly receive: (commit: Commit) => Effect.Effect<never, ChannelUnauthorized | ChannelInterrupted | InboxFailed>
  /**
   * Attempts that were cut off anywhere, also before they kept anything, can be made again: no part is shown whole twice.
   * Otherwise a message whose process died while it was sent is `unknown` and never sent again.
   */
  readonly resumes?: true
  /** The biggest file that it sends, in bytes; it sends none when left out. */
  readonly mediaMaxBytes?: number
  readonly send: (message: OutboundMessage, attempt?: DeliveryAttempt) => Effect.Effect<DeliveryReceipt, DeliveryFailed>
  /** Shows that the bot is at work, until interrupted. */
  readonly typing: (peer: Peer) => Effect.Effect<void>
  /** Reads a destination as people write it (`123`, `telegram:123`, `-100…:topic:7`); `undefined` when it is none. */
  readonly parsePeer: (to: string, threadId?: string) => Peer | undefined
  readonly status: Effect.Effect<ChannelAccountStatus>
  /** Forgets the account's credentials, where the channel keeps them itself. */
  readonly logout?: Effect.Effect<LogoutResult, ChannelLogoutFailed>
  /** Asks the channel whether the credentials work; for `channels.status` with `probe`. */
  readonly probe: Effect.Effect<unknown>
}
