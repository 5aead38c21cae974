/**
 * The outbox stays small, and forgets nothing that is not ended.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { defaults, prune } from "../../src/layers/channels/outboxPruning.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { makeConfig, makeSessions, makeTurns, stackOf, tempDatabase } from "./kit.ts"
import { advancing } from "./rig.ts"

/** So many rows in one state, one a millisecond. */
const fill = Effect.fnUntraced(function* (prefix: string, state: string, count: number, from: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${count - 1})
    INSERT INTO channel_outbox (key, fingerprint, channel, account_id, chat_id, state, created_at, updated_at)
    SELECT ${prefix} || i, '', '', '', '', ${state}, ${from} + i, ${from} + i FROM n`
})

const counts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ state: string; n: number; oldest: number }>`
    SELECT state, COUNT(*) AS n, MIN(updated_at) AS oldest FROM channel_outbox GROUP BY state ORDER BY state`
  return rows.map(({ n, oldest, state }) => [state, n, oldest])
})

const onDisk = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.flatMap(tempDatabase, (filename) => Effect.provide(effect, Storage.layer({ filename })))

describe("the outbox is pruned", () => {
  it.live("by count: the oldest that are sent go in small steps, whatever is open stays", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* fill("old", "sending", 3, now - 30_000)
      yield* fill("dead", "refused", 2, now - 25_000)
      yield* fill("s", "sent", 1_700, now - 20_000)
      yield* prune({ ...defaults, keepCount: 1_200, keepLeast: 1_000 })
      // The place itself goes as well, for so many others are newer.
      assert.deepStrictEqual(yield* counts, [
        ["refused", 2, now - 25_000],
        ["sending", 3, now - 30_000],
        ["sent", 1_200, now - 20_000 + 500]
      ])
      yield* prune({ ...defaults, keepCount: 10, keepLeast: 1_000 })
      assert.deepInclude(yield* counts, ["sent", 1_000, now - 20_000 + 700])
    }).pipe(onDisk)
  )

  it.live("by age, but for the latest; what nobody came back for is given up first", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const old = now - defaults.keepMs - 100_000
      yield* fill("old", "sent", 300, old)
      yield* fill("stuck", "sending", 1, old)
      yield* fill("dead", "unknown", 1, old)
      yield* prune()
      // Among the latest: the clock may have been set forward only.
      assert.deepStrictEqual(yield* counts, [
        ["refused", 1, old],
        ["sent", 300, old],
        ["unknown", 1, old]
      ])
      yield* fill("new", "sent", 1_000, now - 5_000)
      yield* fill("waits", "sending", 1, now - 5_000)
      yield* prune({ ...defaults, keepLeast: 1_001 })
      assert.deepStrictEqual(yield* counts, [
        ["sending", 1, now - 5_000],
        ["sent", 1_000, now - 5_000]
      ])
    }).pipe(onDisk)
  )

  it.effect("by a fiber of its own while the Gateway runs", () =>
    Effect.gen(function* () {
      const filename = yield* tempDatabase
      const stack = stackOf({ filename, config: makeConfig({}), turns: makeTurns(), sessions: makeSessions() })
      yield* Effect.gen(function* () {
        yield* fill("s", "sent", 20_100, 0)
        const isPruned = Effect.map(counts, ([sent]) => sent?.[1] === 20_000)
        yield* advancing(Effect.repeat(Effect.andThen(Effect.yieldNow, isPruned), { until: (done) => done }))
      }).pipe(Effect.provide(stack))
    })
  )
})
