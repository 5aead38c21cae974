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

export interface Row {
  readonly key: string
  readonly fingerprint: string
  readonly channel: string
  readonly account_id: string
  readonly chat_id: string
  readonly state: "sending" | "sent" | "unknown" | "refused"
  readonly message_ids: string
  readonly error: string | null
  readonly progress: string | null
  /** Its channel stopped and has told where: no step is in doubt. */
  readonly paused: number
  /** JSON of the message until it is sent. */
  readonly message: string | null
  /** 0: its sender asks again. 1: nobody else remembers it. 2: its sender wants no more of it. */
  readonly carried: number
  readonly orphans: number
  readonly created_at: number
  readonly updated_at: number
}

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

  const find = (key: string) => Effect.map(sql<Row>`SELECT * FROM channel_outbox WHERE key = ${key}`, (rows) => rows[0])

  /** Takes the key. The row that has it already, when there is one. */
  const claim = Effect.fnUntraced(
    function* (key: string, message: OutboundMessage, carried: boolean) {
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

  const forget = (key: string) => Effect.asVoid(sql`DELETE FROM channel_outbox WHERE key = ${key}`)

  /** What is not sent, oldest first. */
  const open = (limit: number) =>
    sql<Row>`SELECT * FROM channel_outbox WHERE state <> 'sent' ORDER BY created_at, key LIMIT ${limit}`

  /** Those of them that have files. */
  const withMedia = sql<Pick<Row, "message">>`
    SELECT message FROM channel_outbox
    WHERE state <> 'sent' AND message IS NOT NULL AND json_extract(message, '$.media') IS NOT NULL`

  /** What only the outbox remembers and has not sent to the end. */
  const carried = (channel: string, accountId: string) =>
    sql<Pick<Row, "key" | "message" | "carried">>`
      SELECT key, message, carried FROM channel_outbox
      WHERE state = 'sending' AND carried > 0 AND channel = ${channel} AND account_id = ${accountId}
        AND message IS NOT NULL
      ORDER BY created_at`

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

  return { abandon, carried, claim, counts, find, forget, open, takeBack, update, withMedia }
})
