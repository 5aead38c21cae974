/**
 * The spans in the state database: written in batches that no turn waits for, read by message, pruned as a ring.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import { parse } from "../../domain/TraceContext.ts"
import { type Trace, TraceNotFound, type TraceSpan, TracesUnavailable } from "../../services/Traces.ts"
import { considerate } from "../pauses.ts"
import type { SpanRecord } from "./record.ts"

/** Spans that are kept, and for how long: about 4,000 turns. */
export const KEEP_COUNT = 30_000
export const KEEP_MS = 14 * 24 * 60 * 60_000
/** Rows that go in one statement. */
const pruneBatch = 500
/** Spans of one trace that are shown: far more than a turn has. */
const MOST_SHOWN = 2_000

const Row = Schema.Struct({
  span_id: Schema.NonEmptyString,
  parent_id: Schema.NullOr(Schema.NonEmptyString),
  name: Schema.NonEmptyString,
  started_at: Schema.Finite,
  duration_ms: Schema.NullOr(Schema.Finite),
  status: Schema.Literals(["open", "ok", "error", "interrupted"]),
  error: Schema.NullOr(Schema.String),
  attributes: Schema.fromJsonString(
    Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))
  )
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

interface Turn {
  readonly run_id: string
  readonly session_key: string
  readonly trace: string | null
  readonly folded_into: string | null
}

const traceOf = (text: string | null) => parse(text ?? undefined)?.traceId

const unavailable = (error: { readonly message: string }) =>
  new TracesUnavailable({
    message: `the traces cannot be read: ${error.message}\nFix: \`openclaw logs\` says what is wrong with the storage; a database of an older version has none.`
  })

/** `%` and `_` mean themselves. */
const literal = (text: string) => text.replaceAll(/[\\%_]/g, (character) => `\\${character}`)

export const makeRead = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const turns = sql`
    SELECT run_id, session_key, trace,
      CASE WHEN outcome IS NULL THEN NULL ELSE json_extract(outcome, '$.folded.into') END AS folded_into FROM turns`

  const one = (condition: Fragment) =>
    Effect.map(
      sql<Turn>`${turns} WHERE trace IS NOT NULL AND ${condition} ORDER BY seq DESC LIMIT 1`,
      (rows) => rows[0]
    )

  /** A message that had no turn: a command, or one that was turned away. */
  const received = (asked: string) =>
    Effect.map(
      sql<{ readonly trace: string }>`
        SELECT trace FROM channel_inbox WHERE trace IS NOT NULL
        AND (message_key LIKE ${`%:${literal(asked)}`} ESCAPE '\\' OR message_key = ${asked})
        ORDER BY seq DESC LIMIT 1`,
      (rows) => rows[0]?.trace
    )

  const locate = Effect.fnUntraced(function* (asked: string | undefined) {
    if (asked === undefined) return { turn: yield* one(sql`1 = 1`), traceId: undefined }
    if (/^[\da-f]{32}$/.test(asked)) {
      return { turn: yield* one(sql`trace LIKE ${`00-${asked}-%`}`), traceId: asked }
    }
    const turn =
      (yield* one(sql`run_id = ${asked}`)) ??
      (yield* one(sql`session_key = ${asked}`)) ??
      (yield* one(sql`run_id LIKE ${`%:${literal(asked)}`} ESCAPE '\\'`))
    return { turn, traceId: turn === undefined ? traceOf((yield* received(asked)) ?? null) : undefined }
  })

  const newest = Effect.map(
    sql<{ readonly trace_id: string }>`SELECT trace_id FROM trace_spans ORDER BY seq DESC LIMIT 1`,
    (rows) => rows[0]?.trace_id
  )

  return Effect.fn("Traces.find")(function* (
    asked: string | undefined,
    isOpen: (spanId: string) => boolean
  ): Effect.fn.Return<Trace, TraceNotFound | TracesUnavailable> {
    const { traceId, turn, rows } = yield* Effect.gen(function* () {
      const found = yield* locate(asked)
      const id =
        found.traceId ?? traceOf(found.turn?.trace ?? null) ?? (asked === undefined ? yield* newest : undefined)
      const runId = found.turn?.run_id ?? null
      // Of a client that does all its life in one trace: the turn that was asked for, and what is newest beside it.
      const spans = yield* sql`
        SELECT * FROM (
          SELECT seq, span_id, parent_id, name, started_at, duration_ms, status, error, attributes
          FROM trace_spans WHERE trace_id = ${id ?? ""} ORDER BY run_id IS ${runId} DESC, seq DESC LIMIT ${MOST_SHOWN}
        ) ORDER BY started_at, seq`
      return { traceId: id, turn: found.turn, rows: yield* decodeRows(spans) }
    }).pipe(Effect.mapError(unavailable))
    if (traceId === undefined || rows.length === 0) return yield* new TraceNotFound({ asked: asked ?? "" })
    return {
      traceId,
      ...(turn === undefined ? undefined : { runId: turn.run_id, sessionKey: turn.session_key }),
      ...(turn?.folded_into == null ? undefined : { foldedInto: turn.folded_into }),
      spans: rows.map((row): TraceSpan => ({
        spanId: row.span_id,
        ...(row.parent_id === null ? undefined : { parentId: row.parent_id }),
        name: row.name,
        startedAt: row.started_at,
        ...(row.duration_ms === null ? undefined : { durationMs: row.duration_ms }),
        status: row.status === "open" ? (isOpen(row.span_id) ? "running" : "cut") : row.status,
        ...(row.error === null ? undefined : { error: row.error }),
        attributes: row.attributes
      }))
    }
  })
})

const asRow = (span: SpanRecord) => [
  span.traceId,
  span.spanId,
  span.parentId ?? null,
  span.name,
  span.runId ?? null,
  span.startedAt,
  span.durationMs ?? null,
  span.status,
  span.error ?? null,
  JSON.stringify(span.attributes)
]

export const makeWrite = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  /** One statement for all, in a transaction that shares its commit with whoever else is at work. */
  const write = (spans: ReadonlyArray<SpanRecord>) =>
    Effect.asVoid(
      sql.withTransaction(sql`
        INSERT INTO trace_spans
          (trace_id, span_id, parent_id, name, run_id, started_at, duration_ms, status, error, attributes)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, CAST(value ->> 5 AS REAL),
          CAST(value ->> 6 AS REAL), value ->> 7, value ->> 8, value ->> 9
        FROM json_each(${JSON.stringify(spans.map(asRow))}) WHERE 1 = 1
        ON CONFLICT (trace_id, span_id) DO UPDATE SET
          duration_ms = excluded.duration_ms, status = excluded.status, error = excluded.error,
          attributes = excluded.attributes
          WHERE status = 'open'`)
    )

  /** Forgets what was written before it was known to be nothing. */
  const forget = (spans: ReadonlyArray<SpanRecord>) =>
    Effect.forEach(
      spans,
      ({ spanId, traceId }) => sql`DELETE FROM trace_spans WHERE trace_id = ${traceId} AND span_id = ${spanId}`,
      { discard: true }
    )

  /** Whether there may be more to forget. */
  const forgetSome = (before: number, keep: number) =>
    Effect.map(
      sql`
        DELETE FROM trace_spans WHERE seq IN (
          SELECT seq FROM trace_spans
          WHERE seq <= (SELECT MAX(seq) FROM trace_spans) - ${keep} OR started_at < ${before}
          ORDER BY seq LIMIT ${pruneBatch}
        ) RETURNING seq`,
      (gone) => gone.length === pruneBatch
    )

  const prune = Effect.fnUntraced(function* (now: number, keep = KEEP_COUNT, keepMs = KEEP_MS) {
    while (yield* considerate(forgetSome(now - keepMs, keep)));
  })

  return { write, forget, prune }
})
