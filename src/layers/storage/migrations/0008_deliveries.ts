/** The outbox keeps what it has not delivered yet, so that it can be told, taken up again and retried. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // `message` is the message itself for as long as it is not `sent`. `carried`: nobody else remembers it, so the outbox takes
  // it up again after a restart. `orphans`: beginnings of it that may have stayed in the chat.
  yield* sql`
    CREATE TABLE channel_outbox_new (
      key TEXT PRIMARY KEY NOT NULL,
      fingerprint TEXT NOT NULL,
      channel TEXT NOT NULL,
      account_id TEXT NOT NULL,
      chat_id TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('sending', 'sent', 'unknown', 'refused')),
      message_ids TEXT NOT NULL DEFAULT '[]',
      error TEXT,
      progress TEXT,
      paused INTEGER NOT NULL DEFAULT 0,
      message TEXT,
      carried INTEGER NOT NULL DEFAULT 0,
      orphans INTEGER NOT NULL DEFAULT 0,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`
  // What was on its way when the version changed was sent by other rules: it cannot be told how far it came.
  yield* sql`
    INSERT INTO channel_outbox_new
      (key, fingerprint, channel, account_id, chat_id, state, message_ids, error, progress, paused, created_at, updated_at)
    SELECT key, fingerprint, channel, account_id, chat_id,
      CASE WHEN state = 'sending' AND paused = 0 THEN 'unknown' ELSE state END,
      message_ids,
      CASE WHEN state = 'sending' AND paused = 0
        THEN 'the Gateway was updated while the message was on its way; whether it arrived is not known' ELSE error END,
      progress, paused, created_at, updated_at
    FROM channel_outbox`
  yield* sql`DROP TABLE channel_outbox`
  yield* sql`ALTER TABLE channel_outbox_new RENAME TO channel_outbox`
  yield* sql`CREATE INDEX channel_outbox_updated ON channel_outbox (updated_at)`
  yield* sql`CREATE INDEX channel_outbox_open ON channel_outbox (state, created_at) WHERE state <> 'sent'`
})
