/**
 * Sessions in SQLite: one row a session, one row a message.
 *
 * Messages are numbered per session and never deleted by a reset: it moves the mark from which history is read.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { agentIdOf, type SessionKey } from "../domain/SessionKey.ts"
import type { SessionRow } from "../protocol/methods/sessions.ts"
import { QueueOverride } from "../services/Queue.ts"
import { type SessionChange, SessionRoute, Sessions, type TranscriptEntry } from "../services/Sessions.ts"
import * as Time from "./now.ts"
import * as Changing from "./sessions/changing.ts"
import * as Compacting from "./sessions/compacting.ts"
import * as Reading from "./sessions/reading.ts"
import * as Rows from "./sessions/rows.ts"
import { decodeMessage, encodeMessage, failed, touchable } from "./sessions/rows.ts"
import * as Usage from "./sessions/usage.ts"

const QueueJson = Schema.fromJsonString(QueueOverride)
const encodeQueue = Schema.encodeEffect(QueueJson)
const decodeQueue = Schema.decodeUnknownEffect(QueueJson)

const RouteJson = Schema.fromJsonString(SessionRoute)
const encodeRoute = Schema.encodeEffect(RouteJson)
const decodeRoute = Schema.decodeUnknownEffect(RouteJson)

const defaultHistory = 200
/** Changes that are held for whoever reads them slowest. */
const changesHeld = 4_096

const phaseOf = (status: NonNullable<SessionRow["status"]>): NonNullable<SessionChange["phase"]> => {
  if (status === "running" || status === "queued") return "start"
  return status === "done" || status === "killed" ? "end" : "error"
}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const told = yield* PubSub.sliding<SessionChange>(changesHeld)
  yield* Effect.addFinalizer(() => PubSub.shutdown(told))
  const tell = (change: SessionChange) => Effect.asVoid(PubSub.publish(told, change))

  const ensure = Effect.fnUntraced(function* (key: SessionKey, now: number) {
    const sessionId = randomUUID()
    const rows = yield* sql<{ readonly created: number }>`
      INSERT INTO sessions ${sql.insert({
        key,
        session_id: sessionId,
        agent_id: agentIdOf(key) ?? null,
        created_at: now,
        updated_at: now
      })} ON CONFLICT (key) DO UPDATE SET updated_at = MAX(updated_at, excluded.updated_at)
      RETURNING session_id = ${sessionId} AS created`
    if (rows[0]?.created === 1) yield* tell({ sessionKey: key, reason: "create" })
  })

  const appendOne = Effect.fnUntraced(function* (entry: TranscriptEntry, now: number) {
    const known = yield* sql<{ readonly seq: number }>`
      SELECT seq FROM transcript WHERE session_key = ${entry.sessionKey} AND dedupe_key = ${entry.dedupeKey}`
    if (known[0] !== undefined) return known[0].seq
    yield* ensure(entry.sessionKey, now)
    const { message } = entry
    // Who writes to a session that was put away takes it out again.
    const next = yield* sql<{ readonly seq: number }>`
      UPDATE sessions SET
        last_seq = last_seq + 1, last_activity_at = ${now},
        last_interaction_at = CASE WHEN ${message.role} = 'user' THEN ${now} ELSE last_interaction_at END,
        archived_at = CASE WHEN ${message.role} = 'user' THEN NULL ELSE archived_at END
      WHERE key = ${entry.sessionKey} RETURNING last_seq AS seq`
    const seq = next[0]!.seq
    yield* sql`
      INSERT INTO transcript ${sql.insert({
        session_key: entry.sessionKey,
        seq,
        run_id: entry.runId,
        dedupe_key: entry.dedupeKey,
        message: yield* encodeMessage({
          ...message,
          id: message.id ?? entry.dedupeKey,
          runId: message.runId ?? entry.runId,
          timestamp: message.timestamp ?? now
        }),
        created_at: now
      })}`
    yield* tell({ sessionKey: entry.sessionKey, seq })
    return seq
  })

  const append: Sessions["Service"]["append"] = Effect.fn("Sessions.append")(
    function* (entries) {
      const now = yield* Time.now
      const seqs = yield* sql.withTransaction(Effect.forEach(entries, (entry) => appendOne(entry, now)))
      return seqs.at(-1) ?? 0
    },
    Effect.mapError(failed("writing the transcript"))
  )

  const history: Sessions["Service"]["history"] = Effect.fn("Sessions.history")(
    function* (sessionKey, options) {
      const sessions = yield* sql<{ readonly session_id: string; readonly reset_seq: number }>`
        SELECT session_id, reset_seq FROM sessions WHERE key = ${sessionKey}`
      const session = sessions[0]
      if (session === undefined) return { sessionId: undefined, messages: [] }
      const rows = yield* sql<{ readonly message: string }>`
        SELECT message FROM transcript
        WHERE session_key = ${sessionKey} AND seq > ${session.reset_seq}
        ORDER BY seq DESC LIMIT ${options?.limit ?? defaultHistory} OFFSET ${options?.offset ?? 0}`
      const messages = yield* Effect.forEach([...rows].reverse(), (row) => decodeMessage(row.message))
      return { sessionId: session.session_id, messages }
    },
    Effect.mapError(failed("reading the transcript"))
  )

  const touch: Sessions["Service"]["touch"] = Effect.fn("Sessions.touch")(
    function* (sessionKey, change) {
      const now = yield* Time.now
      const columns: Record<string, unknown> = { updated_at: now }
      const { route, status } = change
      if (route !== undefined) columns["route"] = yield* encodeRoute(route)
      if (status === "running") Object.assign(columns, { started_at: now, ended_at: null })
      else if (status !== undefined) columns["ended_at"] = now
      for (const [field, column] of Object.entries(touchable)) {
        if (field in change) columns[column] = change[field as keyof typeof touchable] ?? null
      }
      yield* sql.withTransaction(
        ensure(sessionKey, now).pipe(
          Effect.andThen(sql`UPDATE sessions SET ${sql.update(columns)} WHERE key = ${sessionKey}`),
          Effect.andThen(status === undefined ? Effect.void : tell({ sessionKey, phase: phaseOf(status) }))
        )
      )
    },
    Effect.mapError(failed("updating the session"))
  )

  const reset: Sessions["Service"]["reset"] = Effect.fn("Sessions.reset")(
    function* (sessionKey) {
      const now = yield* Time.now
      yield* ensure(sessionKey, now)
      yield* sql`
        UPDATE sessions SET
          reset_seq = last_seq, compact_summary = NULL, compaction_count = 0, updated_at = ${now}, input_tokens = NULL, output_tokens = NULL, total_tokens = NULL
        WHERE key = ${sessionKey}`
      yield* tell({ sessionKey, reason: "reset" })
    },
    (effect) => sql.withTransaction(effect),
    Effect.mapError(failed("resetting the session"))
  )

  const route: Sessions["Service"]["route"] = Effect.fn("Sessions.route")(
    function* (sessionKey) {
      const rows = yield* sql<{ readonly route: string | null }>`SELECT route FROM sessions WHERE key = ${sessionKey}`
      const text = rows[0]?.route ?? null
      return text === null ? undefined : yield* decodeRoute(text)
    },
    Effect.mapError(failed("reading the session"))
  )

  const queue: Sessions["Service"]["queue"] = Effect.fn("Sessions.queue")(
    function* (sessionKey) {
      const rows = yield* sql<{ readonly queue: string | null }>`SELECT queue FROM sessions WHERE key = ${sessionKey}`
      const text = rows[0]?.queue ?? null
      return text === null ? undefined : yield* decodeQueue(text)
    },
    Effect.mapError(failed("reading the session"))
  )

  const setQueue: Sessions["Service"]["setQueue"] = Effect.fn("Sessions.setQueue")(
    function* (sessionKey, override) {
      const text = override === undefined ? null : yield* encodeQueue(override)
      yield* sql.withTransaction(
        Effect.andThen(
          ensure(sessionKey, yield* Time.now),
          sql`UPDATE sessions SET queue = ${text} WHERE key = ${sessionKey}`
        )
      )
    },
    Effect.mapError(failed("updating the session"))
  )

  const rows = Rows.make(sql)
  const changing = Changing.make({ sql, rows, ensure, tell })
  return Sessions.of({
    append,
    history,
    ...Reading.make(sql),
    list: rows.list,
    recent: rows.recent,
    describe: rows.describe,
    byId: rows.byId,
    usage: Usage.make(sql),
    touch,
    route,
    queue,
    setQueue,
    reset,
    ...changing,
    ...Compacting.make({ sql, appendOne, tell }),
    changes: PubSub.subscribe(told)
  })
})

export const layer: Layer.Layer<Sessions, never, SqlClient.SqlClient> = Layer.effect(Sessions, make)
