/** The outbox keeps how far a message came that takes several on its channel. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Only a message of several parts has any. While its row is `sending`, the part that comes next may be out already,
  // unless the row is `paused`: then its channel has said that it is not.
  yield* sql`ALTER TABLE channel_outbox ADD COLUMN progress TEXT`
  yield* sql`ALTER TABLE channel_outbox ADD COLUMN paused INTEGER NOT NULL DEFAULT 0`
})
