/** Device tokens are rotated and revoked, devices have labels, setup codes let a device in, and work waits for nodes. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE devices ADD COLUMN operator_label TEXT`
  yield* sql`ALTER TABLE devices ADD COLUMN last_seen_at INTEGER`
  // What the token carries of what was approved; null: all of it.
  yield* sql`ALTER TABLE device_roles ADD COLUMN token_scopes TEXT`
  yield* sql`ALTER TABLE device_roles ADD COLUMN rotated_at INTEGER`
  yield* sql`ALTER TABLE device_roles ADD COLUMN revoked_at INTEGER`
  // A code itself is never stored, only its hash.
  yield* sql`
    CREATE TABLE device_setups (
      setup_id TEXT PRIMARY KEY NOT NULL,
      token_hash TEXT UNIQUE NOT NULL,
      access TEXT NOT NULL,
      expires_at INTEGER NOT NULL,
      device_id TEXT,
      device_name TEXT,
      consumed_at INTEGER,
      outcome TEXT,
      outcome_at INTEGER
    ) STRICT, WITHOUT ROWID`
  // What operators call nodes, approved or not.
  yield* sql`
    CREATE TABLE node_labels (
      node_id TEXT PRIMARY KEY NOT NULL,
      label TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`
  yield* sql`ALTER TABLE node_surfaces ADD COLUMN last_seen_reason TEXT`
  // At most one of a kind a node: asking for the same again is the same work.
  yield* sql`
    CREATE TABLE node_pending (
      node_id TEXT NOT NULL,
      kind TEXT NOT NULL,
      work_id TEXT NOT NULL,
      priority TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      PRIMARY KEY (node_id, kind)
    ) STRICT, WITHOUT ROWID`
  yield* sql`
    CREATE TABLE node_pending_revisions (
      node_id TEXT PRIMARY KEY NOT NULL,
      revision INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`
})
