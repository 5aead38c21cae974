/**
 * The book of node events that became turns: one row each, written with the turn.
 */
import { createHash, randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { NodeId, RunId } from "../../domain/Ids.ts"
import { SessionKey } from "../../domain/SessionKey.ts"
import type { OwedReply, SpeakingNode } from "../../services/NodeTurns.ts"
import * as Time from "../now.ts"

/** Milliseconds in which the same words are the same event where nothing else tells: OpenClaw's, and those of a reconnect. */
export const SAME_CONNECTION_MS = 1_500
export const OTHER_CONNECTION_MS = 30_000
/** Milliseconds that an event is known again, and the events of a node that are. */
const KEEP_MS = 7 * 24 * 60 * 60_000
const KEEP_COUNT = 2_000

const digest = (...parts: ReadonlyArray<string>): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex")

/** An event as it is looked up: `name` says what tells it from others, where something does. */
export interface Entry {
  readonly from: SpeakingNode
  readonly kind: string
  readonly name: string | undefined
  readonly text: string
  readonly sessionKey: SessionKey
  /** The node itself is to be told the reply. */
  readonly owed: boolean
}

interface Row {
  readonly run_id: string
  readonly said: string
  readonly session_key: string
  readonly owed: number
}

export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  /** Forgets what is old, and of a node that asks much what is not new. Returns the runs that nobody is told of any more. */
  const prune = (now: number, nodeId: string) =>
    Effect.map(
      sql<{ readonly run_id: string }>`
        DELETE FROM node_turns WHERE heard_at < ${now - KEEP_MS} OR (node_id = ${nodeId} AND rowid <=
          (SELECT rowid FROM node_turns WHERE node_id = ${nodeId} ORDER BY rowid DESC LIMIT 1 OFFSET ${KEEP_COUNT}))
        RETURNING run_id`,
      (rows) => rows.map(({ run_id }) => run_id)
    )

  /** Enters an event as part of the caller's transaction; one that is there already is given as it was. */
  const enter = Effect.fnUntraced(function* ({ from, kind, name, owed, sessionKey, text }: Entry) {
    const now = yield* Time.now
    const said = digest(text)
    // The same words in another conversation are said to somebody else.
    const event = digest(kind, sessionKey, name ?? `text:${text}`)
    if (name === undefined) {
      // The same words again, later: another event. A clock that was set back makes none of them the same for long.
      yield* sql`
        UPDATE node_turns SET event = event || ':' || run_id
        WHERE node_id = ${from.nodeId} AND event = ${event} AND (heard_at > ${now} OR heard_at <=
          ${now} - CASE WHEN conn_id = ${from.connId} THEN ${SAME_CONNECTION_MS} ELSE ${OTHER_CONNECTION_MS} END)`
    }
    const runId = RunId.make(`node:${randomUUID()}`)
    const entered = yield* sql`
      INSERT INTO node_turns ${sql.insert({
        node_id: from.nodeId,
        event,
        said,
        conn_id: from.connId,
        run_id: runId,
        session_key: sessionKey,
        owed: owed ? 1 : 0,
        heard_at: now
      })} ON CONFLICT (node_id, event) DO NOTHING RETURNING run_id`
    if (entered.length > 0) return { runId, sessionKey, owed, isNew: true, isSame: true, receivedAt: now }
    const [row] = yield* sql<Row>`
      SELECT run_id, said, session_key, owed FROM node_turns WHERE node_id = ${from.nodeId} AND event = ${event}`
    return {
      runId: RunId.make(row!.run_id),
      sessionKey: SessionKey.make(row!.session_key),
      owed: row!.owed === 1,
      isNew: false,
      isSame: row!.said === said,
      receivedAt: now
    }
  })

  return {
    enter,
    prune,
    told: (runId: RunId) => sql`UPDATE node_turns SET owed = 0 WHERE run_id = ${runId}`,
    owed: Effect.map(
      sql<{ readonly run_id: string; readonly node_id: string; readonly session_key: string }>`
        SELECT run_id, node_id, session_key FROM node_turns WHERE owed = 1 ORDER BY heard_at`,
      (rows) =>
        rows.map(({ node_id, run_id, session_key }): OwedReply => ({
          runId: RunId.make(run_id),
          nodeId: NodeId.make(node_id),
          sessionKey: SessionKey.make(session_key)
        }))
    )
  }
})
