/**
 * Who was let in by pairing, in the state database.
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { AccessRequest } from "../../services/ChannelRouter.ts"
import { AccessCodeNotFound, AccessStorageFailed, ChannelAccess } from "../../services/ChannelRouter.ts"
import { now } from "../now.ts"

/** Milliseconds that a code is good for. */
export const codeTtlMs = 60 * 60 * 1_000
/** Requests that may wait per channel account; more strangers get no answer. */
export const maxPending = 3

/** No 0, O, 1 and I: people read codes aloud. 32 letters, so a byte's low five bits choose one evenly. */
const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
const codeLength = 8

const makeCode = Effect.sync(() => Array.from(randomBytes(codeLength), (byte) => alphabet[byte & 31]!).join(""))

const Row = Schema.Struct({
  channel: Schema.String,
  account_id: Schema.String,
  sender_id: Schema.String,
  code: Schema.String,
  display_name: Schema.NullOr(Schema.String),
  username: Schema.NullOr(Schema.String),
  created_at: Schema.Natural,
  expires_at: Schema.Natural,
  delivered_at: Schema.NullOr(Schema.Natural),
  /** Missing in requests of earlier versions. */
  last_seen_at: Schema.NullOr(Schema.Natural)
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))
const decodeIds = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ sender_id: Schema.String })))

const requestOf = (row: typeof Row.Type): AccessRequest => ({
  channel: row.channel,
  accountId: row.account_id,
  senderId: row.sender_id,
  code: row.code,
  createdAt: row.created_at,
  lastSeenAt: row.last_seen_at ?? row.created_at,
  expiresAt: row.expires_at,
  ...(row.display_name === null ? undefined : { displayName: row.display_name }),
  ...(row.username === null ? undefined : { username: row.username })
})

const storageFailed = (error: { readonly message: string }) =>
  new AccessStorageFailed({ message: `the pairing store cannot be used: ${error.message}` })

const orStorageFailed = Effect.mapError(storageFailed)

export const layer: Layer.Layer<ChannelAccess, never, SqlClient.SqlClient> = Layer.effect(
  ChannelAccess,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const allowed = Effect.fn("ChannelAccess.allowed")(function* (channel: string, accountId: string) {
      const rows = yield* decodeIds(
        yield* sql`SELECT sender_id FROM channel_pairing_allowed WHERE channel = ${channel} AND account_id = ${accountId}`
      )
      return rows.map((row) => row.sender_id)
    }, orStorageFailed)

    const pendingRows = Effect.fnUntraced(function* (at: number, channel?: string) {
      const rows = yield* decodeRows(
        yield* sql`SELECT * FROM channel_pairing_requests WHERE expires_at > ${at} ORDER BY created_at, sender_id`
      )
      return rows.filter((row) => channel === undefined || row.channel === channel)
    })

    const pending = Effect.fn("ChannelAccess.pending")(function* (channel?: string) {
      return (yield* pendingRows(yield* now, channel)).map(requestOf)
    }, orStorageFailed)

    const request = Effect.fn("ChannelAccess.request")(
      function* (sender: Omit<AccessRequest, "code" | "createdAt" | "lastSeenAt" | "expiresAt">) {
        const createdAt = yield* now
        yield* sql`DELETE FROM channel_pairing_requests WHERE expires_at <= ${createdAt}`
        const waiting = (yield* pendingRows(createdAt, sender.channel)).filter(
          (row) => row.account_id === sender.accountId
        )
        const known = waiting.find((row) => row.sender_id === sender.senderId)
        if (known !== undefined) {
          yield* sql`
            UPDATE channel_pairing_requests SET last_seen_at = ${createdAt}
            WHERE channel = ${sender.channel} AND account_id = ${sender.accountId} AND sender_id = ${sender.senderId}`
          const request = { ...requestOf(known), lastSeenAt: createdAt }
          return { request, created: false, delivered: known.delivered_at !== null }
        }
        if (waiting.length >= maxPending) return undefined
        const made: AccessRequest = {
          ...sender,
          code: yield* makeCode,
          createdAt,
          lastSeenAt: createdAt,
          expiresAt: createdAt + codeTtlMs
        }
        yield* sql`INSERT INTO channel_pairing_requests ${sql.insert({
          channel: made.channel,
          account_id: made.accountId,
          sender_id: made.senderId,
          code: made.code,
          display_name: made.displayName ?? null,
          username: made.username ?? null,
          created_at: made.createdAt,
          last_seen_at: made.lastSeenAt,
          expires_at: made.expiresAt
        })}`
        return { request: made, created: true, delivered: false }
      },
      (effect) => sql.withTransaction(effect),
      orStorageFailed
    )

    const delivered = Effect.fn("ChannelAccess.delivered")(function* (channel: string, code: string) {
      yield* sql`
        UPDATE channel_pairing_requests SET delivered_at = ${yield* now} WHERE channel = ${channel} AND code = ${code}`
    }, orStorageFailed)

    /** Takes a request out of those that wait. */
    const take = Effect.fnUntraced(function* (channel: string, code: string, at: number) {
      const wanted = code.trim().toUpperCase()
      const row = (yield* pendingRows(at, channel)).find((candidate) => candidate.code === wanted)
      if (row === undefined) return yield* new AccessCodeNotFound({ code })
      yield* sql`
        DELETE FROM channel_pairing_requests
        WHERE channel = ${channel} AND account_id = ${row.account_id} AND sender_id = ${row.sender_id}`
      return requestOf(row)
    })

    const approve = Effect.fn("ChannelAccess.approve")(
      function* (channel: string, code: string) {
        const at = yield* now
        const approved = yield* take(channel, code, at)
        yield* sql`
          INSERT INTO channel_pairing_allowed (channel, account_id, sender_id, approved_at)
          VALUES (${channel}, ${approved.accountId}, ${approved.senderId}, ${at})
          ON CONFLICT DO NOTHING`
        return approved
      },
      (effect) => sql.withTransaction(effect),
      Effect.mapError((error) => (error instanceof AccessCodeNotFound ? error : storageFailed(error)))
    )

    const dismiss = Effect.fn("ChannelAccess.dismiss")(
      function* (channel: string, code: string) {
        return yield* take(channel, code, yield* now)
      },
      (effect) => sql.withTransaction(effect),
      Effect.mapError((error) => (error instanceof AccessCodeNotFound ? error : storageFailed(error)))
    )

    return { allowed, request, delivered, pending, approve, dismiss }
  })
)
