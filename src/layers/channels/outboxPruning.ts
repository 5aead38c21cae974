/**
 * How the outbox stays small: what is sent goes by age and by count, the oldest first and a few at a time. What is not sent to
 * its end is never forgotten here; what nobody came back for within a month becomes `refused`, and that goes by age too.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import { now } from "../now.ts"
import { considerate, untilDone } from "../pauses.ts"

export interface OutboxPruningOptions {
  /** Milliseconds that a key is remembered; turns keep theirs as long. */
  readonly keepMs: number
  /** Keys that are remembered at most, the newest ones. */
  readonly keepCount: number
  /** Of the newest ones so many stay whatever their age: a clock that is set forward must not make all forgotten. */
  readonly keepLeast: number
}

export const defaults: OutboxPruningOptions = {
  keepMs: 30 * 24 * 60 * 60_000,
  keepCount: 20_000,
  keepLeast: 1_000
}

/** Rows that go in one statement. */
const batch = 200

interface Place {
  readonly updated_at: number
  readonly key: string
}

/** Looks through the outbox once. */
export const prune = Effect.fnUntraced(function* (options: OutboxPruningOptions = defaults) {
  const sql = yield* SqlClient.SqlClient

  /** The newest row that is older than so many others. Read from the index alone. */
  const placeAt = (count: number) =>
    sql<Place>`SELECT updated_at, key FROM channel_outbox ORDER BY updated_at DESC, key DESC LIMIT 1 OFFSET ${count}`

  /** Forgets what is ended up to a place. */
  const forget = (place: Place, which: Fragment) =>
    untilDone(
      Effect.map(
        sql`
          DELETE FROM channel_outbox WHERE key IN (
            SELECT key FROM channel_outbox
            WHERE (updated_at, key) <= (${place.updated_at}, ${place.key}) AND ${which}
            ORDER BY updated_at, key LIMIT ${batch}
          ) RETURNING key`,
        (forgotten) => forgotten.length === batch
      )
    )

  const before = (yield* now) - options.keepMs
  const lost = yield* considerate(sql`
    UPDATE channel_outbox SET state = 'refused', error = 'given up: nobody could send it for 30 days'
    WHERE state = 'sending' AND updated_at < ${before} RETURNING key`)
  if (lost.length > 0)
    yield* Effect.logWarning(`${lost.length} messages that could not be sent for 30 days are given up`)

  const [least] = yield* considerate(placeAt(options.keepLeast))
  if (least === undefined) return
  yield* forget(least, sql`state <> 'sending' AND updated_at < ${before}`)
  const [most] = yield* considerate(placeAt(Math.max(options.keepCount, options.keepLeast)))
  if (most !== undefined) yield* forget(most, sql`state = 'sent'`)
})
