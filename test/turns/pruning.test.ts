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

/** What the engine and the book have. */
const counts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const one = (table: string) =>
    Effect.map(sql<{ n: number }>`SELECT COUNT(*) AS n FROM ${sql(table)}`, (rows) => rows[0]?.n ?? 0)
  const [turns, messages, replies] = yield* Effect.all([one("turns"), one("cluster_messages"), one("cluster_replies")])
  return { turns, messages, replies }
})

const until = (wanted: Partial<Effect.Success<typeof counts>>) =>
  Effect.repeat(Effect.delay(counts, 1), {
    until: (found) => Object.entries(wanted).every(([table, n]) => found[table as keyof typeof found] === n)
  })

const eager = { pruneEveryMs: 1, keepEngineMs: 20 }
const never = { pruneEveryMs: 3_600_000 }

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
      }).pipe(Effect.provide(start(w, never)))

      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* counts, { turns: 2, messages: 6, replies: 6 })
        const turns = yield* Turns
        yield* turns.submit(request("waiting", "wait"))
        yield* held.reached
      }).pipe(Effect.provide(start(w, never)))

      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* until({ turns: 1 })
        // It resumes, so its rows were left alone.
        yield* held.open
        assert.strictEqual((yield* turns.await(RunId.make("waiting"), main)).status, "ok")
        yield* until({ turns: 0, messages: 0, replies: 0 })
        assert.strictEqual((yield* (yield* Sessions).history(main)).messages.length, 2)
        assert.isTrue(yield* turns.submit(request("a/b%", "again")))
        assert.strictEqual((yield* turns.await(RunId.make("a/b%"), main)).status, "ok")
      }).pipe(Effect.provide(start(w, { ...eager, keepMs: 0, keepLeast: 0 })))
    })
  )

  it.live("takes the engine's rows first; the book still answers for the turn, and does not run it again", () =>
    Effect.gen(function* () {
      const w = yield* world
      w.agent = (asked, steps) => Effect.as(logged(w, steps, "step"), ok(asked, "the answer"))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r1", "x"))
        yield* turns.await(RunId.make("r1"), main)
        assert.deepStrictEqual(yield* until({ messages: 0 }), { turns: 1, messages: 0, replies: 0 })
        assert.isFalse(yield* turns.submit(request("r1", "x")))
        assert.strictEqual((yield* turns.await(RunId.make("r1"), main)).text, "the answer")
        assert.strictEqual((yield* Effect.flip(turns.submit(request("r1", "y"))))._tag, "RunIdConflict")
      }).pipe(Effect.provide(start(w, eager)))
      assert.deepStrictEqual(w.log, ["step"])
    })
  )

  it.live("keeps the newest turns, however many come", () =>
    Effect.gen(function* () {
      const w = yield* world
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const ids = Array.from({ length: 12 }, (_, index) => RunId.make(`r${index}`))
        for (const runId of ids) {
          yield* turns.submit(request(runId, "x"))
          yield* turns.await(runId, main)
        }
        yield* until({ turns: 5, messages: 0 })
        const known = yield* Effect.filter(ids, turns.knows)
        assert.deepStrictEqual(known, ids.slice(-5))
      }).pipe(Effect.provide(start(w, { ...eager, keepCount: 5 })))
    })
  )

  it.live("leaves the mailbox message of a turn alone that was ended before its actor came to it", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (asked) => Effect.as(held.wait, ok(asked, "x"))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("running", "x"))
        yield* held.reached
        yield* turns.submit(request("queued", "x"))
        yield* turns.abort(main, { origin: "rpc", runId: RunId.make("queued") })
        yield* turns.submit(request("elsewhere", "x", { sessionKey: SessionKey.make("agent:main:other") }))
        yield* held.open
        yield* turns.await(RunId.make("elsewhere"), SessionKey.make("agent:main:other"))
        yield* turns.await(RunId.make("running"), main)
        yield* until({ turns: 3, messages: 0, replies: 0 })
      }).pipe(Effect.provide(start(w, eager)))
    })
  )
})
