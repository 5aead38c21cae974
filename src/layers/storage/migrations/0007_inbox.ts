/** The inbox knows messages by their chat, and what the bot still owes an answer to; pairing knows which codes arrived. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // `message` is cleared in the transaction that carries it out, `reply` once the chat has it. The key stays for a while and is
  // what makes the same message twice one message; update ids cannot, because a bot's count may begin anew.
  yield* sql`
    CREATE TABLE channel_inbox_next (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      channel TEXT NOT NULL,
      source TEXT NOT NULL,
      message_key TEXT NOT NULL,
      account_id TEXT NOT NULL,
      received_at INTEGER NOT NULL,
      message TEXT,
      reply TEXT,
      UNIQUE (channel, source, message_key)
    ) STRICT`
  yield* sql`
    INSERT OR IGNORE INTO channel_inbox_next (seq, channel, source, message_key, account_id, received_at, message)
    SELECT seq, channel, source, json_extract(message, '$.peer.chatId') || ':' || json_extract(message, '$.messageId'),
      account_id, received_at, message
    FROM channel_inbox WHERE message IS NOT NULL AND json_valid(message)`
  yield* sql`DROP TABLE channel_inbox`
  yield* sql`ALTER TABLE channel_inbox_next RENAME TO channel_inbox`
  yield* sql`CREATE INDEX channel_inbox_waiting ON channel_inbox (channel, seq) WHERE message IS NOT NULL`
  yield* sql`CREATE INDEX channel_inbox_owed ON channel_inbox (channel, seq) WHERE reply IS NOT NULL`
  yield* sql`CREATE INDEX channel_inbox_received ON channel_inbox (received_at)`
  yield* sql`ALTER TABLE channel_pairing_requests ADD COLUMN delivered_at INTEGER`
})
