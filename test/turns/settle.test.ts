/** The end of the process: running turns come to a place where all is stored, and go on from there. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import { DeliveryFailed } from "../../src/services/Channel.ts"
import { Turns } from "../../src/services/Turns.ts"
import { gate, logged, main, ok, peer, request, start, world } from "./kit.ts"

const attempts = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ attempts: number }>`SELECT attempts FROM turns WHERE run_id = 'r1'`, (rows) => rows[0]?.attempts)
)

describe("settle", () => {
  it.live("waits for the step that runs, and lets no other begin", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (asked, steps) =>
        logged(w, steps, "one", held.wait).pipe(Effect.andThen(logged(w, steps, "two")), Effect.as(ok(asked, "done")))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r1", "x"))
        yield* held.reached
        const settled = yield* Effect.forkChild(turns.settle(20_000), { startImmediately: true })
        const elsewhere = SessionKey.make("agent:main:other")
        yield* turns.submit(request("r2", "x", { sessionKey: elsewhere }))
        yield* held.open
        assert.strictEqual(yield* Fiber.join(settled), 0)
        assert.deepStrictEqual(w.log, ["one"])
      }).pipe(Effect.provide(start(w)))

      yield* Effect.gen(function* () {
        const turns = yield* Turns
        assert.strictEqual((yield* turns.await(RunId.make("r1"), main)).status, "ok")
        assert.strictEqual((yield* turns.await(RunId.make("r2"), SessionKey.make("agent:main:other"))).status, "ok")
        assert.strictEqual(w.log.filter((line) => line === "one").length, 2, "once for each turn")
        assert.strictEqual(w.log.filter((line) => line === "two").length, 2)
        assert.strictEqual(yield* attempts, 1)
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live(
    "says how many are still within a step when its time is over; it is done again, and no attempt is counted",
    () =>
      Effect.gen(function* () {
        const w = yield* world
        const held = yield* gate
        w.agent = (asked, steps) => Effect.as(logged(w, steps, "one", held.wait), ok(asked, "done"))
        yield* Effect.gen(function* () {
          const turns = yield* Turns
          yield* turns.submit(request("r1", "x"))
          yield* held.reached
          assert.strictEqual(yield* turns.settle(1), 1)
        }).pipe(Effect.provide(start(w)))
        yield* held.open
        yield* Effect.gen(function* () {
          const turns = yield* Turns
          assert.strictEqual((yield* turns.await(RunId.make("r1"), main)).status, "ok")
          assert.deepStrictEqual(w.log, ["one", "one"])
          assert.strictEqual(yield* attempts, 1)
        }).pipe(Effect.provide(start(w)))
      })
  )

  it.live("has nothing to wait for where nothing runs; a turn that rests can be ended", () =>
    Effect.gen(function* () {
      const w = yield* world
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        assert.strictEqual(yield* turns.settle(20_000), 0)
        yield* turns.submit(request("r1", "x"))
        assert.deepStrictEqual(yield* turns.abort(main, { origin: "stop" }), [RunId.make("r1")])
        assert.strictEqual((yield* turns.await(RunId.make("r1"), main)).status, "aborted")
      }).pipe(Effect.provide(start(w)))
      assert.deepStrictEqual(w.sent, [])
    })
  )

  it.live("waits for no turn that waits for somebody, and what such a turn waited for begins nothing any more", () =>
    Effect.gen(function* () {
      const w = yield* world
      const [word, other, tenth] = [yield* gate, yield* gate, yield* gate]
      w.agent = (asked, steps) =>
        Effect.all(
          [
            logged(
              w,
              steps,
              "asks",
              Effect.andThen(
                steps.waits(word.wait),
                Effect.sync(() => w.log.push("runs"))
              )
            ),
            logged(w, steps, "works", other.wait),
            logged(w, steps, "later", tenth.wait)
          ],
          { concurrency: 2 }
        ).pipe(Effect.as(ok(asked, "done")))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r1", "x"))
        yield* Effect.all([word.reached, other.reached])
        assert.strictEqual(yield* turns.settle(1), 1, "something of it works")
        const settled = yield* Effect.forkChild(turns.settle(20_000), { startImmediately: true })
        yield* other.open
        assert.strictEqual(yield* Fiber.join(settled), 0)
        yield* word.open
        yield* Effect.sleep(20)
        assert.deepStrictEqual(w.log, ["asks", "works"])
      }).pipe(Effect.provide(start(w)))
      yield* tenth.open
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        assert.strictEqual((yield* turns.await(RunId.make("r1"), main)).status, "ok")
        assert.deepStrictEqual(w.log, ["asks", "works", "asks", "runs", "later"])
        assert.strictEqual(yield* attempts, 1)
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("waits for no turn that waits for its channel", () =>
    Effect.gen(function* () {
      const w = yield* world
      const away = new DeliveryFailed({ channel: "test", to: "7", message: "away", outcome: "never-sent" })
      w.deliver = () =>
        Effect.andThen(
          Effect.sync(() => w.log.push("tried")),
          Effect.fail(away)
        )
      const patient = { delivery: { giveUpAfterMs: 60_000, firstPauseMs: 30_000 } }
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r1", "x", { replyTo: { peer } }))
        // Not charged any more: it waits.
        yield* Effect.repeat(Effect.delay(attempts, 5), { until: (n) => n === 0 && w.log.includes("tried") })
        assert.strictEqual(yield* turns.settle(20_000), 0)
      }).pipe(Effect.provide(start(w, patient)))
    })
  )
})
