/**
 * The rows of messages whose turn was given up.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { RunId } from "../../domain/Ids.ts"
import type { DeadLetter, DeadLetterKind } from "../../protocol/methods/deadLetters.ts"
import { TurnRequest } from "../../services/Turns.ts"
import { now } from "../now.ts"

/** Milliseconds that a resolved one is remembered, without its text. */
const keepResolvedMs = 30 * 24 * 60 * 60_000

const RequestJson = Schema.fromJsonString(TurnRequest)
const encodeRequest = Schema.encodeSync(RequestJson)
const decodeRequest = Schema.decodeUnknownEffect(RequestJson)

/** Short enough to type, and the same whenever it is made. */
export const idOf = (kind: DeadLetterKind, key: string): string =>
  createHash("sha256").update(`${kind}\n${key}`).digest("hex").slice(0, 12)

interface Row {
  readonly id: string
  readonly run_id: string
  readonly session_key: string
  readonly channel: string | null
  readonly account_id: string | null
  readonly chat_id: string | null
  readonly sender_id: string | null
  readonly attempts: number
  readonly error: string
  readonly received_at: number
  readonly failed_at: number
  readonly may_double: number
  readonly request: string | null
  readonly resolution: "retried" | "dropped" | null
  readonly retried_as: string | null
}

/** What became of a row: it waits with its request, or somebody resolved it. */
export type Stored =
  | { readonly state: "open"; readonly letter: DeadLetter; readonly request: TurnRequest }
  | { readonly state: "retried"; readonly letter: DeadLetter; readonly runId: RunId }
  | { readonly state: "dropped"; readonly letter: DeadLetter }

const letterOf = (row: Row): DeadLetter => ({
  id: row.id,
  kind: "turn",
  attempts: row.attempts,
  error: row.error,
  mayDouble: row.may_double === 1,
  receivedAt: row.received_at,
  failedAt: row.failed_at,
  runId: row.run_id,
  sessionKey: row.session_key,
  ...(row.channel === null ? undefined : { channel: row.channel }),
  ...(row.account_id === null ? undefined : { accountId: row.account_id }),
  ...(row.chat_id === null ? undefined : { chatId: row.chat_id }),
  ...(row.sender_id === null ? undefined : { senderId: row.sender_id })
})

export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  return {
    /** Sets a turn aside, once. `mayDouble`: its tools have begun something. Part of the caller's transaction if there is one. */
    add: Effect.fnUntraced(function* (request: TurnRequest, attempts: number, error: string, mayDouble = false) {
      const peer = request.replyTo?.peer
      const at = yield* now
      yield* sql`DELETE FROM dead_letters WHERE resolution IS NOT NULL AND resolved_at < ${at - keepResolvedMs}`
      yield* sql`
        INSERT INTO dead_letters ${sql.insert({
          id: idOf("turn", request.runId),
          run_id: request.runId,
          session_key: request.sessionKey,
          channel: peer?.channel ?? null,
          account_id: peer?.accountId ?? null,
          chat_id: peer?.chatId ?? null,
          sender_id: request.sender?.id ?? null,
          attempts,
          error,
          received_at: request.receivedAt,
          failed_at: at,
          may_double: mayDouble ? 1 : 0,
          request: encodeRequest(request)
        })} ON CONFLICT (id) DO NOTHING`
    }),

    /** Those that wait, oldest first. */
    open: Effect.map(sql<Row>`SELECT * FROM dead_letters WHERE resolution IS NULL ORDER BY failed_at, id`, (rows) =>
      rows.map(letterOf)
    ),

    find: Effect.fnUntraced(function* (id: string): Effect.fn.Return<Stored | undefined, SqlError> {
      const rows = yield* sql<Row>`SELECT * FROM dead_letters WHERE id = ${id}`
      const row = rows[0]
      if (row === undefined) return undefined
      const letter = letterOf(row)
      if (row.resolution === "retried") return { state: "retried", letter, runId: RunId.make(row.retried_as ?? "") }
      if (row.resolution === "dropped") return { state: "dropped", letter }
      // The row is this program's own: one that does not decode is a defect.
      return { state: "open", letter, request: yield* Effect.orDie(decodeRequest(row.request)) }
    }),

    /** Closes one that waits and forgets its text. */
    retried: Effect.fnUntraced(function* (id: string, runId: RunId) {
      yield* sql`
        UPDATE dead_letters SET resolution = 'retried', resolved_at = ${yield* now}, retried_as = ${runId}, request = NULL
        WHERE id = ${id} AND resolution IS NULL`
    }),

    dropped: Effect.fnUntraced(function* (id: string) {
      yield* sql`
        UPDATE dead_letters SET resolution = 'dropped', resolved_at = ${yield* now}, request = NULL
        WHERE id = ${id} AND resolution IS NULL`
    })
  }
})

export type Store = Effect.Success<typeof make>
