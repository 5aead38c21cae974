/** Where a message and its turn belong in a trace, and the spans of the newest ones. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // A `traceparent` each: the span that received the message, and the one that submitted the turn. What resumes after a crash
  // goes on below it.
  yield* sql`ALTER TABLE channel_inbox ADD COLUMN trace TEXT`
  yield* sql`ALTER TABLE turns ADD COLUMN trace TEXT`
  // A ring: the oldest go by count and by age. `started_at` is Unix milliseconds with a fraction; without `duration_ms` a span
  // goes on, or its process died in it.
  yield* sql`
    CREATE TABLE trace_spans (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      trace_id TEXT NOT NULL,
      span_id TEXT NOT NULL,
      parent_id TEXT,
      name TEXT NOT NULL,
      run_id TEXT,
      started_at REAL NOT NULL,
      duration_ms REAL,
      status TEXT NOT NULL,
      error TEXT,
      attributes TEXT NOT NULL,
      UNIQUE (trace_id, span_id)
    ) STRICT`
})
