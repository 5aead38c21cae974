/** Messages that come while their session is busy: what becomes of them, and which turn took them in. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // What `/queue` said, as JSON.
  yield* sql`ALTER TABLE sessions ADD COLUMN queue TEXT`
  // How a turn waits: a mode's name, or `summarize` and `dropped` once a cap was reached. Null: nobody may fold it into another.
  yield* sql`ALTER TABLE turns ADD COLUMN queue TEXT`
  yield* sql`ALTER TABLE turns ADD COLUMN debounce_ms INTEGER`
  // The turn that ran when a message to be steered came; only that one may take it in.
  yield* sql`ALTER TABLE turns ADD COLUMN aimed_at TEXT`
  // The turn that has taken the message in, and the step where it did. The row ends with that turn.
  yield* sql`ALTER TABLE turns ADD COLUMN taken_by TEXT`
  yield* sql`ALTER TABLE turns ADD COLUMN taken_step TEXT`
  yield* sql`ALTER TABLE turns ADD COLUMN takes INTEGER NOT NULL DEFAULT 0`
  // What runs next: what has begun, then what only has its refusal to tell, then by arrival.
  yield* sql`
    CREATE INDEX turns_next ON turns (
      session_key,
      (CASE WHEN started_at IS NOT NULL THEN 0 WHEN queue = 'dropped' THEN 1 ELSE 2 END),
      seq
    ) WHERE finished_at IS NULL AND taken_by IS NULL`
})
