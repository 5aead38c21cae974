/** Sessions and what was said in them. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE sessions (
      key TEXT PRIMARY KEY NOT NULL,
      session_id TEXT NOT NULL,
      agent_id TEXT,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      last_seq INTEGER NOT NULL DEFAULT 0,
      channel TEXT,
      account_id TEXT,
      chat_type TEXT,
      display_name TEXT,
      status TEXT,
      last_run_id TEXT,
      last_run_error TEXT,
      model TEXT,
      model_provider TEXT,
      input_tokens REAL,
      output_tokens REAL,
      total_tokens REAL
    ) STRICT, WITHOUT ROWID`
  yield* sql`CREATE INDEX sessions_updated_at ON sessions (updated_at DESC)`
  yield* sql`
    CREATE TABLE transcript (
      session_key TEXT NOT NULL REFERENCES sessions (key),
      seq INTEGER NOT NULL,
      session_id TEXT NOT NULL,
      run_id TEXT NOT NULL,
      dedupe_key TEXT NOT NULL,
      message TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      PRIMARY KEY (session_key, seq),
      UNIQUE (session_key, dedupe_key)
    ) STRICT, WITHOUT ROWID`
  yield* sql`CREATE INDEX transcript_session ON transcript (session_id, seq DESC)`
  // An abort is written here before the turn is interrupted, so that a restart in between cannot revive it.
  yield* sql`
    CREATE TABLE turn_aborts (
      run_id TEXT PRIMARY KEY NOT NULL,
      session_key TEXT NOT NULL,
      requested_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`
})
