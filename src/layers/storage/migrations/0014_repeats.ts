/** Dead letters tell whether trying them again may repeat what their turn has done. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE dead_letters ADD COLUMN may_double INTEGER NOT NULL DEFAULT 0`
})
