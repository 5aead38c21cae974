/** Dead letters: messages whose turn was given up; and how often a turn outlived being tried alone. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // A row has all that is needed to try again: the turn's own row is pruned by age, and this one is not. Once it is resolved the
  // request is cleared; the rest stays for a while, so that the same deed again gets the same answer.
  yield* sql`
    CREATE TABLE dead_letters (
      id TEXT PRIMARY KEY NOT NULL,
      run_id TEXT NOT NULL,
      session_key TEXT NOT NULL,
      channel TEXT,
      account_id TEXT,
      chat_id TEXT,
      sender_id TEXT,
      attempts INTEGER NOT NULL,
      error TEXT NOT NULL,
      received_at INTEGER NOT NULL,
      failed_at INTEGER NOT NULL,
      request TEXT,
      resolution TEXT CHECK (resolution IN ('retried', 'dropped')),
      resolved_at INTEGER,
      retried_as TEXT
    ) STRICT, WITHOUT ROWID`
  yield* sql`CREATE INDEX dead_letters_open ON dead_letters (failed_at) WHERE resolution IS NULL`
  yield* sql`CREATE INDEX dead_letters_resolved ON dead_letters (resolved_at) WHERE resolution IS NOT NULL`
  yield* sql`ALTER TABLE turns ADD COLUMN trials INTEGER NOT NULL DEFAULT 0`
})
