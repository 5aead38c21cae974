/** Devices, the roles they were approved for, and those that wait. No token is stored: it is derived from a key file. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE devices (
      device_id TEXT PRIMARY KEY NOT NULL,
      public_key TEXT NOT NULL,
      display_name TEXT,
      platform TEXT,
      device_family TEXT,
      client_id TEXT NOT NULL,
      client_mode TEXT NOT NULL,
      remote_ip TEXT,
      approved_via TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      approved_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`
  yield* sql`
    CREATE TABLE device_roles (
      device_id TEXT NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
      role TEXT NOT NULL,
      scopes TEXT NOT NULL,
      token_id TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      last_used_at INTEGER,
      PRIMARY KEY (device_id, role)
    ) STRICT, WITHOUT ROWID`
  yield* sql`
    CREATE TABLE device_requests (
      request_id TEXT PRIMARY KEY NOT NULL,
      device_id TEXT NOT NULL,
      role TEXT NOT NULL,
      claim TEXT NOT NULL,
      is_repair INTEGER NOT NULL,
      ts INTEGER NOT NULL,
      UNIQUE (device_id, role)
    ) STRICT, WITHOUT ROWID`
})
