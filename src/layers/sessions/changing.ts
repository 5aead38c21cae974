/** What people decide about a session, and its end. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SessionKey } from "../../domain/SessionKey.ts"
import {
  type Expected,
  LabelTaken,
  SessionBusy,
  SessionChanged,
  type SessionChange,
  type SessionPatch,
  SessionStorageFailed
} from "../../services/Sessions.ts"
import * as Time from "../now.ts"
import { failed, type make as makeRows } from "./rows.ts"

interface Known {
  readonly session_id: string
  readonly updated_at: number
  readonly archived_at: number | null
  readonly marked_unread_at: number | null
}

const isAs = (row: Known | undefined, expected: Expected): boolean =>
  (expected.sessionId === undefined || expected.sessionId === row?.session_id) &&
  (expected.updatedAt === undefined || expected.updatedAt === row?.updated_at) &&
  (expected.markedUnreadAt === undefined || expected.markedUnreadAt === (row?.marked_unread_at ?? null)) &&
  (expected.archived === undefined || (row !== undefined && row.archived_at !== null))

/** The columns that a change sets. What is so already keeps its time. */
const columnsOf = (change: SessionPatch, row: Known | undefined, now: number): Record<string, unknown> => ({
  updated_at: now,
  ...(change.label === undefined ? undefined : { label: change.label }),
  ...(change.model === undefined ? undefined : { model_override: change.model }),
  ...(change.archived === undefined ? undefined : { archived_at: change.archived ? (row?.archived_at ?? now) : null }),
  ...(change.pinned === undefined ? undefined : { pinned_at: change.pinned ? now : null }),
  ...(change.unread === undefined
    ? undefined
    : change.unread
      ? { marked_unread_at: now }
      : { marked_unread_at: null, last_read_at: now })
})

interface Needs {
  readonly sql: SqlClient.SqlClient
  readonly rows: ReturnType<typeof makeRows>
  readonly ensure: (key: SessionKey, now: number) => Effect.Effect<void, Parameters<ReturnType<typeof failed>>[0]>
  readonly tell: (change: SessionChange) => Effect.Effect<void>
}

export const make = ({ ensure, rows, sql, tell }: Needs) => {
  const find = Effect.fnUntraced(function* (key: SessionKey) {
    const found = yield* sql<Known>`
      SELECT session_id, updated_at, archived_at, marked_unread_at FROM sessions WHERE key = ${key}`
    return found[0]
  })

  const patch = Effect.fn("Sessions.patch")(
    function* (key: SessionKey, change: SessionPatch, expected: Expected = {}) {
      const now = yield* Time.now
      const row = yield* find(key)
      if (!isAs(row, expected)) return yield* new SessionChanged({ sessionKey: key })
      yield* ensure(key, now)
      const { label } = change
      if (label !== undefined && label !== null) {
        const others = yield* sql`
          SELECT key FROM sessions WHERE label = ${label} AND key <> ${key}
          AND agent_id IS (SELECT agent_id FROM sessions WHERE key = ${key})`
        if (others.length > 0) return yield* new LabelTaken({ label })
      }
      yield* sql`UPDATE sessions SET ${sql.update(columnsOf(change, row, now))} WHERE key = ${key}`
      yield* tell({ sessionKey: key, reason: "patch" })
      return (yield* rows.read(key))!
    },
    (effect) => sql.withTransaction(effect),
    Effect.mapError((error) =>
      error._tag === "SessionChanged" || error._tag === "LabelTaken" ? error : failed("changing the session")(error)
    )
  )

  const remove = Effect.fn("Sessions.remove")(
    function* (key: SessionKey, expected: Expected = {}) {
      const row = yield* find(key)
      if (row === undefined) return false
      if (!isAs(row, expected)) return yield* new SessionChanged({ sessionKey: key })
      const turns = yield* sql`SELECT 1 FROM turns WHERE session_key = ${key} AND finished_at IS NULL LIMIT 1`
      if (turns.length > 0) return yield* new SessionBusy({ sessionKey: key })
      yield* sql`DELETE FROM transcript WHERE session_key = ${key}`
      yield* sql`DELETE FROM sessions WHERE key = ${key}`
      yield* tell({ sessionKey: key, reason: "delete" })
      return true
    },
    (effect) => sql.withTransaction(effect),
    Effect.mapError((error) =>
      error._tag === "SessionChanged" || error._tag === "SessionBusy" ? error : failed("deleting the session")(error)
    )
  )

  const model = Effect.fn("Sessions.model")(
    function* (key: SessionKey) {
      const found = yield* sql<{ readonly model_override: string | null }>`
        SELECT model_override FROM sessions WHERE key = ${key}`
      return found[0]?.model_override ?? undefined
    },
    Effect.mapError(failed("reading the session"))
  )

  return {
    patch,
    remove,
    model,
    // Whoever is inside goes first; then its group is written together with this.
    stored: Effect.withSpan(
      Effect.mapError(
        sql.withTransaction(Effect.void),
        ({ message }) => new SessionStorageFailed({ message: `waiting for the storage failed: ${message}` })
      ),
      "Sessions.stored"
    )
  }
}
