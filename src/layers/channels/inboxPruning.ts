/**
 * How the inbox stays small. A key is forgotten only when its message cannot come again: Telegram repeats an update for at
 * most a day, and only one that was not confirmed, which are the latest. So the latest keys stay whatever the clock says,
 * because a clock may jump.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { now } from "../now.ts"
import { orInboxFailed } from "./Inbox.ts"

const hourMs = 60 * 60 * 1_000

/** Milliseconds that the keys of finished messages are kept at least, however many there are. */
export const surelyMs = 25 * hourMs
/** Milliseconds that they are kept at most. */
export const keepMs = 3 * 24 * hourMs
/** Milliseconds that a message waits for its bot to come back. Nobody expects an answer after that. */
export const waitMs = 30 * 24 * hourMs
/** Unix milliseconds before which nothing was received: a clock that says so is not set, as after a start without a battery. */
export const earliest = Date.UTC(2025, 0, 1)
/** Keys that are kept whatever their age. */
export const keepLatest = 1_000
/** Keys older than `surelyMs` that are kept at most. */
export const keepMost = 50_000
/** Unreadable messages that are kept at most: anybody can send some. */
export const keepUnreadable = 1_000

/** Forgets old keys, sets messages aside whose bot did not come back, and drops the oldest of too many unreadable ones. */
export const prune = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const at = yield* now
  const finished = sql`message IS NULL AND reply IS NULL`
  const newest = (yield* sql<{ readonly seq: number | null }>`SELECT MAX(seq) AS seq FROM channel_inbox`)[0]?.seq ?? 0
  // A time that lies ahead was noted before the clock was set back: it will not come to its age for long.
  yield* sql`
    DELETE FROM channel_inbox WHERE ${finished} AND seq <= ${newest - keepLatest}
    AND (received_at < ${at - keepMs} OR received_at > ${at + keepMs}
      OR (received_at < ${at - surelyMs} AND seq <= ${newest - keepMost}))`
  // What came in before the clock was set starts to wait now.
  yield* sql`
    UPDATE channel_inbox SET received_at = ${at}
    WHERE (message IS NOT NULL OR reply IS NOT NULL) AND received_at < ${earliest} AND ${at} >= ${earliest}`
  const unsaid = yield* sql`
    UPDATE channel_inbox SET reply = NULL
    WHERE reply IS NOT NULL AND message IS NULL AND received_at < ${at - waitMs} RETURNING seq`
  if (unsaid.length > 0) {
    yield* Effect.logWarning(`${unsaid.length} answers waited too long for a bot that does not run; they are given up`)
  }
  const lost = yield* sql<{ readonly source: string }>`
    UPDATE channel_inbox SET set_aside_at = ${at}, set_aside_reason = 'expired',
      set_aside_detail = 'its bot did not run for 30 days'
    WHERE message IS NOT NULL AND set_aside_at IS NULL AND received_at < ${at - waitMs} RETURNING source`
  if (lost.length > 0) {
    const sources = [...new Set(lost.map((row) => row.source))].join(", ")
    yield* Effect.logWarning(
      `${lost.length} messages waited too long for a bot that does not run (${sources}); they are set aside`
    )
  }
  const dropped = yield* sql`
    DELETE FROM channel_inbox WHERE raw = 1 AND set_aside_at IS NOT NULL AND seq NOT IN (
      SELECT seq FROM channel_inbox WHERE raw = 1 AND set_aside_at IS NOT NULL ORDER BY seq DESC LIMIT ${keepUnreadable}
    ) RETURNING seq`
  if (dropped.length > 0) {
    yield* Effect.logWarning(`${dropped.length} unreadable messages are dropped: the latest ${keepUnreadable} are kept`)
  }
}).pipe(orInboxFailed)
