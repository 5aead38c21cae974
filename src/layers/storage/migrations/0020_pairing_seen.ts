/** Pairing requests know when their sender wrote last. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE channel_pairing_requests ADD COLUMN last_seen_at INTEGER`
})
