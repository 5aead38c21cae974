/**
 * How the inbox stays small, and what is set aside in a damaged row.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import {
  earliest,
  keepLatest,
  keepMost,
  keepMs,
  keepUnreadable,
  prune,
  surelyMs,
  waitMs
} from "../../src/layers/channels/inboxPruning.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { SetAside } from "../../src/services/SetAside.ts"
import { rig, run } from "./rig.ts"

describe("growth", () => {
  const fill = Effect.fnUntraced(function* (count: number, receivedAt: number, message: string | null = null, raw = 0) {
    const sql = yield* SqlClient.SqlClient
    const setAsideAt = message === null ? null : receivedAt
    yield* sql`
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
      INSERT INTO channel_inbox
        (channel, source, message_key, account_id, received_at, message, raw, set_aside_at, set_aside_reason)
      SELECT 'telegram', '42', ${receivedAt} || ':' || ${raw} || ':' || i, 'default', ${receivedAt}, ${message}, ${raw},
        ${setAsideAt}, CASE WHEN ${setAsideAt} IS NULL THEN NULL ELSE 'unreadable' END FROM n`
  })
  const count = SqlClient.SqlClient.use((sql) =>
    Effect.map(sql<{ n: number }>`SELECT COUNT(*) AS n FROM channel_inbox`, (rows) => rows[0]?.n)
  )
  const start = 10 * keepMs
  const pruned = Effect.andThen(prune, count)

  it.effect("keys go by age, but for the latest, whatever the clock says", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      yield* TestClock.setTime(start)
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* fill(2 * keepLatest, start)
          yield* TestClock.setTime(start + keepMs - 1)
          assert.strictEqual(yield* pruned, 2 * keepLatest)
          yield* TestClock.setTime(start + keepMs + 1)
          assert.strictEqual(yield* pruned, keepLatest)
          // Set back by more than a year.
          yield* fill(keepLatest, start + 100 * keepMs)
          yield* TestClock.setTime(start)
          assert.strictEqual(yield* pruned, 2 * keepLatest)
          yield* fill(keepLatest, start)
          assert.strictEqual(yield* pruned, 2 * keepLatest)
        })
      )
    })
  )

  it.effect("keys go by count as soon as their message cannot come again", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      yield* TestClock.setTime(start)
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* fill(keepMost + 5_000, start)
          yield* TestClock.setTime(start + surelyMs - 1)
          assert.strictEqual(yield* pruned, keepMost + 5_000)
          yield* TestClock.setTime(start + surelyMs + 1)
          assert.strictEqual(yield* pruned, keepMost)
        })
      )
    })
  )

  it.effect("of what cannot be read the latest are kept", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* fill(keepUnreadable + 10, 5, "{}", 1)
          assert.strictEqual(yield* pruned, keepUnreadable)
        })
      )
    })
  )

  it.effect("what came in before the clock was set waits as long as anything else", () =>
    Effect.gen(function* () {
      const { filename } = yield* rig()
      yield* Effect.provide(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const insert = (key: string, message: string | null, reply: string | null) => sql`
            INSERT INTO channel_inbox (channel, source, message_key, account_id, received_at, message, reply)
            VALUES ('telegram', '99', ${key}, 'gone', 5, ${message}, ${reply})`
          yield* insert("waits", "{}", null)
          yield* insert("owed", null, "{}")
          const left = Effect.map(
            sql<{ n: number }>`
              SELECT COUNT(*) AS n FROM channel_inbox
              WHERE (message IS NOT NULL AND set_aside_at IS NULL) OR (message IS NULL AND reply IS NOT NULL)`,
            (rows) => rows[0]?.n
          )
          yield* TestClock.setTime(earliest + 5 * waitMs)
          yield* prune
          assert.strictEqual(yield* left, 2)
          yield* TestClock.adjust(waitMs - 1)
          yield* prune
          assert.strictEqual(yield* left, 2)
          yield* TestClock.adjust(2)
          yield* prune
          assert.strictEqual(yield* left, 0)
        }),
        Storage.layer({ filename })
      )
    })
  )

  it.effect("a damaged row does not hide the others, and can be dropped", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* fill(2, 5, "{}", 1)
          const sql = yield* SqlClient.SqlClient
          yield* sql`UPDATE channel_inbox SET set_aside_reason = 'nonsense' WHERE seq = 1`
          const setAside = yield* SetAside
          const [bad, good] = yield* setAside.list
          assert.deepInclude(bad, { id: 1, reason: "unreadable" })
          assert.include(bad?.detail, "damaged")
          assert.deepInclude(good, { id: 2 })
          yield* setAside.drop(1)
          assert.lengthOf(yield* setAside.list, 1)
        })
      )
    })
  )
})
