/** The inbox counts how often a message took the process down and sets such ones aside; one Gateway receives for a bot. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // A message waits while it is there and not set aside. `tries` is counted when a row that an earlier process left is taken
  // up. `raw`: the message is what the channel handed over, because the channel could not read it.
  yield* sql`ALTER TABLE channel_inbox ADD COLUMN tries INTEGER NOT NULL DEFAULT 0`
  yield* sql`ALTER TABLE channel_inbox ADD COLUMN raw INTEGER NOT NULL DEFAULT 0`
  yield* sql`ALTER TABLE channel_inbox ADD COLUMN set_aside_at INTEGER`
  yield* sql`ALTER TABLE channel_inbox ADD COLUMN set_aside_reason TEXT`
  yield* sql`ALTER TABLE channel_inbox ADD COLUMN set_aside_detail TEXT`
  yield* sql`DROP INDEX channel_inbox_waiting`
  yield* sql`
    CREATE INDEX channel_inbox_waiting ON channel_inbox (channel, seq)
    WHERE message IS NOT NULL AND set_aside_at IS NULL`
  yield* sql`CREATE INDEX channel_inbox_set_aside ON channel_inbox (seq) WHERE set_aside_at IS NOT NULL`
  // Who receives for a bot. `epoch` grows with each holder and is checked by each commit to the inbox, `beat` with each sign of
  // life. There are no times: a watcher measures by its own clock how long the beat stood still.
  yield* sql`
    CREATE TABLE channel_leases (
      channel TEXT NOT NULL,
      source TEXT NOT NULL,
      owner TEXT NOT NULL,
      process TEXT NOT NULL,
      account_id TEXT NOT NULL,
      epoch INTEGER NOT NULL,
      beat INTEGER NOT NULL,
      released INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (channel, source)
    ) STRICT, WITHOUT ROWID`
})
