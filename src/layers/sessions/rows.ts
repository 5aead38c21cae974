/** A session's row in the database, and what clients see of it. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type { SessionKey } from "../../domain/SessionKey.ts"
import { TranscriptMessage } from "../../protocol/methods/chat.ts"
import { SessionRow } from "../../protocol/methods/sessions.ts"
import { type ListOptions, SessionStorageFailed } from "../../services/Sessions.ts"
import * as Time from "../now.ts"

const MessageJson = Schema.fromJsonString(TranscriptMessage)
export const encodeMessage = Schema.encodeEffect(MessageJson)
export const decodeMessage = Schema.decodeUnknownEffect(MessageJson)
const decodeRow = Schema.decodeUnknownEffect(SessionRow)

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

interface Stored {
  readonly key: SessionKey
  readonly agent_id: string | null
  readonly model_override: string | null
  readonly started_at: number | null
  readonly ended_at: number | null
  readonly first_message: string | null
  readonly last_message: string | null
  readonly running: string | null
  readonly [column: string]: unknown
}

const kindOf = (row: Stored): SessionRow["kind"] => {
  if (row.key === "global") return "global"
  if (row["chat_type"] === "group" || row["chat_type"] === "channel") return "group"
  return /:(group|channel):/.test(row.key) ? "group" : "direct"
}

const classificationOf = (row: Stored, kind: SessionRow["kind"], isMain: boolean): string => {
  if (isMain) return "main"
  if (kind !== "direct") return kind
  return row["chat_type"] === "direct" || /:direct:/.test(row.key) ? "direct" : "custom"
}

/** `provider/model` as the two fields that a row has. */
export const splitModel = (ref: string): { readonly modelProvider?: string; readonly model: string } => {
  const slash = ref.indexOf("/")
  return slash < 0 ? { model: ref } : { modelProvider: ref.slice(0, slash), model: ref.slice(slash + 1) }
}

const isSince = (time: unknown, mark: unknown): boolean =>
  typeof time === "number" && typeof mark === "number" && time > mark

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

const toRow = Effect.fnUntraced(function* (row: Stored) {
  const fields: Record<string, unknown> = {}
  for (const [field, column] of Object.entries(columns)) {
    if (row[column] !== null && row[column] !== undefined) fields[field] = row[column]
  }
  const kind = kindOf(row)
  const isMain = row.key === `agent:${row.agent_id}:main`
  const first = row.first_message === null ? "" : textOf(yield* decodeMessage(row.first_message))
  return yield* decodeRow({
    ...fields,
    key: row.key,
    kind,
    classification: classificationOf(row, kind, isMain),
    isMain,
    isBackground: false,
    compactionCount: row["compaction_count"],
    ...(kind === "direct" || kind === "group" ? { chatType: row["chat_type"] ?? kind } : {}),
    abortedLastRun: row["status"] === "killed",
    ...(row["total_tokens"] === null ? {} : { totalTokensFresh: true }),
    archived: row["archived_at"] !== null,
    pinned: row["pinned_at"] !== null,
    unread: row["marked_unread_at"] !== null || isSince(row["last_activity_at"], row["last_read_at"]),
    hasActiveRun: row.running !== null,
    activeRunIds: row.running === null ? [] : [row.running],
    modelOverrideSource: row.model_override === null ? null : "user",
    ...(row.model_override === null ? {} : splitModel(row.model_override)),
    ...(row.label === null ? {} : { displayName: row.label }),
    ...(row.started_at === null || row.ended_at === null
      ? {}
      : { runtimeMs: Math.max(0, row.ended_at - row.started_at) }),
    ...(first === "" ? {} : { derivedTitle: beginning(first, titleLength) }),
    ...(row.last_message === null
      ? {}
      : { lastMessagePreview: beginning(textOf(yield* decodeMessage(row.last_message)), previewLength) })
  })
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
    sql<Stored>`
      SELECT sessions.*,
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
      FROM sessions WHERE ${where} ${tail}`

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
