/**
 * The inbox: every message that a channel received, stored before the channel hears that it arrived.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { InboundMessage, InboxFailed } from "../../services/Channel.ts"
import { now } from "../now.ts"

/**
 * Milliseconds that the keys of finished messages are kept. Telegram repeats an update for at most a day, and may begin to
 * count anew after a week of silence: in between, an old key protects nothing and could only swallow a new message.
 */
export const keepMs = 3 * 24 * 60 * 60 * 1_000

const Row = Schema.Struct({ seq: Schema.Natural, received_at: Schema.Natural, message: Schema.String })
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))
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

const orInboxFailed = Effect.mapError(
  (error: { readonly message: string }) => new InboxFailed({ message: `the inbox cannot be used: ${error.message}` })
)

/** Reads and writes the inbox of one channel's account. */
export const make = Effect.fnUntraced(function* (channel: string, accountId: string) {
  const sql = yield* SqlClient.SqlClient
  return {
    /** Stores what is new, all of it or nothing. A message that was stored before changes nothing. */
    commit: Effect.fn("Inbox.commit")(
      function* (messages: ReadonlyArray<InboundMessage>) {
        const receivedAt = yield* now
        for (const message of messages) {
          const stored = yield* encodeMessage(message)
          yield* sql`
            INSERT INTO channel_inbox (channel, source, update_id, account_id, received_at, message)
            VALUES (${channel}, ${message.source}, ${message.updateId}, ${accountId}, ${receivedAt}, ${stored})
            ON CONFLICT DO NOTHING`
        }
      },
      (effect) => Effect.uninterruptible(sql.withTransaction(effect)),
      orInboxFailed
    ),
    /** The oldest messages that wait. */
    waiting: Effect.fnUntraced(function* (limit: number) {
      const rows = yield* decodeRows(
        yield* sql`
          SELECT seq, received_at, message FROM channel_inbox
          WHERE channel = ${channel} AND account_id = ${accountId} AND message IS NOT NULL
          ORDER BY seq LIMIT ${limit}`
      )
      return rows.map((row): Waiting => ({ seq: row.seq, receivedAt: row.received_at, stored: row.message }))
    }, orInboxFailed),
    /** The message is dealt with; only its key remains. */
    done: (seq: number) => orInboxFailed(sql`UPDATE channel_inbox SET message = NULL WHERE seq = ${seq}`),
    /** Forgets keys that are too old to come again. */
    prune: Effect.gen(function* () {
      const before = (yield* now) - keepMs
      yield* sql`DELETE FROM channel_inbox WHERE received_at < ${before} AND message IS NULL`
    }).pipe(orInboxFailed)
  }
})

export type Inbox = Effect.Success<ReturnType<typeof make>>
