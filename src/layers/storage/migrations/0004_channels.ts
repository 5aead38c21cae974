/** Channels: what came in, and who may write to the bot. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // A row is committed before the channel hears that its message arrived. `message` is cleared once a turn has it, so that
  // strangers' texts are not kept; the key stays for a while and is what makes the same update twice one message.
  yield* sql`
    CREATE TABLE channel_inbox (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      channel TEXT NOT NULL,
      source TEXT NOT NULL,
      update_id TEXT NOT NULL,
      account_id TEXT NOT NULL,
      received_at INTEGER NOT NULL,
      message TEXT,
      UNIQUE (channel, source, update_id)
    ) STRICT`
  yield* sql`CREATE INDEX channel_inbox_pending ON channel_inbox (channel, account_id, seq) WHERE message IS NOT NULL`
  yield* sql`CREATE INDEX channel_inbox_received ON channel_inbox (received_at)`
  yield* sql`
    CREATE TABLE channel_pairing_requests (
      channel TEXT NOT NULL,
      account_id TEXT NOT NULL,
      sender_id TEXT NOT NULL,
      code TEXT NOT NULL,
      display_name TEXT,
      username TEXT,
      created_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      PRIMARY KEY (channel, account_id, sender_id),
      UNIQUE (channel, code)
    ) STRICT, WITHOUT ROWID`
  yield* sql`
    CREATE TABLE channel_pairing_allowed (
      channel TEXT NOT NULL,
      account_id TEXT NOT NULL,
      sender_id TEXT NOT NULL,
      approved_at INTEGER NOT NULL,
      PRIMARY KEY (channel, account_id, sender_id)
    ) STRICT, WITHOUT ROWID`
})
