/** What nodes may run: the approved surfaces and the requests that wait for an operator. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE node_surfaces (
      node_id TEXT PRIMARY KEY NOT NULL,
      identity TEXT NOT NULL,
      surface TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      approved_at INTEGER NOT NULL,
      last_seen_at INTEGER,
      last_connected_at INTEGER,
      host_stats TEXT
    ) STRICT, WITHOUT ROWID`
  // One request a node: a changed declaration replaces the one that waits, under a new id.
  yield* sql`
    CREATE TABLE node_surface_requests (
      node_id TEXT PRIMARY KEY NOT NULL,
      request_id TEXT UNIQUE NOT NULL,
      identity TEXT NOT NULL,
      surface TEXT NOT NULL,
      requested_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`
})
