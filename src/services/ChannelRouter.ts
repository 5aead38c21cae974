/**
 * Channels and sessions: which session an inbound message belongs to, who may write to the bot, which channel a reply
 * leaves by, and the life of every channel.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ChannelsStatusResult } from "../protocol/methods/system.ts"
import type {
  Channel,
  ChannelLogoutFailed,
  ChannelPolicy,
  DeliveryFailed,
  DeliveryReceipt,
  LogoutResult,
  OutboundMessage,
  Peer
} from "./Channel.ts"

/** The configuration has no such channel, so that nothing is sent or received by it. */
export class ChannelNotConfigured extends Schema.TaggedError<ChannelNotConfigured>()("ChannelNotConfigured", {
  channel: Schema.String
}) {
  override get message() {
    return `channel ${this.channel} is not configured; set channels.${this.channel} in openclaw.json`
  }
}

/** The destination is not one that the channel understands. */
export class InvalidDestination extends Schema.TaggedError<InvalidDestination>()("InvalidDestination", {
  channel: Schema.String,
  to: Schema.String
}) {
  override get message() {
    return `"${this.to}" is no destination on ${this.channel}`
  }
}

/** No access request has this code. */
export class AccessCodeNotFound extends Schema.TaggedError<AccessCodeNotFound>()("AccessCodeNotFound", {
  code: Schema.String
}) {
  override get message() {
    return `no pending access request has the code ${this.code}; codes expire after one hour`
  }
}

/** Who may write to the bot cannot be read or written now; nothing was changed. */
export class AccessStorageFailed extends Schema.TaggedError<AccessStorageFailed>()("AccessStorageFailed", {
  message: Schema.String
}) {}

/** A person who wrote to the bot and waits to be let in. Times are Unix milliseconds. */
export const AccessRequest = Schema.Struct({
  channel: Schema.String,
  accountId: Schema.String,
  senderId: Schema.String,
  displayName: Schema.optional(Schema.String),
  username: Schema.optional(Schema.String),
  code: Schema.String,
  createdAt: Schema.Natural,
  /** When they wrote last. */
  lastSeenAt: Schema.Natural,
  expiresAt: Schema.Natural
})
export type AccessRequest = typeof AccessRequest.Type

/**
 * A message that is not delivered, or not known to be. Times are Unix milliseconds.
 *
 * `sending`: on its way; `waiting`: stopped and taken up again by whoever sent it, or after a restart; `unknown`: it may have
 * arrived and is not sent again; `refused`: the channel does not take it, or it was given up.
 */
export const OpenDelivery = Schema.Struct({
  key: Schema.NonEmptyString,
  channel: Schema.String,
  accountId: Schema.String,
  chatId: Schema.String,
  state: Schema.Literals(["sending", "waiting", "unknown", "refused"]),
  /** Why it stopped last. */
  error: Schema.optional(Schema.String),
  since: Schema.Natural,
  updatedAt: Schema.Natural,
  /** Beginnings of it that may have stayed in the chat without an end. */
  orphans: Schema.Natural,
  /** What it says; missing where only its fingerprint was kept. */
  text: Schema.optional(Schema.String)
})
export type OpenDelivery = typeof OpenDelivery.Type

/** No message with this key is open. */
export class DeliveryNotFound extends Schema.TaggedError<DeliveryNotFound>()("DeliveryNotFound", {
  key: Schema.String
}) {
  override get message() {
    return `no message that is not delivered has the key ${this.key}; what was kept for it may have been dropped or sent`
  }
}

/** The outbox could not be read or written. */
export class DeliveryStorageFailed extends Schema.TaggedError<DeliveryStorageFailed>()("DeliveryStorageFailed", {
  message: Schema.String,
  /** What the storage said. */
  cause: Schema.optional(Schema.Unknown)
}) {}

/** A file that is to be sent. */
export interface MediaToSend {
  readonly bytes: Uint8Array
  readonly name: string
  readonly mimeType: string
  readonly asDocument?: boolean
}

/** The channels that exist now, and the way out through them. */
export class Channels extends Context.Service<
  Channels,
  {
    /** Who may talk to the bot on an account, where its channel itself says so. */
    readonly policy: (channel: string, accountId: string) => Effect.Effect<ChannelPolicy | undefined>
    /** Makes a channel known until the scope closes. */
    readonly register: (channel: Channel) => Effect.Effect<void, never, Scope.Scope>
    /** Reads a destination as people write it. The channel and its account default to the first. */
    readonly resolve: (options: {
      readonly channel?: string
      readonly accountId?: string
      readonly to: string
      readonly threadId?: string
    }) => Effect.Effect<Peer, ChannelNotConfigured | InvalidDestination>
    /** Sends a message out through any channel. `to` is read by the channel; the account defaults to its first. */
    readonly send: (options: {
      readonly channel?: string
      readonly accountId?: string
      readonly to: string
      readonly threadId?: string
      readonly text: string
      readonly media?: ReadonlyArray<MediaToSend>
      readonly silent?: boolean
      readonly replyToMessageId?: string
      readonly idempotencyKey: string
    }) => Effect.Effect<
      DeliveryReceipt & { readonly channel: string; readonly chatId: string },
      ChannelNotConfigured | InvalidDestination | DeliveryFailed
    >
    /**
     * Delivers a reply by the channel it belongs to. One with an idempotency key is sent once, whatever dies whenever: the
     * same key again gets the same receipt, and `unknown` when a crash left it open whether it arrived.
     */
    readonly deliver: (
      message: OutboundMessage
    ) => Effect.Effect<DeliveryReceipt, ChannelNotConfigured | DeliveryFailed>
    /** What is not delivered, oldest first, at most `limit` (500). */
    readonly deliveries: (options?: {
      readonly limit?: number
    }) => Effect.Effect<ReadonlyArray<OpenDelivery>, DeliveryStorageFailed>
    /** How many messages are in each state. */
    readonly deliveryCounts: Effect.Effect<{ readonly [state in OpenDelivery["state"]]: number }, DeliveryStorageFailed>
    /**
     * Sends a message again on somebody's word. What was `unknown` may then be in the chat twice; a part that is known to have
     * arrived is not sent again.
     */
    readonly retryDelivery: (
      key: string
    ) => Effect.Effect<
      DeliveryReceipt,
      DeliveryNotFound | DeliveryStorageFailed | ChannelNotConfigured | DeliveryFailed
    >
    /** Forgets a message that is not delivered, unless it is on its way right now. Says whether there was one. */
    readonly dropDelivery: (key: string) => Effect.Effect<boolean, DeliveryStorageFailed>
    /**
     * Takes a message back whose sender wants no more of it. Its part of the caller's transaction: one of which nothing is shown
     * is dropped, and any other is noted as taken back, also for the next start. The effect that is returned, run after the
     * commit, brings to its end in the background what is shown in part, and sees to what is on its way right now.
     */
    readonly withdraw: (key: string) => Effect.Effect<Effect.Effect<void>, DeliveryStorageFailed>
    /** Notes that nobody tries any more to send a message: it is `refused` from then on, for this reason. */
    readonly abandon: (key: string, reason: string) => Effect.Effect<void, DeliveryStorageFailed>
    /** Shows that the bot is at work in a chat, until interrupted. */
    readonly typing: (peer: Peer) => Effect.Effect<void>
    readonly status: (options?: {
      readonly probe?: boolean
      readonly channel?: string
    }) => Effect.Effect<ChannelsStatusResult>
  }
>()("openclaw/services/Channels") {}

/** The way in: runs channels and turns what they receive into turns. */
export class ChannelRouter extends Context.Service<
  ChannelRouter,
  {
    /** Runs a channel until the scope closes: receive, commit, policy, session, turn. Registers it with `Channels`. */
    readonly add: (channel: Channel) => Effect.Effect<void, never, Scope.Scope>
    /**
     * Lets an account receive again that was stopped or whose credentials were refused. `undefined` when there is no such
     * account, `running` when it receives already or tries to.
     */
    readonly start: (channel: string, accountId: string) => Effect.Effect<"started" | "running" | undefined>
    /**
     * Nothing is received for an account any more until it is started, also when it is added anew; the next process of this
     * Gateway starts it. Messages leave as before. `false` when there is no such account.
     */
    readonly stop: (channel: string, accountId: string) => Effect.Effect<boolean>
    /**
     * Stops an account and has it forget its credentials. It stays stopped as long as some are left. `undefined` when there is
     * no such account, or its channel knows no logout.
     */
    readonly logout: (
      channel: string,
      accountId: string
    ) => Effect.Effect<LogoutResult | undefined, ChannelLogoutFailed>
    /**
     * Takes nothing in any more, for the end of the process: no channel receives, and what waits in the inbox waits for the next
     * start. What was handed over and is not stored is not confirmed. Messages leave as before.
     */
    readonly pause: Effect.Effect<void>
  }
>()("openclaw/services/ChannelRouter") {}

/**
 * Who may write to the bot: the store behind `dmPolicy: "pairing"`. It is a file in the state directory, so that
 * `openclaw pairing approve` works whether or not a Gateway runs.
 */
export class ChannelAccess extends Context.Service<
  ChannelAccess,
  {
    /** Ids let in by pairing. */
    readonly allowed: (channel: string, accountId: string) => Effect.Effect<ReadonlyArray<string>, AccessStorageFailed>
    /**
     * The sender's pending request; a new one with a fresh code when there is none. `created` says which, `delivered`
     * whether the sender has the code. `undefined` when too many wait already.
     */
    readonly request: (
      sender: Omit<AccessRequest, "code" | "createdAt" | "lastSeenAt" | "expiresAt">
    ) => Effect.Effect<
      { readonly request: AccessRequest; readonly created: boolean; readonly delivered: boolean } | undefined,
      AccessStorageFailed
    >
    /** Notes that a code reached its sender. */
    readonly delivered: (channel: string, code: string) => Effect.Effect<void, AccessStorageFailed>
    readonly pending: (channel?: string) => Effect.Effect<ReadonlyArray<AccessRequest>, AccessStorageFailed>
    readonly approve: (
      channel: string,
      code: string
    ) => Effect.Effect<AccessRequest, AccessCodeNotFound | AccessStorageFailed>
    /** Forgets a request without letting its sender in, who may ask again. */
    readonly dismiss: (
      channel: string,
      code: string
    ) => Effect.Effect<AccessRequest, AccessCodeNotFound | AccessStorageFailed>
  }
>()("openclaw/services/ChannelAccess") {}
