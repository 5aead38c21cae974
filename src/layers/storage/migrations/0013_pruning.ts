/** The book of turns knows of which finished turns the engine still keeps rows. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // 1 until the engine's rows of the turn are gone; what is left then is this row.
  yield* sql`ALTER TABLE turns ADD COLUMN engine_rows INTEGER NOT NULL DEFAULT 1`
  yield* sql`CREATE INDEX turns_finished ON turns (engine_rows, finished_at) WHERE finished_at IS NOT NULL`
})
