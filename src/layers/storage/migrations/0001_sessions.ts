/** Sessions, what was said in them, and the book of turns. */
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
      reset_seq INTEGER NOT NULL DEFAULT 0,
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
      run_id TEXT NOT NULL,
      dedupe_key TEXT NOT NULL,
      message TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      PRIMARY KEY (session_key, seq),
      UNIQUE (session_key, dedupe_key)
    ) STRICT, WITHOUT ROWID`
  // `seq` is the order of arrival. A row whose `finished_at` is null is queued or, once started, running.
  yield* sql`
    CREATE TABLE turns (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      run_id TEXT NOT NULL UNIQUE,
      session_key TEXT NOT NULL,
      request TEXT NOT NULL,
      submitted_at INTEGER NOT NULL,
      started_at INTEGER,
      attempts INTEGER NOT NULL DEFAULT 0,
      abort_requested_at INTEGER,
      abort_origin TEXT,
      outcome TEXT,
      finished_at INTEGER
    ) STRICT`
  yield* sql`CREATE INDEX turns_unfinished ON turns (session_key, seq) WHERE finished_at IS NULL`
})
