import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import { mailboxKey } from "../../src/layers/turns/SessionActor.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { Turns } from "../../src/services/Turns.ts"
import { gate, logged, main, ok, peer, request, start, world } from "./kit.ts"

describe("mailboxKey", () => {
  it.prop("has no slash and tells ids apart", [RunId, RunId], ([one, other]) => {
    assert.notInclude(mailboxKey(one), "/")
    assert.strictEqual(mailboxKey(one) === mailboxKey(other), one === other)
    const slashed = RunId.make(`${one}/${other}`)
    assert.notStrictEqual(mailboxKey(slashed), mailboxKey(RunId.make(`${one}%2F${other}`)))
  })
})

describe("pruning", () => {
  it.live("forgets what ended long ago and nothing else", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (asked, steps) =>
        logged(w, steps, "step").pipe(
          Effect.andThen(asked.text === "wait" ? held.wait : Effect.void),
          Effect.as(ok(asked, "x"))
        )
      const long = SessionKey.make(`agent:main:${"k".repeat(400)}`)
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("a/b%", "x", { replyTo: { peer } }))
        yield* turns.submit(request("long", "x", { sessionKey: long }))
        yield* turns.await(RunId.make("a/b%"), main)
        yield* turns.await(RunId.make("long"), long)
      }).pipe(Effect.provide(start(w)))

      const counts = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const one = (table: string) =>
          Effect.map(sql<{ n: number }>`SELECT COUNT(*) AS n FROM ${sql(table)}`, (rows) => rows[0]?.n)
        return yield* Effect.all([one("turns"), one("cluster_messages"), one("cluster_replies")])
      })
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* counts, [2, 7, 7])
        const turns = yield* Turns
        yield* turns.submit(request("waiting", "wait"))
        yield* held.reached
      }).pipe(Effect.provide(start(w)))

      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const left = yield* Effect.repeat(Effect.delay(counts, 1), { until: ([booked]) => booked === 1 })
        assert.strictEqual(left[0], 1)
        // It resumes, so its rows were left alone.
        yield* held.open
        assert.strictEqual((yield* turns.await(RunId.make("waiting"), main)).status, "ok")
        assert.deepStrictEqual(yield* counts, [1, 3, 3])
        assert.strictEqual((yield* (yield* Sessions).history(main)).messages.length, 2)
        assert.isTrue(yield* turns.submit(request("a/b%", "again")))
        assert.strictEqual((yield* turns.await(RunId.make("a/b%"), main)).status, "ok")
      }).pipe(Effect.provide(start(w, { keepMs: 0 })))
    })
  )
})
