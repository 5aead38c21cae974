/**
 * Forgetting what ended, in two steps. The engine's rows of a turn (mailbox message, steps, their results) go a minute after
 * its end: from then on the book answers for it. The turn's row in the book stays much longer, because a turn that is
 * forgotten would run again if its id came again; it goes by age and by count.
 *
 * Each transaction takes a few turns and a pause follows it, so that those who write messages hardly notice. The transcript
 * is not touched.
 */
import * as EntityAddress from "effect/cluster/EntityAddress"
import * as EntityId from "effect/cluster/EntityId"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { RunId } from "../../domain/Ids.ts"
import type { SessionKey } from "../../domain/SessionKey.ts"
import { considerate, untilDone } from "../pauses.ts"
import { mailboxKey, SessionActor } from "./SessionActor.ts"
import { TurnWorkflow } from "./TurnWorkflow.ts"

export interface PruningOptions {
  /** Milliseconds that a finished turn is remembered, and with it that its id was used. */
  readonly keepMs: number
  /** Finished turns that are remembered at most, the newest ones. */
  readonly keepCount: number
  /** Of the newest ones so many stay whatever their age: a clock that is set forward must not make all forgotten. */
  readonly keepLeast: number
  /** Milliseconds that the engine's rows of a finished turn stay, for those who wait for its end at that moment. */
  readonly keepEngineMs: number
  /** Milliseconds from one look to the next, and from the start to the first. */
  readonly pruneEveryMs: number
}

export const defaults: PruningOptions = {
  keepMs: 30 * 24 * 60 * 60_000,
  keepCount: 20_000,
  keepLeast: 1_000,
  keepEngineMs: 60_000,
  pruneEveryMs: 15_000
}

/** Turns whose rows of the engine go in one transaction: some milliseconds. */
const engineBatch = 25
/** Rows of the book that go in one statement. */
const bookBatch = 200

interface Ended {
  readonly seq: number
  readonly run_id: RunId
  readonly session_key: SessionKey
  readonly finished_at: number
}

/** Where a look goes on: turns are taken in the order in which they ended. */
interface Place {
  readonly finishedAt: number
  readonly seq: number
}

const beginning: Place = { finishedAt: -1, seq: -1 }

/** A look at everything once, and the loop that looks again and again. Storage trouble ends a look; the next one goes on. */
export const make = Effect.fnUntraced(function* (options: PruningOptions) {
  const sql = yield* SqlClient.SqlClient
  const sharding = yield* Sharding.Sharding
  const storage = yield* MessageStorage.MessageStorage

  /**
   * Ids of what the engine keeps of a turn; none while its mailbox message is not worked off, which can be long after the
   * end of a turn that was ended before it had begun.
   */
  const engineIds = Effect.fnUntraced(function* ({ run_id: runId, session_key: sessionKey }: Ended) {
    // Only the turn's id counts; the rest of a request is whatever its schema admits.
    const executionId = yield* TurnWorkflow.executionId({ runId, sessionKey, agentId: "-", text: "", receivedAt: 0 })
    // All that a workflow stores is keyed under its own name; `0` is what follows `/`.
    const prefix = `Workflow/${TurnWorkflow._tag}/${executionId}`
    const entityId = EntityId.make(sessionKey)
    const mailed = yield* storage.requestIdForPrimaryKey({
      address: EntityAddress.make({
        entityType: SessionActor.type,
        entityId,
        shardId: sharding.getShardId(entityId, SessionActor.getShardGroup(entityId))
      }),
      tag: "turn",
      id: mailboxKey(runId)
    })
    const rows = yield* sql<{ readonly id: string; readonly mailbox: number; readonly processed: number }>`
      SELECT CAST(id AS TEXT) AS id, entity_type = ${SessionActor.type} AS mailbox, processed FROM cluster_messages
      WHERE message_id > ${`${prefix}/`} AND message_id < ${`${prefix}0`}
      OR id = ${Option.match(mailed, { onNone: () => null, onSome: String })}`
    const isWaiting = rows.some(({ mailbox, processed }) => mailbox === 1 && processed === 0)
    return isWaiting ? undefined : rows.map(({ id }) => id)
  })

  /** Takes the engine's rows of the next few turns away. `undefined` when there are no more. */
  const clearSome = Effect.fnUntraced(function* (from: Place, before: number) {
    const ended = yield* sql<Ended>`
      SELECT seq, run_id, session_key, finished_at FROM turns
      WHERE finished_at IS NOT NULL AND engine_rows = 1 AND finished_at < ${before}
      AND (finished_at, seq) > (${from.finishedAt}, ${from.seq})
      ORDER BY finished_at, seq LIMIT ${engineBatch}`
    const found = yield* Effect.forEach(ended, (turn) => Effect.map(engineIds(turn), (ids) => ({ turn, ids })))
    const cleared = found.flatMap(({ ids, turn }) => (ids === undefined ? [] : [{ seq: turn.seq, ids }]))
    // As JSON, so that it is one statement however many there are. An id is a number that is too long for JavaScript.
    const ids = JSON.stringify(cleared.flatMap((turn) => turn.ids))
    yield* sql`DELETE FROM cluster_replies WHERE request_id IN (SELECT value FROM json_each(${ids}))`
    yield* sql`DELETE FROM cluster_messages WHERE request_id IN (SELECT value FROM json_each(${ids}))`
    const seqs = JSON.stringify(cleared.map(({ seq }) => seq))
    yield* sql`UPDATE turns SET engine_rows = 0 WHERE seq IN (SELECT value FROM json_each(${seqs}))`
    const last = ended.at(-1)
    return last === undefined || ended.length < engineBatch
      ? undefined
      : { finishedAt: last.finished_at, seq: last.seq }
  }, sql.withTransaction)

  /** Forgets some turns. Whether there may be more. */
  const forgetSome = Effect.fnUntraced(function* (which: "old" | "many", before: number) {
    const beyond = (count: number) => sql`seq <= (SELECT MAX(seq) FROM turns) - ${count}`
    const condition =
      which === "old"
        ? sql`engine_rows = 0 AND finished_at < ${before} AND ${beyond(options.keepLeast)}`
        : // By number of row and not by an index: what is not finished among the oldest rows are few.
          sql`+engine_rows = 0 AND +finished_at IS NOT NULL AND ${beyond(options.keepCount)}`
    const forgotten = yield* sql`
      DELETE FROM turns WHERE seq IN (
        SELECT seq FROM turns WHERE ${condition} LIMIT ${bookBatch}
      ) RETURNING seq`
    return forgotten.length === bookBatch
  })

  const prune = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    let place: Place | undefined = beginning
    while (place !== undefined) place = yield* considerate(clearSome(place, now - options.keepEngineMs))
    yield* untilDone(forgetSome("old", now - options.keepMs))
    yield* untilDone(forgetSome("many", now - options.keepMs))
  })

  const keep = prune.pipe(
    Effect.catch((error) =>
      Effect.logWarning(`forgetting old turns failed and is tried again later: ${error.message}`)
    ),
    Effect.repeat(Schedule.spaced(options.pruneEveryMs)),
    Effect.delay(options.pruneEveryMs)
  )
  return { keep }
})
