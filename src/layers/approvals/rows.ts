/**
 * Rows of the table `approvals`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { type ApprovalDecision, ApprovalRequest } from "../../protocol/methods/approvals.ts"
import type { Approval, Asker, Delivery, HistoryPage, Resolver } from "../../services/ExecApprovals.ts"
import { now } from "../now.ts"

/** Milliseconds that one is remembered after its end, and how many of them at most. */
const keepMs = 30 * 24 * 60 * 60_000
const keepCount = 5_000
/** Questions of clients that may wait at once. A turn's are as many as there are turns. */
export const MOST_WAITING = 256

/** The request, and beside it who was to be told and what the node said of it. */
const StoredRequest = Schema.fromJsonString(
  Schema.Struct({
    ...ApprovalRequest.fields,
    delivery: Schema.optional(Schema.Literals(["all", "clients", "none"])),
    digest: Schema.optional(Schema.String)
  })
)
const decodeRequest = Schema.decodeUnknownSync(StoredRequest)
const encodeRequest = Schema.encodeSync(StoredRequest)

interface Row {
  readonly id: string
  readonly request: string
  readonly status: Approval["status"]
  readonly decision: ApprovalDecision | null
  readonly reason: NonNullable<Approval["reason"]> | null
  readonly resolver_kind: Resolver["kind"] | null
  readonly resolver_id: string | null
  readonly created_at: number
  readonly expires_at: number
  readonly resolved_at: number | null
  readonly conn_id: string | null
  readonly device_id: string | null
  readonly run_id: string | null
  readonly spent_by: string | null
}

const approvalOf = (row: Row): Approval => {
  // Written by this program: one that does not decode is a defect.
  const { delivery, digest, ...request } = decodeRequest(row.request)
  return { ...ofRow(row), request, delivery: delivery ?? "all", digest }
}

const ofRow = (row: Row): Omit<Approval, "delivery" | "digest" | "request"> => ({
  id: row.id,
  status: row.status,
  decision: row.decision ?? undefined,
  reason: row.reason ?? undefined,
  resolver:
    row.resolver_kind === null
      ? undefined
      : { kind: row.resolver_kind, ...(row.resolver_id === null ? undefined : { id: row.resolver_id }) },
  createdAtMs: row.created_at,
  expiresAtMs: row.expires_at,
  resolvedAtMs: row.resolved_at ?? undefined,
  asker: {
    ...(row.conn_id === null ? undefined : { connId: row.conn_id }),
    ...(row.device_id === null ? undefined : { deviceId: row.device_id })
  },
  runId: row.run_id ?? undefined,
  spentBy: row.spent_by ?? undefined
})

/** How one ended. */
export interface Ending {
  readonly status: Exclude<Approval["status"], "pending">
  readonly reason: NonNullable<Approval["reason"]>
  readonly decision?: ApprovalDecision
  readonly resolver: Resolver
}

export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const many = (rows: ReadonlyArray<Row>) => rows.map(approvalOf)

  return {
    /** `undefined` when the id is taken, `full` when too many wait. */
    add: Effect.fnUntraced(function* (options: {
      readonly id: string
      readonly request: ApprovalRequest
      readonly delivery: Delivery
      readonly digest: string | undefined
      readonly timeoutMs: number
      readonly asker: Asker
      readonly runId: string | undefined
    }) {
      const at = yield* now
      yield* sql`DELETE FROM approvals WHERE status <> 'pending' AND resolved_at < ${at - keepMs}`
      yield* sql`
        DELETE FROM approvals WHERE id IN (
          SELECT id FROM approvals WHERE status <> 'pending' ORDER BY resolved_at DESC, id DESC LIMIT 100 OFFSET ${keepCount})`
      const waiting = yield* sql<{ readonly n: number }>`
        SELECT COUNT(*) AS n FROM approvals WHERE status = 'pending' AND run_id IS NULL`
      if (options.runId === undefined && (waiting[0]?.n ?? 0) >= MOST_WAITING) return "full" as const
      const rows = yield* sql<Row>`
        INSERT INTO approvals ${sql.insert({
          id: options.id,
          request: encodeRequest({
            ...options.request,
            delivery: options.delivery,
            ...(options.digest === undefined ? undefined : { digest: options.digest })
          }),
          status: "pending",
          created_at: at,
          expires_at: at + options.timeoutMs,
          conn_id: options.asker.connId ?? null,
          device_id: options.asker.deviceId ?? null,
          run_id: options.runId ?? null
        })} ON CONFLICT (id) DO NOTHING RETURNING *`
      return rows[0] === undefined ? undefined : approvalOf(rows[0])
    }, sql.withTransaction),

    find: (id: string) =>
      Effect.map(sql<Row>`SELECT * FROM approvals WHERE id = ${id}`, (rows) =>
        rows[0] === undefined ? undefined : approvalOf(rows[0])
      ),

    pending: Effect.map(sql<Row>`SELECT * FROM approvals WHERE status = 'pending' ORDER BY created_at, id`, many),

    /** When the next one runs out. */
    nextExpiry: Effect.map(
      sql<{ readonly at: number | null }>`SELECT MIN(expires_at) AS at FROM approvals WHERE status = 'pending'`,
      (rows) => rows[0]?.at ?? undefined
    ),

    /** Ids of those that wait and whose time is over. */
    due: Effect.fnUntraced(function* () {
      const rows = yield* sql<{ readonly id: string }>`
        SELECT id FROM approvals WHERE status = 'pending' AND expires_at <= ${yield* now}`
      return rows.map(({ id }) => id)
    }),

    /** Ids of those that wait for a run. */
    ofRun: (runId: string) =>
      Effect.map(
        sql<{ readonly id: string }>`SELECT id FROM approvals WHERE status = 'pending' AND run_id = ${runId}`,
        (rows) => rows.map(({ id }) => id)
      ),
    /** Ids of those whose asker went with an earlier process: a connection, or a run that is no turn which goes on. */
    orphans: Effect.map(
      sql<{ readonly id: string }>`
        SELECT id FROM approvals WHERE status = 'pending' AND ((conn_id IS NOT NULL AND device_id IS NULL)
          OR (run_id IS NOT NULL AND run_id NOT IN (SELECT run_id FROM turns WHERE finished_at IS NULL)))`,
      (rows) => rows.map(({ id }) => id)
    ),

    /** Ends one that waits; `undefined` when it does not any more. */
    end: Effect.fnUntraced(function* (id: string, ending: Ending) {
      const rows = yield* sql<Row>`
        UPDATE approvals SET status = ${ending.status}, reason = ${ending.reason}, decision = ${ending.decision ?? null},
          resolver_kind = ${ending.resolver.kind}, resolver_id = ${ending.resolver.id ?? null}, resolved_at = ${yield* now}
        WHERE id = ${id} AND status = 'pending' RETURNING *`
      return rows[0] === undefined ? undefined : approvalOf(rows[0])
    }),

    /** Notes the run that an approval is for. `false` when it was for another. */
    spend: Effect.fnUntraced(function* (id: string, key: string) {
      const rows = yield* sql`
        UPDATE approvals SET spent_by = ${key} WHERE id = ${id} AND (spent_by IS NULL OR spent_by = ${key}) RETURNING id`
      return rows.length > 0
    }),

    history: Effect.fnUntraced(function* (
      limit: number,
      before: { readonly resolvedAtMs: number; readonly id: string } | undefined
    ): Effect.fn.Return<HistoryPage, SqlError> {
      const at = before?.resolvedAtMs ?? Number.MAX_SAFE_INTEGER
      const rows = yield* sql<Row>`
        SELECT * FROM approvals
        WHERE status <> 'pending' AND (resolved_at < ${at} OR (resolved_at = ${at} AND id < ${before?.id ?? ""}))
        ORDER BY resolved_at DESC, id DESC LIMIT ${limit + 1}`
      const items = many(rows.slice(0, limit))
      const last = rows.length > limit ? items.at(-1) : undefined
      return {
        items,
        next: last === undefined ? undefined : { resolvedAtMs: last.resolvedAtMs ?? 0, id: last.id }
      }
    })
  }
})

export type Rows = Effect.Success<typeof make>
