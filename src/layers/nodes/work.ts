/**
 * Work that waits in the database until its node asks for it, for nodes that sleep most of the time.
 *
 * One piece of a kind a node: asking for what waits already is the same work. Handing over forgets, so a node that goes
 * before it has done it is asked again only by whoever asks again. A node that has been given no request for its status gets one
 * at the end, as in OpenClaw.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { type PendingWork, WorkType } from "../../protocol/methods/nodes.ts"
import { NodeNotConnected } from "../../services/NodeRegistry.ts"
import * as Time from "../now.ts"
import { storage } from "./store.ts"

const DAY_MS = 86_400_000

const Row = Schema.Struct({
  id: Schema.NonEmptyString,
  type: WorkType,
  priority: Schema.Literals(["normal", "high"]),
  createdAtMs: Schema.Natural,
  expiresAtMs: Schema.Natural
})
const decode = Schema.decodeUnknownEffect(Schema.Array(Row))
const decodeRevision = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ revision: Schema.Natural })))

export const make = Effect.map(SqlClient.SqlClient, (sql) => {
  /** The urgent first, then the oldest. */
  const waiting = Effect.fnUntraced(function* (nodeId: string, now: number) {
    yield* sql`DELETE FROM node_pending WHERE node_id = ${nodeId} AND expires_at <= ${now}`
    return yield* decode(
      yield* sql`
        SELECT work_id AS "id", kind AS "type", priority, created_at AS "createdAtMs", expires_at AS "expiresAtMs"
        FROM node_pending WHERE node_id = ${nodeId}
        ORDER BY CASE priority WHEN 'high' THEN 0 ELSE 1 END, created_at, kind`
    )
  })
  const revision = Effect.fnUntraced(function* (nodeId: string) {
    const rows = yield* decodeRevision(
      yield* sql`SELECT revision FROM node_pending_revisions WHERE node_id = ${nodeId}`
    )
    return rows[0]?.revision ?? 0
  })
  const changed = (nodeId: string) => sql`
    INSERT INTO node_pending_revisions (node_id, revision) VALUES (${nodeId}, 1)
    ON CONFLICT (node_id) DO UPDATE SET revision = revision + 1`

  return {
    /** `known`: whether the node was ever approved. */
    enqueue: Effect.fn("NodeRegistry.work.enqueue")(function* (
      work: {
        readonly nodeId: string
        readonly type: PendingWork["type"]
        readonly priority: "normal" | "high"
        readonly expiresInMs?: number | undefined
      },
      known: boolean
    ) {
      const { nodeId, priority, type } = work
      if (!known) return yield* new NodeNotConnected({ nodeId, known: false })
      const now = yield* Time.now
      return yield* Effect.gen(function* () {
        const same = (yield* waiting(nodeId, now)).find((row) => row.type === type)
        if (same !== undefined) return { revision: yield* revision(nodeId), queued: same }
        const queued = {
          id: randomUUID(),
          type,
          priority,
          createdAtMs: now,
          expiresAtMs: now + (work.expiresInMs ?? DAY_MS)
        }
        yield* sql`
          INSERT INTO node_pending (node_id, kind, work_id, priority, created_at, expires_at)
          VALUES (${nodeId}, ${type}, ${queued.id}, ${priority}, ${now}, ${queued.expiresAtMs})`
        yield* changed(nodeId)
        return { revision: yield* revision(nodeId), queued }
      }).pipe(sql.withTransaction, storage)
    }),

    drain: Effect.fn("NodeRegistry.work.drain")(function* (nodeId: string, maxItems: number) {
      const now = yield* Time.now
      return yield* Effect.gen(function* () {
        const all = yield* waiting(nodeId, now)
        const taken = all.slice(0, maxItems)
        for (const { id } of taken) yield* sql`DELETE FROM node_pending WHERE work_id = ${id}`
        if (taken.length > 0) yield* changed(nodeId)
        const status = all.some((row) => row.type === "status.request")
        const baseline: PendingWork = {
          id: "baseline-status",
          type: "status.request",
          priority: "default",
          createdAtMs: now,
          expiresAtMs: null
        }
        const items: ReadonlyArray<PendingWork> = status || taken.length === maxItems ? taken : [...taken, baseline]
        const hasMore = all.length > taken.length || (!status && items.length === taken.length)
        return { revision: yield* revision(nodeId), items, hasMore }
      }).pipe(sql.withTransaction, storage)
    })
  }
})
