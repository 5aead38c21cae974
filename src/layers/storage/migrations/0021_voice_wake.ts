/** The words that wake the devices' microphones; no row as long as nobody set any. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE voice_wake (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      triggers TEXT NOT NULL,
      updated_at INTEGER NOT NULL
    ) STRICT`
})
