/** The outbox: what is on its way out or went out, by idempotency key. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // `sending` is committed before the channel is asked to send; `sent` once it answered. What a crash, a defect or a cut
  // connection left open is `unknown`. No text is kept: whoever repeats a message brings it, and it must be the same.
  yield* sql`
    CREATE TABLE channel_outbox (
      key TEXT PRIMARY KEY NOT NULL,
      fingerprint TEXT NOT NULL,
      channel TEXT NOT NULL,
      account_id TEXT NOT NULL,
      chat_id TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('sending', 'sent', 'unknown')),
      message_ids TEXT NOT NULL DEFAULT '[]',
      error TEXT,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`
  yield* sql`CREATE INDEX channel_outbox_updated ON channel_outbox (updated_at)`
  yield* sql`CREATE INDEX channel_outbox_open ON channel_outbox (state) WHERE state <> 'sent'`
})
