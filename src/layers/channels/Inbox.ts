/**
 * The inbox: every message that a channel received, stored before the channel hears that it arrived, and what the bot owes
 * an answer to by itself.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { Channel } from "../../services/Channel.ts"
import { InboundMessage, InboxFailed, OutboundMessage } from "../../services/Channel.ts"
import { now } from "../now.ts"

/** Milliseconds that the keys of finished messages are kept. Telegram repeats an update for at most a day. */
export const keepMs = 3 * 24 * 60 * 60 * 1_000
/** Milliseconds that a message waits for its bot to come back. Nobody wants an answer after that. */
export const waitMs = 30 * 24 * 60 * 60 * 1_000

/** What the bot says by itself. `code` is the pairing code that the text tells. */
export const Reply = Schema.Struct({
  message: Schema.Struct({ ...OutboundMessage.fields, idempotencyKey: Schema.NonEmptyString }),
  code: Schema.optional(Schema.String)
})
export type Reply = typeof Reply.Type

const WaitingRow = Schema.Struct({ seq: Schema.Natural, received_at: Schema.Natural, message: Schema.String })
const decodeWaiting = Schema.decodeUnknownEffect(Schema.Array(WaitingRow))
const StoredReply = Schema.fromJsonString(Reply)
const decodeReply = Schema.decodeUnknownEffect(StoredReply)
const encodeReply = Schema.encodeSync(StoredReply)
const StoredMessage = Schema.fromJsonString(InboundMessage)
const encodeMessage = Schema.encodeEffect(StoredMessage)

/** A message that waits for its turn. */
export interface Waiting {
  readonly seq: number
  /** Unix milliseconds of the commit. */
  readonly receivedAt: number
  /** The message as it was stored, an `InboundMessage` in JSON. */
  readonly stored: string
}

/** Reads what was stored. */
export const decodeMessage = Schema.decodeUnknownEffect(StoredMessage)

/** A message's name within its channel and source: chats number their messages once and for all. */
export const keyOf = ({ messageId, peer }: Pick<InboundMessage, "messageId" | "peer">): string =>
  `${peer.chatId}:${messageId}`

const orInboxFailed = Effect.mapError(
  (error: { readonly message: string }) => new InboxFailed({ message: `the inbox cannot be used: ${error.message}` })
)

/**
 * Reads and writes one channel's part of the inbox. Whose messages those are is said by the source where it is known, because
 * the account's name may change.
 */
export const make = Effect.fnUntraced(function* ({ accountId, id: channel, source }: Channel) {
  const sql = yield* SqlClient.SqlClient
  const own =
    source === undefined
      ? sql`channel = ${channel} AND account_id = ${accountId}`
      : sql`channel = ${channel} AND source = ${source}`
  return {
    /** Stores what is new, all of it or nothing. A message that was stored before changes nothing. */
    commit: Effect.fn("Inbox.commit")(
      function* (messages: ReadonlyArray<InboundMessage>) {
        const receivedAt = yield* now
        for (const message of messages) {
          const stored = yield* encodeMessage(message)
          yield* sql`
            INSERT INTO channel_inbox (channel, source, message_key, account_id, received_at, message)
            VALUES (${channel}, ${message.source}, ${keyOf(message)}, ${accountId}, ${receivedAt}, ${stored})
            ON CONFLICT DO NOTHING`
        }
      },
      (effect) => Effect.uninterruptible(sql.withTransaction(effect)),
      orInboxFailed
    ),
    /** The oldest messages that wait. */
    waiting: Effect.fnUntraced(function* (limit: number) {
      const rows = yield* decodeWaiting(
        yield* sql`
          SELECT seq, received_at, message FROM channel_inbox
          WHERE ${own} AND message IS NOT NULL ORDER BY seq LIMIT ${limit}`
      )
      return rows.map((row): Waiting => ({ seq: row.seq, receivedAt: row.received_at, stored: row.message }))
    }, orInboxFailed),
    /** The message is dealt with; only its key remains. `false` when it was already. */
    done: Effect.fnUntraced(function* (seq: number) {
      const rows = yield* sql`
        UPDATE channel_inbox SET message = NULL WHERE seq = ${seq} AND message IS NOT NULL RETURNING seq`
      return rows.length > 0
    }, orInboxFailed),
    /** Keeps what is to be said about a message. */
    owe: (seq: number, reply: Reply) =>
      orInboxFailed(sql`UPDATE channel_inbox SET reply = ${encodeReply(reply)} WHERE seq = ${seq}`),
    /** What is still to be said. */
    owed: Effect.gen(function* () {
      const rows = yield* sql<{ readonly seq: number; readonly reply: string }>`
        SELECT seq, reply FROM channel_inbox WHERE ${own} AND reply IS NOT NULL ORDER BY seq`
      const read = yield* Effect.forEach(rows, ({ reply, seq }) =>
        decodeReply(reply).pipe(
          Effect.map((decoded) => [{ seq, reply: decoded }]),
          // It would keep everything behind it from being said.
          Effect.catchTag("SchemaError", () =>
            Effect.logError(`the answer of inbox row ${seq} cannot be read and is given up`).pipe(
              Effect.andThen(sql`UPDATE channel_inbox SET reply = NULL WHERE seq = ${seq}`),
              Effect.as([])
            )
          )
        )
      )
      return read.flat()
    }).pipe(orInboxFailed),
    /** Whether a pairing code is still to be told. */
    owesCode: Effect.fnUntraced(function* (code: string) {
      const rows = yield* sql`
        SELECT seq FROM channel_inbox
        WHERE ${own} AND reply IS NOT NULL AND json_valid(reply) AND json_extract(reply, '$.code') = ${code} LIMIT 1`
      return rows.length > 0
    }, orInboxFailed),
    /** It was said, or given up. */
    said: (seq: number) => orInboxFailed(sql`UPDATE channel_inbox SET reply = NULL WHERE seq = ${seq}`)
  }
})

export type Inbox = Effect.Success<ReturnType<typeof make>>

/** Forgets keys that are too old to come again, and messages whose bot did not come back. */
export const prune = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const at = yield* now
  yield* sql`
    DELETE FROM channel_inbox WHERE received_at < ${at - keepMs} AND message IS NULL AND reply IS NULL`
  const lost = yield* sql<{ readonly source: string }>`
    DELETE FROM channel_inbox WHERE received_at < ${at - waitMs} RETURNING source`
  if (lost.length > 0) {
    const sources = [...new Set(lost.map((row) => row.source))].join(", ")
    yield* Effect.logWarning(
      `${lost.length} messages waited too long for a bot that does not run (${sources}); given up`
    )
  }
}).pipe(orInboxFailed)
