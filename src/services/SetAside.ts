/**
 * Messages that were received and will not be handled any more unless somebody says so: one whose handling ended the process
 * time and again, one that could not be read, one whose bot did not come back. Each stays, with its text, until an operator
 * has it tried again or drops it.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { InboxFailed } from "./Channel.ts"

/**
 * Why a message is set aside. `crashed`: the process died each time that it was handled; `failed`: its handling died of a
 * defect; `unreadable`: the channel could not read it, or its row is damaged; `expired`: its bot did not run for a month.
 */
export const SetAsideReason = Schema.Literals(["crashed", "failed", "unreadable", "expired"])
export type SetAsideReason = typeof SetAsideReason.Type

/** One message that is set aside. What could not be read is missing. Times are Unix milliseconds. */
export const SetAsideMessage = Schema.Struct({
  /** The inbox's own number, which never comes again. */
  id: Schema.Natural,
  reason: SetAsideReason,
  /** One plain sentence. */
  detail: Schema.String,
  channel: Schema.NonEmptyString,
  /** Who received it, for example the bot's numeric id. */
  source: Schema.String,
  accountId: Schema.String,
  updateId: Schema.optional(Schema.String),
  chatId: Schema.optional(Schema.String),
  messageId: Schema.optional(Schema.String),
  sender: Schema.optional(Schema.Struct({ id: Schema.String, displayName: Schema.optional(Schema.String) })),
  /** What was written; of an unreadable message what the channel handed over, cut to 2,000 characters. */
  text: Schema.optional(Schema.String),
  /** How often the process died over it, as far as it was counted. */
  tries: Schema.Natural,
  receivedAt: Schema.Natural,
  setAsideAt: Schema.Natural
})
export type SetAsideMessage = typeof SetAsideMessage.Type

/** No message with this id is set aside: it never was, or it was tried again or dropped meanwhile. */
export class SetAsideNotFound extends Schema.TaggedError<SetAsideNotFound>()("SetAsideNotFound", {
  id: Schema.Natural
}) {
  override get message() {
    return `no message ${this.id} is set aside`
  }
}

/** The message cannot be tried again as it is; it stays where it was. */
export class SetAsideUnreadable extends Schema.TaggedError<SetAsideUnreadable>()("SetAsideUnreadable", {
  id: Schema.Natural,
  message: Schema.String
}) {}

export class SetAside extends Context.Service<
  SetAside,
  {
    /** The oldest first. */
    readonly list: Effect.Effect<ReadonlyArray<SetAsideMessage>, InboxFailed>
    readonly get: (id: number) => Effect.Effect<SetAsideMessage, SetAsideNotFound | InboxFailed>
    readonly count: Effect.Effect<number, InboxFailed>
    /**
     * Handles it as if it had just arrived, before what arrived later. Its tries begin anew. One that could not be read is
     * read again first, by the account of its bot that runs now.
     */
    readonly retry: (id: number) => Effect.Effect<void, SetAsideNotFound | SetAsideUnreadable | InboxFailed>
    /** Forgets its text; its key stays for a while, so that it does not come in again. */
    readonly drop: (id: number) => Effect.Effect<void, SetAsideNotFound | InboxFailed>
  }
>()("openclaw/services/SetAside") {}
