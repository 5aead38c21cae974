/**
 * The outbox's table: one row per idempotency key.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { DeliveryProgress, OutboundMessage } from "../../services/Channel.ts"
import * as Time from "../now.ts"

const MessageIds = Schema.fromJsonString(Schema.Array(Schema.String))
const ProgressJson = Schema.fromJsonString(DeliveryProgress)
const MessageJson = Schema.fromJsonString(OutboundMessage)
export const decodeIds = Schema.decodeUnknownEffect(MessageIds)
export const encodeIds = Schema.encodeSync(MessageIds)
export const decodeProgress = Schema.decodeUnknownEffect(ProgressJson)
export const encodeProgress = Schema.encodeSync(ProgressJson)
export const decodeMessage = Schema.decodeUnknownEffect(MessageJson)
const encodeMessage = Schema.encodeSync(MessageJson)

/** In the column `carried`. */
export const carriedState = { no: 0, yes: 1, takenBack: 2 } as const
/** Why a row is closed of whose message nothing was shown. */
export const takenBack = "it was taken back before anything of it was shown"

export const Row = Schema.Struct({
  key: Schema.String,
  fingerprint: Schema.String,
  channel: Schema.String,
  account_id: Schema.String,
  chat_id: Schema.String,
  state: Schema.Literals(["sending", "sent", "unknown", "refused"]),
  message_ids: Schema.String,
  error: Schema.NullOr(Schema.String),
  progress: Schema.NullOr(Schema.String),
  /** Its channel stopped and has told where: no step is in doubt. */
  paused: Schema.Int,
  /** JSON of the message until it is sent. */
  message: Schema.NullOr(Schema.String),
  /** 0: its sender asks again. 1: nobody else remembers it. 2: its sender wants no more of it. */
  carried: Schema.Int,
  orphans: Schema.Int,
  created_at: Schema.Int,
  updated_at: Schema.Int
})
export type Row = typeof Row.Type
/** The table admits nothing else: a row that does not fit is a bug. */
const decodeRows = (rows: ReadonlyArray<unknown>) => Effect.orDie(decodeStrict(rows))
const decodeStrict = Schema.decodeUnknownEffect(Schema.Array(Row))

/** The message of a row; none when it was not kept, or, as the log tells, cannot be read. */
export const messageOf = ({ key, message }: Pick<Row, "key" | "message">): Effect.Effect<OutboundMessage | undefined> =>
  message === null
    ? Effect.undefined
    : Effect.catch(decodeMessage(message), (error) =>
        Effect.as(Effect.logError(`what the outbox kept of message ${key} cannot be read: ${error.message}`), undefined)
      )

/** The same for the same message, whatever the rest of the process knows of it. */
export const fingerprintOf = ({ media, peer, replyToMessageId, silent, text }: OutboundMessage): string =>
  createHash("sha256")
    .update(
      JSON.stringify([
        [peer.channel, peer.accountId, peer.chatId, peer.chatType, peer.threadId ?? null],
        text,
        replyToMessageId ?? null,
        silent ?? false,
        ...(media ?? []).map(({ asDocument, id, mimeType, name }) => [id, name, mimeType, asDocument ?? false])
      ])
    )
    .digest("base64url")

export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const find = (key: string) =>
    sql`SELECT * FROM channel_outbox WHERE key = ${key}`.pipe(
      Effect.flatMap(decodeRows),
      Effect.map((rows) => rows[0])
    )

  /** Takes the key. The row that has it already, when there is one. `waits`: why its channel is not asked yet. */
  const claim = Effect.fnUntraced(
    function* (key: string, message: OutboundMessage, carried: boolean, waits?: string) {
      const { peer } = message
      const now = yield* Time.now
      const taken = yield* sql`
        INSERT INTO channel_outbox ${sql.insert({
          key,
          fingerprint: fingerprintOf(message),
          channel: peer.channel,
          account_id: peer.accountId,
          chat_id: peer.chatId,
          state: "sending",
          message: encodeMessage(message),
          carried: carried ? carriedState.yes : carriedState.no,
          error: waits ?? null,
          paused: waits === undefined ? 0 : 1,
          created_at: now,
          updated_at: now
        })} ON CONFLICT (key) DO NOTHING RETURNING key`
      return taken.length > 0 ? undefined : yield* find(key)
    },
    (effect) => sql.withTransaction(effect)
  )

  const update = Effect.fnUntraced(function* (key: string, change: Partial<Row>) {
    yield* sql`
      UPDATE channel_outbox SET ${sql.update({ ...change, updated_at: yield* Time.now })} WHERE key = ${key}`
  })

  /** What somebody saw as `unknown` may go anew, as if nothing of it had been sent. */
  const renew = Effect.fnUntraced(function* (key: string) {
    yield* sql`
      UPDATE channel_outbox SET state = 'sending', paused = 1, progress = NULL, updated_at = ${yield* Time.now}
      WHERE key = ${key} AND state = 'unknown'`
  })

  /** Closes what is open and not on its way: what it was. Asked within the transaction, for a delivery may begin meanwhile. */
  const drop = Effect.fnUntraced(
    function* (key: string, isRunning: () => boolean) {
      const row = yield* find(key)
      if (row === undefined || row.state === "sent" || isRunning()) return undefined
      const closed = yield* sql`
        UPDATE channel_outbox
        SET state = 'sent', error = 'dropped', message = NULL, progress = NULL, updated_at = ${yield* Time.now}
        WHERE key = ${key} AND state = ${row.state} AND paused = ${row.paused} RETURNING key`
      return closed.length === 0 ? undefined : row
    },
    (effect) => sql.withTransaction(effect)
  )

  /** Who received by an account last, whatever it is called now. */
  const sourceOf = (channel: string, accountId: string) =>
    Effect.map(
      sql<{ readonly source: string }>`
        SELECT source FROM channel_inbox WHERE channel = ${channel} AND account_id = ${accountId}
        ORDER BY seq DESC LIMIT 1`,
      (rows) => rows[0]?.source
    )

  const forget = (key: string) => Effect.asVoid(sql`DELETE FROM channel_outbox WHERE key = ${key}`)

  /** What is not sent, oldest first. */
  const open = (limit: number) =>
    Effect.flatMap(
      sql`SELECT * FROM channel_outbox WHERE state <> 'sent' ORDER BY created_at, key LIMIT ${limit}`,
      decodeRows
    )

  /** Those of them that have files, or may have some. */
  const withMedia = sql<Pick<Row, "key" | "message">>`
    SELECT key, message FROM channel_outbox
    WHERE state <> 'sent' AND message IS NOT NULL
      AND CASE WHEN json_valid(message) THEN json_extract(message, '$.media') IS NOT NULL ELSE 1 END`

  /**
   * What is on its way by an account: what only the outbox remembers, what is shown in part, and what waited for its channel.
   * `source`: also what was on its way when the account had another name.
   */
  const onItsWay = (channel: string, accountId: string, source: string | undefined) =>
    Effect.flatMap(
      sql`
        SELECT * FROM channel_outbox
        WHERE state = 'sending' AND (carried > 0 OR progress IS NOT NULL OR paused = 1) AND message IS NOT NULL
          AND channel = ${channel}
          AND (account_id = ${accountId} OR account_id IN (
            SELECT account_id FROM channel_inbox WHERE channel = ${channel} AND source = ${source ?? null}))
        ORDER BY created_at, key`,
      decodeRows
    )

  /**
   * Notes that a message is taken back, and closes it if nothing of it was shown: its channel said so (`paused`) and kept
   * nothing. What remains to be brought to an end is returned.
   */
  const takeBack = Effect.fnUntraced(
    function* (key: string, isRunning: boolean) {
      const at = yield* Time.now
      yield* sql`
        UPDATE channel_outbox SET carried = ${carriedState.takenBack}, updated_at = ${at}
        WHERE key = ${key} AND state = 'sending'`
      if (!isRunning) {
        yield* sql`
          UPDATE channel_outbox SET state = 'sent', error = ${takenBack}, message = NULL
          WHERE key = ${key} AND state = 'sending' AND paused = 1 AND progress IS NULL`
      }
      const row = yield* find(key)
      return row?.state === "sending" ? row : undefined
    },
    (effect) => sql.withTransaction(effect)
  )

  /** Nobody tries any more to send what is not sent. */
  const abandon = Effect.fnUntraced(function* (key: string, reason: string) {
    yield* sql`
      UPDATE channel_outbox SET state = 'refused', error = ${reason}, updated_at = ${yield* Time.now}
      WHERE key = ${key} AND state = 'sending'`
  })

  const counts = sql<{ readonly state: Row["state"]; readonly count: number }>`
    SELECT state, COUNT(*) AS count FROM channel_outbox WHERE state <> 'sent' GROUP BY state`

  return {
    abandon,
    claim,
    counts,
    drop,
    find,
    forget,
    onItsWay,
    open,
    renew,
    sourceOf,
    takeBack,
    update,
    withMedia
  }
})
