/** What the storage keeps about itself: a place to try whether it can be written, and the clock as it was last seen. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Empty but for a moment, while the storage is tried.
  yield* sql`CREATE TABLE storage_probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT`
  // One row. `hold_ms` is how long nothing may be forgotten for its age, because the clock was seen to jump.
  yield* sql`
    CREATE TABLE storage_clock (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      seen_at INTEGER NOT NULL,
      hold_ms INTEGER NOT NULL
    ) STRICT`
})
