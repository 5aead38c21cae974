/**
 * The book of turns: one row each, from arrival to end.
 *
 * The engine's mailbox decides when a turn runs; the book knows which turns there are, which are to be aborted, and what
 * became of them. A row is written in the transaction that puts the turn into its session's mailbox.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { RunId } from "../../domain/Ids.ts"
import type { SessionKey } from "../../domain/SessionKey.ts"
import { format, parse, type TraceContext } from "../../domain/TraceContext.ts"
import { CurrentFlow } from "../../services/Tracing.ts"
import { type AbortOrigin, TurnOutcome, TurnRequest } from "../../services/Turns.ts"
import { now } from "../now.ts"
import * as Queueing from "./Queueing.ts"

const RequestJson = Schema.fromJsonString(TurnRequest)
const encodeRequest = Schema.encodeSync(RequestJson)
const decodeRequest = Schema.decodeUnknownEffect(RequestJson)
const OutcomeJson = Schema.fromJsonString(TurnOutcome)
const encodeOutcome = Schema.encodeSync(OutcomeJson)
const decodeOutcome = Schema.decodeUnknownEffect(OutcomeJson)

/** What the book says when a turn starts, or starts again after the process died. */
export interface Begun {
  /** How often the turn was started, this time included; a start that an orderly stop ended does not count. */
  readonly attempts: number
  /** Unix milliseconds of the first start. */
  readonly startedAt: number
  /** Who wants the turn to end; `undefined` when nobody does. */
  readonly abort: AbortOrigin | undefined
  /** The turn's result, when it was decided before. */
  readonly outcome: TurnOutcome | undefined
  /** Nothing is left to do: the reply was delivered as well. */
  readonly finished: boolean
  /** How the turn waited; `null` when nothing may fold or drop it. */
  readonly queue: Queueing.Waits | null
  /** What else it answers was settled at an earlier start. */
  readonly gathered: boolean
  /** What submitted it, or began it first where that was not traced. */
  readonly trace: TraceContext | undefined
  /** It was started before. */
  readonly resumed: boolean
}

interface Row {
  readonly seq: number
  readonly run_id: RunId
  readonly request: string
  readonly session_key: SessionKey
  readonly started_at: number | null
  readonly attempts: number
  readonly abort_requested_at: number | null
  readonly abort_origin: string | null
  readonly outcome: string | null
  readonly finished_at: number | null
  readonly queue: Queueing.Waits | null
  readonly takes: number
  readonly trace: string | null
}

const origins: ReadonlyArray<AbortOrigin> = ["rpc", "stop", "interrupt"]

export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queue = yield* Queueing.make

  // The rows are this program's own: one that does not decode is a defect.
  const outcomeOf = (text: string | null) => (text === null ? Effect.undefined : Effect.orDie(decodeOutcome(text)))

  const abortOf = (row: Pick<Row, "abort_requested_at" | "abort_origin">): AbortOrigin | undefined =>
    row.abort_requested_at === null ? undefined : (origins.find((origin) => origin === row.abort_origin) ?? "rpc")

  const begun = Effect.fnUntraced(function* (row: Row, now: number): Effect.fn.Return<Begun> {
    return {
      attempts: row.attempts,
      startedAt: row.started_at ?? 0,
      abort: abortOf(row),
      outcome: yield* outcomeOf(row.outcome),
      finished: row.finished_at !== null,
      queue: row.queue,
      gathered: row.takes === 1,
      trace: parse(row.trace ?? undefined),
      resumed: row.started_at !== null && row.started_at !== now
    }
  })

  /** Ends a turn and the messages that it took in, as part of the caller's transaction. The outcomes of these are returned. */
  const finish = Effect.fnUntraced(function* (outcome: TurnOutcome) {
    const finished = yield* sql<Pick<Row, "takes">>`
      UPDATE turns SET outcome = ${encodeOutcome(outcome)}, finished_at = ${yield* now}
      WHERE run_id = ${outcome.runId} AND finished_at IS NULL RETURNING takes`
    return finished[0]?.takes === 1 ? yield* queue.close(outcome) : []
  })

  return {
    queue,
    finish,
    /** The same, by itself. */
    end: (outcome: TurnOutcome) => Effect.asVoid(sql.withTransaction(finish(outcome))),

    /** Enters a turn. `false` when its id is in the book already. `foldable`: the session's queue decides about it. */
    enter: Effect.fnUntraced(function* (request: TurnRequest, foldable: boolean) {
      const flow = yield* CurrentFlow
      const entered = yield* sql`
        INSERT INTO turns ${sql.insert({
          run_id: request.runId,
          session_key: request.sessionKey,
          request: encodeRequest(request),
          queue: foldable ? "followup" : null,
          submitted_at: yield* now,
          trace: flow === undefined ? null : format(flow)
        })} ON CONFLICT (run_id) DO NOTHING RETURNING seq`
      return entered.length > 0
    }),

    find: Effect.fnUntraced(function* (runId: RunId) {
      const rows = yield* sql<Row>`SELECT * FROM turns WHERE run_id = ${runId}`
      const row = rows[0]
      if (row === undefined) return undefined
      return {
        sessionKey: row.session_key,
        request: yield* Effect.orDie(decodeRequest(row.request)),
        outcome: yield* outcomeOf(row.outcome),
        finished: row.finished_at !== null,
        startedAt: row.started_at,
        endedAt: row.finished_at,
        abort: abortOf(row)
      }
    }),

    /** Notes that a turn starts, unless it is over already. Not `charged`: the start is not counted. */
    begin: Effect.fnUntraced(function* (runId: RunId, charged: boolean) {
      const time = yield* now
      const started = yield* sql<Row>`
        UPDATE turns SET attempts = attempts + ${charged ? 1 : 0}, started_at = COALESCE(started_at, ${time})
        WHERE run_id = ${runId} AND finished_at IS NULL RETURNING *`
      const rows = started.length > 0 ? started : yield* sql<Row>`SELECT * FROM turns WHERE run_id = ${runId}`
      return yield* begun(rows[0]!, time)
    }),

    /** Charges a turn with so many deaths, or takes so many back. */
    charge: Effect.fnUntraced(function* (runId: RunId, deaths: number) {
      yield* sql`
        UPDATE turns SET attempts = MAX(0, attempts + ${deaths}) WHERE run_id = ${runId} AND finished_at IS NULL`
    }),

    /** Those that have not ended. */
    unfinished: Effect.map(
      sql<{ readonly run_id: RunId }>`SELECT run_id FROM turns WHERE finished_at IS NULL`,
      (rows) => rows.map((row) => row.run_id)
    ),

    /** Turns that one more death of the process takes to `maxAttempts`, or that have come there; those first that were tried least. */
    suspects: (maxAttempts: number) =>
      Effect.map(
        sql<{ readonly run_id: RunId; readonly attempts: number; readonly trials: number }>`
          SELECT run_id, attempts, trials FROM turns
          WHERE finished_at IS NULL AND abort_requested_at IS NULL AND attempts > 0 AND attempts >= ${maxAttempts - 1}
          ORDER BY trials, seq`,
        (rows) => rows.map(({ attempts, run_id, trials }) => ({ runId: run_id, attempts, trials }))
      ),

    /** Notes that a turn outlived its time alone, and takes its last start back if it is `charged`. */
    outlived: (runId: RunId, charged: boolean) =>
      Effect.asVoid(sql`
        UPDATE turns SET attempts = MAX(0, attempts - ${charged ? 1 : 0}), trials = trials + 1
        WHERE run_id = ${runId} AND finished_at IS NULL`),

    /** Keeps a turn's result before its reply is delivered. */
    decide: Effect.fnUntraced(function* (outcome: TurnOutcome) {
      yield* sql`
        UPDATE turns SET outcome = ${encodeOutcome(outcome)} WHERE run_id = ${outcome.runId} AND finished_at IS NULL`
    }),

    /** Who wants a turn to end. */
    abortOf: (runId: RunId) =>
      Effect.map(
        sql<Row>`SELECT abort_requested_at, abort_origin FROM turns WHERE run_id = ${runId}`,
        (rows) => rows[0] && abortOf(rows[0])
      ),

    /**
     * Notes that turns are to end: those named, or else all of the session that have not ended. They are returned, the
     * oldest first. A message that another turn took in ends with that one only.
     */
    requestAbort: Effect.fnUntraced(function* (
      sessionKey: SessionKey,
      origin: AbortOrigin,
      runIds: ReadonlyArray<RunId> | undefined
    ) {
      const open = sql`session_key = ${sessionKey} AND finished_at IS NULL AND taken_by IS NULL`
      const which = runIds === undefined ? open : sql.and([sql.in("run_id", runIds), open])
      const rows = yield* sql<Row>`
        UPDATE turns SET
          abort_requested_at = COALESCE(abort_requested_at, ${yield* now}),
          abort_origin = COALESCE(abort_origin, ${origin})
        WHERE ${which} RETURNING *`
      const oldestFirst = [...rows].sort((a, b) => a.seq - b.seq)
      return yield* Effect.forEach(oldestFirst, (row) => Effect.orDie(decodeRequest(row.request)))
    }),

    /** Ends a turn that has not started. `false` when it has started meanwhile, or ended. */
    cancel: Effect.fnUntraced(function* (outcome: TurnOutcome) {
      const cancelled = yield* sql`
        UPDATE turns SET outcome = ${encodeOutcome(outcome)}, finished_at = ${yield* now}
        WHERE run_id = ${outcome.runId} AND started_at IS NULL AND finished_at IS NULL AND taken_by IS NULL
        RETURNING seq`
      return cancelled.length > 0
    }),

    /** The turn of a session that has started and not ended. */
    running: Effect.fnUntraced(function* (sessionKey: SessionKey) {
      const rows = yield* sql<{ readonly run_id: RunId; readonly started_at: number }>`
        SELECT run_id, started_at FROM turns
        WHERE session_key = ${sessionKey} AND finished_at IS NULL AND started_at IS NOT NULL ORDER BY seq LIMIT 1`
      const row = rows[0]
      return row === undefined ? undefined : { runId: row.run_id, startedAt: row.started_at }
    }),

    /** Those of a session that have not started and that no other turn has taken in, oldest first. */
    waiting: Effect.fnUntraced(function* (sessionKey: SessionKey) {
      const rows = yield* sql<Pick<Row, "seq" | "request">>`
        SELECT seq, request FROM turns
        WHERE session_key = ${sessionKey} AND finished_at IS NULL AND started_at IS NULL AND taken_by IS NULL
        AND abort_requested_at IS NULL ORDER BY seq`
      return yield* Effect.forEach(rows, ({ request, seq }) =>
        Effect.map(Effect.orDie(decodeRequest(request)), ({ receivedAt, runId, text }) => ({
          runId,
          text,
          receivedAt,
          place: seq
        }))
      )
    }),

    countActive: Effect.map(
      sql<{ readonly n: number }>`SELECT COUNT(*) AS n FROM turns WHERE finished_at IS NULL`,
      (rows) => rows[0]?.n ?? 0
    )
  }
})

export type Ledger = Effect.Success<typeof make>
