/** What models are shown of a session's older messages: everything up to `compact_seq` is in `compact_summary`. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE sessions ADD COLUMN compact_seq INTEGER NOT NULL DEFAULT 0`
  yield* sql`ALTER TABLE sessions ADD COLUMN compact_summary TEXT`
  yield* sql`ALTER TABLE sessions ADD COLUMN compaction_count INTEGER NOT NULL DEFAULT 0`
})
