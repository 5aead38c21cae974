/** The database of an earlier version, brought up to date in its place: what was in it is still there, and of use. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import { DeviceRow, RoleRow } from "../../src/layers/devices/rows.ts"
import * as NodeStore from "../../src/layers/nodes/store.ts"
import * as SessionsLive from "../../src/layers/Sessions.ts"
import * as migrations from "../../src/layers/storage/migrations/index.ts"
import * as Sqlite from "../../src/layers/storage/Sqlite.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import * as Ledger from "../../src/layers/turns/Ledger.ts"
import { Sessions } from "../../src/services/Sessions.ts"

const key = SessionKey.make("agent:main:main")
const quiet = SessionKey.make("agent:main:quiet")
const said = (role: string, text: string) =>
  JSON.stringify({ role, content: [{ type: "text", text }], runId: "r1", id: `${role}-1`, timestamp: 10 })
const surface = JSON.stringify({ caps: ["system"], commands: ["system.run"] })
const identity = JSON.stringify({ clientId: "node-host", clientMode: "node", displayName: "Attic" })
const waiting = { runId: "r2", sessionKey: key, agentId: "main", text: "second", receivedAt: 30 }

/** What version 14 of the schema left: a session, a turn that waits, a device, a node and somebody who asked to be let in. */
const old = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const until14 = Object.fromEntries(Object.entries(migrations).filter(([name]) => name < "_0015"))
  assert.lengthOf(Object.keys(until14), 14)
  yield* Migrator.make({})({ loader: Migrator.fromBabelGlob(until14), table: "openclaw_migrations" })
  for (const session of [key, quiet]) {
    yield* sql`INSERT INTO sessions ${sql.insert({
      key: session,
      session_id: `id of ${session}`,
      agent_id: "main",
      created_at: 1,
      updated_at: 20,
      last_seq: session === key ? 2 : 0
    })}`
  }
  for (const [seq, role] of [
    [1, "user"],
    [2, "assistant"]
  ] as const) {
    yield* sql`INSERT INTO transcript ${sql.insert({
      session_key: key,
      seq,
      run_id: "r1",
      dedupe_key: `r1:${role}`,
      message: said(role, `said by ${role}`),
      created_at: 10 * seq
    })}`
  }
  yield* sql`INSERT INTO turns ${sql.insert({
    run_id: "r2",
    session_key: key,
    request: JSON.stringify(waiting),
    submitted_at: 30
  })}`
  yield* sql`INSERT INTO devices ${sql.insert({
    device_id: "d1",
    public_key: "p",
    client_id: "cli",
    client_mode: "cli",
    approved_via: "owner",
    created_at: 1,
    approved_at: 2
  })}`
  yield* sql`INSERT INTO device_roles ${sql.insert({
    device_id: "d1",
    role: "operator",
    scopes: '["operator.read"]',
    token_id: "t1",
    created_at: 2
  })}`
  yield* sql`INSERT INTO node_surfaces ${sql.insert({
    node_id: "d1",
    identity,
    surface,
    created_at: 1,
    approved_at: 2,
    last_seen_at: 3
  })}`
})

const decodeDevices = Schema.decodeUnknownEffect(Schema.Array(DeviceRow))
const decodeRoles = Schema.decodeUnknownEffect(Schema.Array(RoleRow))

describe("an old database", () => {
  it.effect("is brought up to date with all that was in it", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const filename = `${yield* fs.makeTempDirectoryScoped()}/state.sqlite`
      yield* Effect.provide(old, Sqlite.layer({ filename }))

      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const sessions = yield* Sessions
        assert.deepStrictEqual(yield* sql`PRAGMA foreign_key_check`, [])

        const { rows } = yield* sessions.list({ requireLastInteraction: true, sortBy: "lastInteractionAt" })
        assert.lengthOf(rows, 1)
        assert.deepInclude(rows[0] as object, {
          key,
          sessionId: `id of ${key}`,
          lastActivityAt: 20,
          lastInteractionAt: 10,
          compactionCount: 0,
          archived: false,
          unread: false
        })
        assert.strictEqual((yield* sessions.list()).totalCount, 2)
        const context = yield* sessions.context(key, 10)
        assert.isUndefined(context.summary)
        assert.deepStrictEqual(
          context.entries.map(({ seq }) => seq),
          [1, 2]
        )
        yield* sessions.patch(key, { label: "Home" })
        yield* sessions.compact(key, {
          sessionId: `id of ${key}`,
          since: 0,
          through: 1,
          summary: "before",
          tokensBefore: 9,
          tokensAfter: 3,
          runId: RunId.make("c1"),
          provider: "p",
          model: "m",
          usage: { inputTokens: 0, outputTokens: 0 }
        })
        assert.strictEqual((yield* sessions.context(key, 10)).summary, "before")

        const ledger = yield* Ledger.make
        assert.deepStrictEqual(
          (yield* ledger.waiting(key)).map(({ runId, text }) => [runId, text]),
          [["r2", "second"]]
        )
        const [device] = yield* Effect.flatMap(sql`SELECT * FROM devices`, decodeDevices)
        assert.strictEqual(device?.device_id, "d1")
        const [role] = yield* Effect.flatMap(sql`SELECT * FROM device_roles`, decodeRoles)
        assert.deepInclude(role as object, { token_id: "t1", token_scopes: null, revoked_at: null })
        const [node] = yield* (yield* NodeStore.make).approved
        assert.deepInclude(node as object, { nodeId: "d1", lastSeenAt: 3, lastSeenReason: null })
      }).pipe(Effect.provide(SessionsLive.layer.pipe(Layer.provideMerge(Storage.layer({ filename })))))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
