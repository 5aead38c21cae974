/**
 * Forgetting turns that ended long ago: their row in the book and what the engine keeps of them.
 *
 * A turn that is forgotten would run again if its id came again, so they are kept much longer than anybody repeats a
 * request. The transcript is not touched.
 */
import * as EntityAddress from "effect/cluster/EntityAddress"
import * as EntityId from "effect/cluster/EntityId"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import type { Ledger } from "./Ledger.ts"
import { mailboxKey, SessionActor } from "./SessionActor.ts"
import { TurnWorkflow } from "./TurnWorkflow.ts"

/** Turns forgotten in one transaction; others wait that long for the database. */
const batch = 50

/** `prune` removes turns that ended more than `keepMs` milliseconds ago. */
export const make = Effect.fnUntraced(function* (ledger: Ledger, keepMs: number) {
  const sql = yield* SqlClient.SqlClient
  const sharding = yield* Sharding.Sharding
  const storage = yield* MessageStorage.MessageStorage

  const forget = Effect.fnUntraced(function* (ended: Effect.Success<ReturnType<Ledger["endedBefore"]>>[number]) {
    // Only the turn's id counts; the rest of a request is whatever its schema admits.
    const executionId = yield* TurnWorkflow.executionId({ ...ended, agentId: "-", text: "", receivedAt: 0 })
    // All that a workflow stores is keyed under its own name; `0` is what follows `/`.
    const prefix = `Workflow/${TurnWorkflow._tag}/${executionId}`
    const entityId = EntityId.make(ended.sessionKey)
    const mailed = yield* storage.requestIdForPrimaryKey({
      address: EntityAddress.make({
        entityType: SessionActor.type,
        entityId,
        shardId: sharding.getShardId(entityId, SessionActor.getShardGroup(entityId))
      }),
      tag: "turn",
      id: mailboxKey(ended.runId)
    })
    const ids = sql`
      SELECT id FROM cluster_messages
      WHERE message_id > ${`${prefix}/`} AND message_id < ${`${prefix}0`}
      OR id = ${Option.match(mailed, { onNone: () => null, onSome: String })}`
    yield* sql`DELETE FROM cluster_replies WHERE request_id IN (${ids})`
    yield* sql`DELETE FROM cluster_messages WHERE request_id IN (${ids})`
    yield* ledger.remove(ended.runId)
  })

  const once = Effect.gen(function* () {
    const ended = yield* ledger.endedBefore((yield* Clock.currentTimeMillis) - keepMs, batch)
    yield* Effect.forEach(ended, forget, { discard: true })
    return ended.length
  }).pipe(sql.withTransaction)

  const prune = Effect.repeat(once, { while: (forgotten) => forgotten === batch })
  return { prune }
})
