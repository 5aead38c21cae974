/**
 * What the inbox has set aside.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { Channel } from "../../services/Channel.ts"
import {
  type SetAside,
  type SetAsideMessage,
  SetAsideNotFound,
  SetAsideReason,
  SetAsideUnreadable
} from "../../services/SetAside.ts"
import { decodeMessage, encodeMessage, inboxFailed, keyOf, orInboxFailed } from "./Inbox.ts"

/** Characters that are shown of an unreadable message. */
const shownRaw = 2_000

/** An account that runs. */
export interface Running {
  readonly channel: Channel
  readonly wake: Effect.Effect<void>
}

const Row = Schema.Struct({
  seq: Schema.Natural,
  channel: Schema.NonEmptyString,
  source: Schema.String,
  account_id: Schema.String,
  received_at: Schema.Natural,
  message: Schema.String,
  tries: Schema.Natural,
  raw: Schema.Natural,
  set_aside_at: Schema.Natural,
  set_aside_reason: SetAsideReason,
  set_aside_detail: Schema.NullOr(Schema.String)
})
type Row = typeof Row.Type
/** What every row has, whatever else is wrong with it. */
const Known = Schema.Struct({
  seq: Schema.Natural,
  channel: Schema.String,
  source: Schema.String,
  account_id: Schema.String,
  message: Schema.String
})
const decodeKnown = Schema.decodeUnknownEffect(Known)
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))
const decodeRow = Schema.decodeUnknownEffect(Row)

const optional = <K extends string, V>(key: K, value: V | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V }

const shown = Effect.fnUntraced(function* (row: Row) {
  const common = {
    id: row.seq,
    reason: row.set_aside_reason,
    detail: row.set_aside_detail ?? "",
    channel: row.channel,
    source: row.source,
    accountId: row.account_id,
    tries: row.tries,
    receivedAt: row.received_at,
    setAsideAt: row.set_aside_at
  }
  const message = row.raw === 1 ? undefined : yield* Effect.orElseSucceed(decodeMessage(row.message), () => undefined)
  if (message === undefined) return { ...common, text: row.message.slice(0, shownRaw) } satisfies SetAsideMessage
  const { displayName, id } = message.sender
  return {
    ...common,
    updateId: message.updateId,
    chatId: message.peer.chatId,
    messageId: message.messageId,
    sender: { id, ...optional("displayName", displayName) },
    text: message.text
  } satisfies SetAsideMessage
})

/** As much as can be told of a row: one that is damaged must not hide the others, and can be dropped. */
const shownAnyhow = Effect.fnUntraced(function* (found: unknown) {
  const row = yield* Effect.result(decodeRow(found))
  if (row._tag === "Success") return [yield* shown(row.success)]
  const known = yield* Effect.option(decodeKnown(found))
  yield* Effect.logError(
    `what was set aside as ${known._tag === "Some" ? known.value.seq : "?"} cannot be read: ${row.failure.message}`
  )
  if (known._tag === "None") return []
  const { account_id, channel, message, seq, source } = known.value
  const damaged: SetAsideMessage = {
    id: seq,
    reason: "unreadable",
    detail: "its row in the database is damaged; drop it",
    channel,
    source,
    accountId: account_id,
    tries: 0,
    receivedAt: 0,
    setAsideAt: 0,
    text: message.slice(0, shownRaw)
  }
  return [damaged]
})

/** `running`: the accounts that run now. */
export const make = Effect.fnUntraced(function* (
  running: ReadonlySet<Running>
): Effect.fn.Return<SetAside["Service"], never, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const open = sql`set_aside_at IS NOT NULL AND message IS NOT NULL`
  const free = sql`set_aside_at = NULL, set_aside_reason = NULL, set_aside_detail = NULL, tries = 0`

  const find = Effect.fnUntraced(function* (id: number) {
    const [row] = yield* decodeRows(yield* sql`SELECT * FROM channel_inbox WHERE seq = ${id} AND ${open}`)
    return row ?? (yield* new SetAsideNotFound({ id }))
  })

  const accountOf = ({ channel, source }: Pick<Row, "channel" | "source">) =>
    [...running].find((each) => each.channel.id === channel && each.channel.source === source)

  const unreadable = (id: number, message: string) => new SetAsideUnreadable({ id, message })

  /** Reads what could not be read; it takes its place among the others by its own name then. */
  const reread = Effect.fnUntraced(function* (row: Row) {
    const channel = accountOf(row)?.channel
    if (channel?.reread === undefined) {
      return yield* unreadable(row.seq, `message ${row.seq} can be read again only while its bot runs (${row.source})`)
    }
    const message = yield* channel.reread(row.message)
    if (message === undefined) {
      return yield* unreadable(
        row.seq,
        `message ${row.seq} still cannot be read: ${row.set_aside_detail ?? "no reason"}`
      )
    }
    const stored = yield* encodeMessage(message)
    const moved = yield* sql`
      UPDATE OR IGNORE channel_inbox SET message = ${stored}, message_key = ${keyOf(message)}, raw = 0, ${free}
      WHERE seq = ${row.seq} AND ${open} RETURNING seq`
    // It came in again meanwhile, in a shape that could be read.
    if (moved.length === 0) yield* sql`DELETE FROM channel_inbox WHERE seq = ${row.seq} AND ${open} AND raw = 1`
  })

  const retry = Effect.fn("SetAside.retry")(
    function* (id: number) {
      const row = yield* find(id)
      if (row.raw === 1) yield* reread(row)
      else if ((yield* Effect.exit(decodeMessage(row.message)))._tag === "Failure") {
        return yield* unreadable(id, `message ${id} cannot be read any more; drop it`)
      } else yield* sql`UPDATE channel_inbox SET ${free} WHERE seq = ${id} AND ${open}`
      for (const each of running) if (each.channel.id === row.channel) yield* each.wake
    },
    Effect.mapError((error) =>
      error._tag === "SetAsideNotFound" || error._tag === "SetAsideUnreadable" ? error : inboxFailed(error)
    )
  )

  const drop = Effect.fn("SetAside.drop")(function* (id: number) {
    const rows = yield* orInboxFailed(sql`
      UPDATE channel_inbox SET message = NULL, reply = NULL WHERE seq = ${id} AND ${open} RETURNING seq`)
    if (rows.length === 0) return yield* new SetAsideNotFound({ id })
  })

  return {
    list: Effect.gen(function* () {
      const rows = yield* sql`SELECT * FROM channel_inbox WHERE ${open} ORDER BY seq`
      return (yield* Effect.forEach(rows, shownAnyhow)).flat()
    }).pipe(orInboxFailed, Effect.withSpan("SetAside.list")),
    get: Effect.fn("SetAside.get")(
      function* (id: number) {
        return yield* shown(yield* find(id))
      },
      Effect.mapError((error) => (error._tag === "SetAsideNotFound" ? error : inboxFailed(error)))
    ),
    count: Effect.gen(function* () {
      const rows = yield* sql<{ readonly n: number }>`SELECT COUNT(*) AS n FROM channel_inbox WHERE ${open}`
      return rows[0]?.n ?? 0
    }).pipe(orInboxFailed, Effect.withSpan("SetAside.count")),
    retry,
    drop
  }
})
