/**
 * What a Gateway had begun when it was snapshot, and went on with afterwards: nobody can tell from the snapshot how it ended.
 * Were it taken up again, people would get the same reply twice and nodes the same command. So it is set aside, visible and
 * kept: `openclaw channels dead-letters` lists it, and `retry` does what its owner says was not done.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { TurnRequest } from "../../services/Turns.ts"
import * as DeadLetterStore from "../deadLetters/Store.ts"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(TurnRequest))

/** How much was set aside. */
export interface Settled {
  /** Messages whose turn had not ended. */
  readonly turns: number
  /** Messages that waited for a turn. */
  readonly messages: number
  /** Replies on their way. */
  readonly deliveries: number
}

/** Sets aside what was open in a restored database, all of it or nothing. `createdAt` is the snapshot's time. */
export const settle = Effect.fn("Backup.settle")(function* (createdAt: string) {
  const sql = yield* SqlClient.SqlClient
  const store = yield* DeadLetterStore.make
  const why = `restored from a backup of ${createdAt}, after which the Gateway went on: whether this was answered then is not known`
  return yield* Effect.gen(function* () {
    const now = Math.max(0, Math.floor(yield* Clock.currentTimeMillis))
    const open = yield* sql<{ readonly request: string; readonly attempts: number }>`
      SELECT request, attempts FROM turns WHERE finished_at IS NULL AND abort_requested_at IS NULL ORDER BY seq`
    for (const { attempts, request } of open)
      yield* store.add(yield* Effect.orDie(decodeRequest(request)), attempts, why)
    // Its actor finds it so and ends it, without a model, a node or a reply.
    yield* sql`
      UPDATE turns SET abort_requested_at = ${now}, abort_origin = 'rpc'
      WHERE finished_at IS NULL AND abort_requested_at IS NULL`
    const messages = yield* sql`
      UPDATE channel_inbox SET set_aside_at = ${now}, set_aside_reason = 'failed', set_aside_detail = ${why}
      WHERE message IS NOT NULL AND set_aside_at IS NULL RETURNING seq`
    yield* sql`UPDATE channel_inbox SET reply = NULL WHERE reply IS NOT NULL`
    const deliveries = yield* sql`
      UPDATE channel_outbox SET state = 'unknown', error = ${why}, updated_at = ${now}
      WHERE state = 'sending' RETURNING key`
    return { turns: open.length, messages: messages.length, deliveries: deliveries.length } satisfies Settled
  }).pipe(sql.withTransaction)
})
