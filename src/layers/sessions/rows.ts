/** A session's row in the database, and what clients see of it. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type { SessionKey } from "../../domain/SessionKey.ts"
import { TranscriptMessage } from "../../protocol/methods/chat.ts"
import { SessionRow } from "../../protocol/methods/sessions.ts"
import { isPlain } from "../../protocol/plain.ts"
import { type ListOptions, SessionStorageFailed } from "../../services/Sessions.ts"
import * as Time from "../now.ts"

const MessageJson = Schema.fromJsonString(TranscriptMessage)
export const encodeMessage = Schema.encodeEffect(MessageJson)
export const decodeMessage = Schema.decodeUnknownEffect(MessageJson)
const checkRow = Schema.decodeUnknownEffect(SessionRow)
const isRow = isPlain(SessionRow)
const decodeRow = (row: { readonly [field: string]: unknown }): Effect.Effect<SessionRow, Schema.SchemaError> =>
  isRow(row) ? Effect.succeed(row as unknown as SessionRow) : checkRow(row)

const defaultList = 100
const previewLength = 160
const titleLength = 60
/** Session ids that are told when a short one fits several. */
const mostById = 11

export const failed = (doing: string) => (error: SqlError | Schema.SchemaError) =>
  new SessionStorageFailed({ message: `${doing} failed: ${error.message}` })

/** Columns that `touch` may change, by the field of the row that they keep. */
export const touchable = {
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

const columns = {
  ...touchable,
  sessionId: "session_id",
  agentId: "agent_id",
  label: "label",
  createdAt: "created_at",
  updatedAt: "updated_at",
  lastActivityAt: "last_activity_at",
  lastInteractionAt: "last_interaction_at",
  archivedAt: "archived_at",
  pinnedAt: "pinned_at",
  lastReadAt: "last_read_at",
  markedUnreadAt: "marked_unread_at",
  startedAt: "started_at",
  endedAt: "ended_at"
} as const

const fieldNames = Object.keys(columns)

/** Read as a list: naming each value of each row would take as long as finding it. */
type Stored = readonly [
  key: SessionKey,
  modelOverride: string | null,
  compactionCount: number,
  ...values: ReadonlyArray<unknown>
]

/** What follows the columns of `columns`. */
interface Looked {
  readonly first: string | null
  readonly last: string | null
  readonly running: string | null
}

const selected = ["key", "model_override", "compaction_count", ...Object.values(columns)]
  .map((column) => `sessions.${column}`)
  .join(", ")

type Fields = { -readonly [Field in keyof SessionRow]?: SessionRow[Field] }

const kindOf = (key: string, chatType: SessionRow["chatType"]): SessionRow["kind"] => {
  if (key === "global") return "global"
  if (chatType === "group" || chatType === "channel") return "group"
  return /:(group|channel):/.test(key) ? "group" : "direct"
}

const classificationOf = (
  key: string,
  chatType: SessionRow["chatType"],
  kind: SessionRow["kind"],
  isMain: boolean
): string => {
  if (isMain) return "main"
  if (kind !== "direct") return kind
  return chatType === "direct" || /:direct:/.test(key) ? "direct" : "custom"
}

/** `provider/model` as the two fields that a row has. */
export const splitModel = (ref: string): { readonly modelProvider?: string; readonly model: string } => {
  const slash = ref.indexOf("/")
  return slash < 0 ? { model: ref } : { modelProvider: ref.slice(0, slash), model: ref.slice(slash + 1) }
}

const isSince = (time: number | undefined, mark: number | undefined): boolean =>
  time !== undefined && mark !== undefined && time > mark

/** The text of a message on one line, for a preview. */
export const textOf = (message: TranscriptMessage): string =>
  (typeof message.content === "string"
    ? message.content
    : message.content.map((part) => (typeof part.text === "string" ? part.text : "")).join(" ")
  )
    .replaceAll(/\s+/g, " ")
    .trim()

const beginning = (text: string, length: number): string => {
  const points = Array.from(text)
  return points.length > length ? `${points.slice(0, length - 1).join("")}…` : text
}

/** Where the columns of `columns` begin, and what was looked up beside them. */
const firstValue = 3
const firstLooked = firstValue + fieldNames.length

const fieldsOf = (row: Stored): Fields => {
  const fields: Record<string, unknown> = {}
  for (let index = 0; index < fieldNames.length; index++) {
    const value = row[firstValue + index]
    if (value !== null) fields[fieldNames[index]!] = value
  }
  // A table of SQLite's strict kind keeps their types; `decodeRow` looks at the result.
  return fields
}

const lookedOf = (row: Stored): Looked => {
  const [first, last, running] = row.slice(firstLooked) as [string | null, string | null, string | null]
  return { first, last, running }
}

const toRow = Effect.fnUntraced(function* (stored: Stored) {
  const [key, modelOverride, compactionCount] = stored
  const { first, last, running } = lookedOf(stored)
  const row = fieldsOf(stored)
  const { chatType, endedAt, label, startedAt } = row
  const kind = kindOf(key, chatType)
  row.key = key
  row.kind = kind
  row.isMain = key === `agent:${row.agentId ?? null}:main`
  row.classification = classificationOf(key, chatType, kind, row.isMain)
  row.isBackground = false
  row.compactionCount = compactionCount
  if (kind === "direct" || kind === "group") row.chatType = chatType ?? kind
  row.abortedLastRun = row.status === "killed"
  if (row.totalTokens !== undefined) row.totalTokensFresh = true
  row.archived = row.archivedAt !== undefined
  row.pinned = row.pinnedAt !== undefined
  row.unread = row.markedUnreadAt !== undefined || isSince(row.lastActivityAt, row.lastReadAt)
  row.hasActiveRun = running !== null
  row.activeRunIds = running === null ? [] : [running]
  row.modelOverrideSource = modelOverride === null ? null : "user"
  if (modelOverride !== null) Object.assign(row, splitModel(modelOverride))
  if (label !== undefined) row.displayName = label
  if (startedAt !== undefined && endedAt !== undefined) row.runtimeMs = Math.max(0, endedAt - startedAt)
  const title = first === null ? "" : textOf(yield* decodeMessage(first))
  if (title !== "") row.derivedTitle = beginning(title, titleLength)
  if (last !== null) row.lastMessagePreview = beginning(textOf(yield* decodeMessage(last)), previewLength)
  return yield* decodeRow(row)
})

/** A text as `LIKE` finds it and nothing else, with a backslash as its `ESCAPE`. */
const literally = (text: string): string => text.replaceAll(/[\\%_]/g, (match) => `\\${match}`)

/** What reads rows. */
export const make = (sql: SqlClient.SqlClient) => {
  const select = (
    where: Fragment,
    options: Pick<ListOptions, "includeDerivedTitles" | "includeLastMessage"> = {},
    tail: Fragment = sql.literal("")
  ) =>
    // What is not asked for is not looked for.
    Effect.map(
      sql`
      SELECT ${sql.literal(selected)},
        CASE WHEN ${options.includeDerivedTitles === true ? 1 : 0} THEN (
          SELECT message FROM transcript WHERE session_key = key AND seq > reset_seq
          AND message ->> '$.role' = 'user' ORDER BY seq LIMIT 1
        ) END AS first_message,
        CASE WHEN ${options.includeLastMessage === true ? 1 : 0} THEN (
          SELECT message FROM transcript WHERE session_key = key AND seq > reset_seq
          AND message ->> '$.role' <> 'system' ORDER BY seq DESC LIMIT 1
        ) END AS last_message,
        (SELECT run_id FROM turns WHERE session_key = key AND finished_at IS NULL AND started_at IS NOT NULL LIMIT 1)
          AS running
      FROM sessions WHERE ${where} ${tail}`.values,
      (rows) => rows as unknown as ReadonlyArray<Stored>
    )

  const filters = (options: ListOptions, now: number): Fragment => {
    const all: Array<Fragment> = []
    if (options.archived === true) all.push(sql`archived_at IS NOT NULL`)
    else if (options.archived !== "all") all.push(sql`archived_at IS NULL`)
    if (options.includeGlobal !== true) all.push(sql`key <> 'global'`)
    if (options.requireLastInteraction === true) all.push(sql`last_interaction_at IS NOT NULL`)
    if (options.activeOnly === true) {
      all.push(sql`key IN (SELECT session_key FROM turns WHERE finished_at IS NULL)`)
    }
    if (options.agentIds !== undefined) all.push(sql.in("agent_id", options.agentIds))
    if (options.label !== undefined) all.push(sql`label = ${options.label}`)
    if (options.activeMinutes !== undefined) all.push(sql`updated_at >= ${now - options.activeMinutes * 60_000}`)
    if (options.search !== undefined && options.search !== "") {
      const pattern = `%${literally(options.search)}%`
      all.push(
        sql`(key LIKE ${pattern} ESCAPE '\\' OR display_name LIKE ${pattern} ESCAPE '\\' OR label LIKE ${pattern} ESCAPE '\\')`
      )
    }
    return sql.and(all)
  }

  const list = Effect.fn("Sessions.list")(
    function* (options: ListOptions = {}) {
      const where = filters(options, yield* Time.now)
      const order = sql.literal(options.sortBy === "lastInteractionAt" ? "last_interaction_at" : "updated_at")
      const page = sql`
        ORDER BY ${order} DESC, key LIMIT ${options.limit ?? defaultList} OFFSET ${options.offset ?? 0}`
      const rows = yield* select(where, options, page)
      const counted = yield* sql<{ readonly n: number }>`SELECT COUNT(*) AS n FROM sessions WHERE ${where}`
      return { rows: yield* Effect.forEach(rows, toRow), totalCount: counted[0]?.n ?? 0 }
    },
    Effect.mapError(failed("listing sessions"))
  )

  const recent = Effect.fn("Sessions.recent")(
    function* (limit: number, agentId?: string) {
      const where = filters(agentId === undefined ? {} : { agentIds: [agentId] }, 0)
      const found = yield* sql<{ readonly key: string; readonly updatedAt: number | null; readonly n: number }>`
        SELECT key, updated_at AS "updatedAt", COUNT(*) OVER () AS n FROM sessions WHERE ${where}
        ORDER BY updated_at DESC, key LIMIT ${limit}`
      return { rows: found.map(({ key, updatedAt }) => ({ key, updatedAt })), totalCount: found[0]?.n ?? 0 }
    },
    Effect.mapError(failed("listing sessions"))
  )

  const read = Effect.fnUntraced(function* (
    key: SessionKey,
    options?: Pick<ListOptions, "includeDerivedTitles" | "includeLastMessage">
  ) {
    const row = (yield* select(sql`key = ${key}`, options))[0]
    return row === undefined ? undefined : yield* toRow(row)
  })

  const byId = Effect.fn("Sessions.byId")(
    function* (prefix: string) {
      const pattern = `${literally(prefix)}%`
      const where = sql`session_id LIKE ${pattern} ESCAPE '\\'`
      return yield* Effect.forEach(yield* select(where, {}, sql`ORDER BY key LIMIT ${mostById}`), toRow)
    },
    Effect.mapError(failed("looking for a session"))
  )

  return {
    list,
    recent,
    /** As part of the caller's transaction, with the caller's errors. */
    read,
    describe: Effect.fn("Sessions.describe")(read, Effect.mapError(failed("reading the session"))),
    byId
  }
}
