/**
 * Sessions in SQLite: one row a session, one row a message.
 *
 * Messages are numbered per session and never deleted by a reset: it moves the mark from which history is read.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { agentIdOf, type SessionKey } from "../domain/SessionKey.ts"
import { SessionRow, TranscriptMessage } from "../protocol/methods/chat.ts"
import { QueueOverride } from "../services/Queue.ts"
import { Sessions, SessionStorageFailed, type TranscriptEntry } from "../services/Sessions.ts"
import * as Time from "./now.ts"

const MessageJson = Schema.fromJsonString(TranscriptMessage)
const encodeMessage = Schema.encodeEffect(MessageJson)
const decodeMessage = Schema.decodeUnknownEffect(MessageJson)
const QueueJson = Schema.fromJsonString(QueueOverride)
const encodeQueue = Schema.encodeEffect(QueueJson)
const decodeQueue = Schema.decodeUnknownEffect(QueueJson)
const decodeRow = Schema.decodeUnknownEffect(SessionRow)

const defaultHistory = 200
const defaultList = 100
const previewLength = 160

/** Columns that `touch` may change, by the field of the row that they keep. */
const touchable = {
  channel: "channel",
  accountId: "account_id",
  chatType: "chat_type",
  displayName: "display_name",
  status: "status",
  lastRunId: "last_run_id",
  lastRunError: "last_run_error",
  model: "model",
  modelProvider: "model_provider",
  inputTokens: "input_tokens",
  outputTokens: "output_tokens",
  totalTokens: "total_tokens"
} as const

interface Stored {
  readonly key: SessionKey
  readonly session_id: string
  readonly agent_id: string | null
  readonly created_at: number
  readonly updated_at: number
  readonly reset_seq: number
  readonly last_message: string | null
  readonly [column: string]: unknown
}

const kindOf = (row: Stored): SessionRow["kind"] => {
  if (row.key === "global") return "global"
  if (row.chat_type === "group" || row.chat_type === "channel") return "group"
  return /:(group|channel):/.test(row.key) ? "group" : "direct"
}

/** The text of a message on one line, for a preview. */
const textOf = (message: TranscriptMessage): string =>
  (typeof message.content === "string"
    ? message.content
    : message.content.map((part) => (typeof part.text === "string" ? part.text : "")).join(" ")
  )
    .replaceAll(/\s+/g, " ")
    .trim()

const failed = (doing: string) => (error: SqlError | Schema.SchemaError) =>
  new SessionStorageFailed({ message: `${doing} failed: ${error.message}` })

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const ensure = Effect.fnUntraced(function* (key: SessionKey, now: number) {
    yield* sql`
      INSERT INTO sessions ${sql.insert({
        key,
        session_id: randomUUID(),
        agent_id: agentIdOf(key) ?? null,
        created_at: now,
        updated_at: now
      })} ON CONFLICT (key) DO UPDATE SET updated_at = MAX(updated_at, excluded.updated_at)`
  })

  const appendOne = Effect.fnUntraced(function* (entry: TranscriptEntry, now: number) {
    const known = yield* sql<{ readonly seq: number }>`
      SELECT seq FROM transcript WHERE session_key = ${entry.sessionKey} AND dedupe_key = ${entry.dedupeKey}`
    if (known[0] !== undefined) return known[0].seq
    yield* ensure(entry.sessionKey, now)
    const next = yield* sql<{ readonly seq: number }>`
      UPDATE sessions SET last_seq = last_seq + 1 WHERE key = ${entry.sessionKey} RETURNING last_seq AS seq`
    const seq = next[0]!.seq
    const { message } = entry
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

  const toRow = Effect.fnUntraced(function* (row: Stored) {
    const fields: Record<string, unknown> = {}
    for (const [field, column] of Object.entries(touchable)) {
      if (row[column] !== null) fields[field] = row[column]
    }
    return yield* decodeRow({
      ...fields,
      key: row.key,
      sessionId: row.session_id,
      kind: kindOf(row),
      isMain: row.key === `agent:${row.agent_id}:main`,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      ...(row.agent_id === null ? {} : { agentId: row.agent_id }),
      ...(row.last_message === null
        ? {}
        : { lastMessagePreview: textOf(yield* decodeMessage(row.last_message)).slice(0, previewLength) })
    })
  })

  const list: Sessions["Service"]["list"] = Effect.fn("Sessions.list")(
    function* (options = {}) {
      const now = yield* Time.now
      const filters: Array<Fragment> = []
      if (options.agentId !== undefined) filters.push(sql`agent_id = ${options.agentId}`)
      if (options.activeMinutes !== undefined) filters.push(sql`updated_at >= ${now - options.activeMinutes * 60_000}`)
      if (options.search !== undefined && options.search !== "") {
        const pattern = `%${options.search.replaceAll(/[\\%_]/g, (match) => `\\${match}`)}%`
        filters.push(sql`(key LIKE ${pattern} ESCAPE '\\' OR display_name LIKE ${pattern} ESCAPE '\\')`)
      }
      const where = sql.and(filters)
      // Without the last message asked for, its subquery is not run.
      const rows = yield* sql<Stored>`
        SELECT sessions.*, CASE WHEN ${options.includeLastMessage === true} THEN
          (SELECT message FROM transcript WHERE session_key = key AND seq > reset_seq ORDER BY seq DESC LIMIT 1)
        END AS last_message
        FROM sessions WHERE ${where}
        ORDER BY updated_at DESC, key LIMIT ${options.limit ?? defaultList} OFFSET ${options.offset ?? 0}`
      const counted = yield* sql<{ readonly n: number }>`SELECT COUNT(*) AS n FROM sessions WHERE ${where}`
      return { rows: yield* Effect.forEach(rows, toRow), totalCount: counted[0]?.n ?? 0 }
    },
    Effect.mapError(failed("listing sessions"))
  )

  const touch: Sessions["Service"]["touch"] = Effect.fn("Sessions.touch")(
    function* (sessionKey, change) {
      const now = yield* Time.now
      const columns: Record<string, unknown> = { updated_at: now }
      for (const [field, column] of Object.entries(touchable)) {
        if (field in change) columns[column] = change[field as keyof typeof touchable] ?? null
      }
      yield* sql.withTransaction(
        Effect.andThen(
          ensure(sessionKey, now),
          sql`UPDATE sessions SET ${sql.update(columns)} WHERE key = ${sessionKey}`
        )
      )
    },
    Effect.mapError(failed("updating the session"))
  )

  const reset: Sessions["Service"]["reset"] = Effect.fn("Sessions.reset")(
    function* (sessionKey) {
      const now = yield* Time.now
      yield* sql`UPDATE sessions SET reset_seq = last_seq, updated_at = ${now} WHERE key = ${sessionKey}`
    },
    Effect.mapError(failed("resetting the session"))
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

  return Sessions.of({ append, history, list, touch, queue, setQueue, reset })
})

export const layer: Layer.Layer<Sessions, never, SqlClient.SqlClient> = Layer.effect(Sessions, make)
