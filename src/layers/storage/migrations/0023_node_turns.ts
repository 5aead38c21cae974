/** Where a session's people last wrote, and what nodes asked of agents. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // JSON: the chat and who wrote there. Null until somebody does.
  yield* sql`ALTER TABLE sessions ADD COLUMN route TEXT`
  // One row an event that became a turn. `event` tells it from others of its node, `said` is a digest of its words.
  // `owed`: the node is still to be told how the turn ended.
  yield* sql`
    CREATE TABLE node_turns (
      node_id TEXT NOT NULL,
      event TEXT NOT NULL,
      said TEXT NOT NULL,
      conn_id TEXT NOT NULL,
      run_id TEXT NOT NULL UNIQUE,
      session_key TEXT NOT NULL,
      owed INTEGER NOT NULL,
      heard_at INTEGER NOT NULL,
      PRIMARY KEY (node_id, event)
    ) STRICT`
  yield* sql`CREATE INDEX node_turns_heard ON node_turns (heard_at)`
  yield* sql`CREATE INDEX node_turns_owed ON node_turns (node_id) WHERE owed = 1`
})
