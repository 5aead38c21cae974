/**
 * What becomes of messages that come while their session is busy, as far as the book goes: which turn runs next, which
 * messages a turn takes in, which ones end without a reply of their own. Everything here is part of the caller's transaction.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { RunId } from "../../domain/Ids.ts"
import type { SessionKey } from "../../domain/SessionKey.ts"
import type { QueueSetting } from "../../services/Queue.ts"
import { type Folded, TurnOutcome, TurnRequest } from "../../services/Turns.ts"
import { now } from "../now.ts"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(TurnRequest))
const encodeOutcome = Schema.encodeSync(Schema.fromJsonString(TurnOutcome))

/** The step of a turn at whose begin it takes in what waits beside it. */
export const BEGIN = "begin"

/** Messages that one turn answers at most; those behind them make the next one. */
const mostTogether = 100

/** How a turn waits: a mode, or what a cap made of it. */
export type Waits = QueueSetting["mode"] | "summarize" | "dropped"

/** What runs next in a session. */
export interface Next {
  readonly runId: RunId
  readonly request: TurnRequest
  /** Milliseconds of quiet that are missing before it may begin. */
  readonly quietMs: number
}

export interface Row {
  readonly seq: number
  readonly run_id: RunId
  readonly request: string
  readonly queue: Waits | null
  readonly debounce_ms: number | null
  readonly submitted_at: number
  readonly started_at: number | null
  readonly abort_requested_at: number | null
  readonly outcome: string | null
  readonly aimed_at: RunId | null
  readonly taken_step: string | null
}

/**
 * Whether one reply can answer both: it goes to the same chat, or without one to the same device or program, and was asked of
 * the same agent in the same way.
 */
const belongTogether = (a: TurnRequest, b: TurnRequest): boolean => {
  const where = ({ replyTo, sender }: TurnRequest) =>
    replyTo === undefined
      ? [sender?.id ?? null]
      : [replyTo.peer.channel, replyTo.peer.accountId, replyTo.peer.chatId, replyTo.peer.threadId ?? null]
  const how = (request: TurnRequest) =>
    JSON.stringify([request.agentId, request.model ?? null, request.extraSystemPrompt ?? null, where(request)])
  return how(a) === how(b)
}

/** How those that a turn took in at its begin are told, by how the turn itself waited. */
export const howGathered = (own: Waits | null): Folded["how"] => (own === "summarize" ? "summarized" : "collected")

const isSameSender = (a: TurnRequest, b: TurnRequest): boolean => a.sender?.id === b.sender?.id

export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // The rows are this program's own: one that does not decode is a defect.
  const requestOf = (row: Pick<Row, "request">) => Effect.orDie(decodeRequest(row.request))

  /** What has not ended in a session and is in no other turn's hands, by arrival. */
  const open = (sessionKey: SessionKey) => sql<Row>`
    SELECT * FROM turns WHERE session_key = ${sessionKey} AND finished_at IS NULL AND taken_by IS NULL ORDER BY seq`

  const waitAs = (runIds: ReadonlyArray<RunId>, queue: Waits) =>
    runIds.length === 0
      ? Effect.void
      : Effect.asVoid(sql`UPDATE turns SET queue = ${queue}, aimed_at = NULL WHERE ${sql.in("run_id", runIds)}`)

  /** Makes room: the number of waiting messages comes down to the cap. */
  const cut = Effect.fnUntraced(function* (waiting: ReadonlyArray<Row>, runId: RunId, { cap, drop }: QueueSetting) {
    if (cap === undefined || waiting.length <= cap) return
    if (drop === "new") return yield* waitAs([runId], "dropped")
    const oldest = waiting.filter((row) => row.queue !== null).slice(0, waiting.length - cap)
    const goes = oldest.map((row) => row.run_id)
    yield* waitAs(goes, drop === "old" ? "dropped" : "summarize")
  })

  /**
   * Says how a message that was just entered waits. Returns the turns that it ends, oldest first; ending them is left to the
   * caller.
   */
  const arrange = Effect.fnUntraced(function* (request: TurnRequest, setting: QueueSetting) {
    const { runId, sessionKey } = request
    const { cap, mode } = setting
    if (mode === "followup" && cap === undefined) return []
    const rows = yield* open(sessionKey)
    const others = rows.filter((row) => row.run_id !== runId)
    // A message that finds its session idle is a turn at once.
    const head = others.find((row) => row.started_at !== null) ?? others[0]
    if (head === undefined) return []
    yield* sql`UPDATE turns SET queue = ${mode}, debounce_ms = ${setting.debounceMs} WHERE run_id = ${runId}`
    if (mode === "interrupt") {
      return others
        .filter((row) => (row.queue !== null && row.queue !== "dropped") || row.started_at !== null)
        .map((row) => row.run_id)
    }
    if (mode === "steer") {
      const inOrder = others.every((row) => row === head || row.aimed_at === head.run_id || row.queue === "dropped")
      const takesIn = head.outcome === null && head.abort_requested_at === null && head.queue !== "dropped"
      if (takesIn && (inOrder || setting.passes === true) && belongTogether(yield* requestOf(head), request)) {
        yield* sql`UPDATE turns SET aimed_at = ${head.run_id} WHERE run_id = ${runId}`
      }
    }
    const waiting = rows.filter(
      (row) => row !== head && row.started_at === null && row.queue !== "dropped" && row.queue !== "summarize"
    )
    // As it stands now: the row of the new message was read before it had its mode.
    yield* cut(
      waiting.map((row) => (row.run_id === runId ? { ...row, queue: mode } : row)),
      runId,
      setting
    )
    return []
  })

  /** The turn that comes next: one that has begun, then one that only has its refusal to tell, then the oldest. */
  const next = Effect.fnUntraced(function* (sessionKey: SessionKey): Effect.fn.Return<Next | undefined, SqlError> {
    const rows = yield* sql<Row>`
      SELECT * FROM turns WHERE session_key = ${sessionKey} AND finished_at IS NULL AND taken_by IS NULL
      ORDER BY CASE WHEN started_at IS NOT NULL THEN 0 WHEN queue = 'dropped' THEN 1 ELSE 2 END, seq LIMIT 1`
    const row = rows[0]
    if (row === undefined) return undefined
    const request = yield* requestOf(row)
    if (row.queue !== "collect" || row.started_at !== null) return { runId: row.run_id, request, quietMs: 0 }
    const last = yield* sql<{ readonly at: number }>`
      SELECT MAX(submitted_at) AS at FROM turns
      WHERE session_key = ${sessionKey} AND finished_at IS NULL AND taken_by IS NULL AND queue = 'collect'`
    const debounce = row.debounce_ms ?? 0
    const since = (yield* now) - (last[0]?.at ?? row.submitted_at)
    const waited = (yield* now) - row.submitted_at
    // A clock that was set back says nothing; and a stream of messages that never pauses is answered all the same.
    const isQuiet = since < 0 || since >= debounce || waited >= 20 * debounce
    return { runId: row.run_id, request, quietMs: isQuiet ? 0 : debounce - since }
  })

  const hand = Effect.fnUntraced(function* (runId: RunId, step: string, rows: ReadonlyArray<Pick<Row, "seq">>) {
    if (rows.length === 0) return
    const seqs = rows.map((row) => row.seq)
    yield* sql`UPDATE turns SET taken_by = ${runId}, taken_step = ${step} WHERE ${sql.in("seq", seqs)}`
    yield* sql`UPDATE turns SET takes = 1 WHERE run_id = ${runId}`
  })

  /** At a turn's first begin: takes in what waits beside it and is to be answered with it. */
  const gather = Effect.fnUntraced(function* (request: TurnRequest, own: Waits) {
    const rows = (yield* open(request.sessionKey)).filter((row) => row.run_id !== request.runId)
    const together: Array<Row> = []
    for (const row of rows) {
      if (together.length === mostTogether) break
      const other = yield* requestOf(row)
      const fits = row.queue === own && row.started_at === null && belongTogether(request, other)
      if (fits && isSameSender(request, other)) together.push(row)
      // What was summarized lost its place in the row; the others keep theirs.
      else if (own === "collect") break
    }
    // Also when there was nothing: a turn that begins again must not find more than the first time.
    yield* sql`UPDATE turns SET takes = 1 WHERE run_id = ${request.runId}`
    yield* hand(request.runId, BEGIN, together)
  })

  /** What a turn took in at a step, oldest first. */
  const taken = (sessionKey: SessionKey, runId: RunId, step: string) =>
    Effect.flatMap(
      sql<Row>`
        SELECT * FROM turns
        WHERE session_key = ${sessionKey} AND finished_at IS NULL AND taken_by = ${runId} AND taken_step = ${step}
        ORDER BY seq`,
      (rows) => Effect.forEach(rows, requestOf)
    )

  /** All that a turn took in and that has not ended, oldest first. */
  const inHand = (sessionKey: SessionKey, runId: RunId) =>
    Effect.flatMap(
      sql<Row>`
        SELECT * FROM turns WHERE session_key = ${sessionKey} AND finished_at IS NULL AND taken_by = ${runId} ORDER BY seq`,
      (rows) => Effect.forEach(rows, requestOf)
    )

  /** What was meant for a running turn and is in nobody's hands yet. */
  const aimed = (sessionKey: SessionKey, runId: RunId) => sql<Pick<Row, "seq">>`
    SELECT seq FROM turns
    WHERE session_key = ${sessionKey} AND finished_at IS NULL AND taken_by IS NULL AND aimed_at = ${runId}
    AND started_at IS NULL AND abort_requested_at IS NULL ORDER BY seq`

  /** Ends what a turn took in, as the turn itself ended. Returns their outcomes. */
  const close = Effect.fnUntraced(function* (outcome: TurnOutcome) {
    const rows = yield* sql<Row & { readonly own: Waits | null }>`
      SELECT taken.*, taker.queue AS own FROM turns taken JOIN turns taker ON taker.run_id = taken.taken_by
      WHERE taken.session_key = ${outcome.sessionKey} AND taken.finished_at IS NULL AND taken.taken_by = ${outcome.runId}
      ORDER BY taken.seq`
    const finishedAt = yield* now
    return yield* Effect.forEach(rows, (row) => {
      const { usage: _, ...told } = outcome
      const ended: TurnOutcome = {
        ...told,
        runId: row.run_id,
        toolCalls: 0,
        folded: { how: row.taken_step === BEGIN ? howGathered(row.own) : "steered", into: outcome.runId }
      }
      return Effect.as(
        sql`UPDATE turns SET outcome = ${encodeOutcome(ended)}, finished_at = ${finishedAt} WHERE seq = ${row.seq}`,
        ended
      )
    })
  })

  return { arrange, next, hand, gather, taken, inHand, aimed, close }
})

export type Queueing = Effect.Success<typeof make>
