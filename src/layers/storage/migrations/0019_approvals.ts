/** Commands that wait for a person's word, and what became of them. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // `spent_by` is the idempotency key of the one run that an `allow-once` is for, noted before that run leaves the Gateway.
  yield* sql`
    CREATE TABLE approvals (
      id TEXT PRIMARY KEY NOT NULL,
      request TEXT NOT NULL,
      status TEXT NOT NULL CHECK (status IN ('pending', 'allowed', 'denied', 'expired', 'cancelled')),
      decision TEXT,
      reason TEXT,
      resolver_kind TEXT,
      resolver_id TEXT,
      created_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      resolved_at INTEGER,
      conn_id TEXT,
      device_id TEXT,
      run_id TEXT,
      spent_by TEXT
    ) STRICT, WITHOUT ROWID`
  yield* sql`CREATE INDEX approvals_pending ON approvals (expires_at) WHERE status = 'pending'`
  yield* sql`CREATE INDEX approvals_resolved ON approvals (resolved_at, id) WHERE status <> 'pending'`
})
