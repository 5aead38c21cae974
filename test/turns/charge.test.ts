/**
 * What a death of the process costs a turn. Deaths are entered into the book between two starts.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { DeliveryFailed } from "../../src/services/Channel.ts"
import { DEFAULT_QUEUE } from "../../src/services/Queue.ts"
import { TurnMessage, Turns } from "../../src/services/Turns.ts"
import { gate, logged, main, ok, peer, request, start, world, type World } from "./kit.ts"

const boot = Effect.fnUntraced(function* (w: World) {
  const scope = yield* Scope.make()
  const patient = { shutdownGraceMs: 1, delivery: { giveUpAfterMs: 60_000, firstPauseMs: 30_000 } }
  const context = yield* Layer.buildWithScope(start(w, patient), scope)
  return {
    turns: Context.get(context, Turns),
    sql: Context.get(context, SqlClient.SqlClient),
    stop: Scope.close(scope, Exit.void)
  }
})

const attempts = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ attempts: number }>`SELECT attempts FROM turns WHERE run_id = 'r1'`, (rows) => rows[0]?.attempts)
const setAttempts = (sql: SqlClient.SqlClient, n: number) => sql`UPDATE turns SET attempts = ${n} WHERE run_id = 'r1'`
const becomes = (sql: SqlClient.SqlClient, wanted: number) =>
  Effect.repeat(Effect.delay(attempts(sql), 5), { until: (n) => n === wanted }).pipe(Effect.timeout("10 seconds"))
const letters = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ run_id: string }>`SELECT run_id FROM dead_letters ORDER BY run_id`, (rows) =>
    rows.map((row) => row.run_id)
  )
const r1 = RunId.make("r1")
const away = new DeliveryFailed({ channel: "test", to: "7", message: "away", outcome: "never-sent" })

describe("the charge of a turn", () => {
  it.live("a finished step clears it of the deaths before, a step that was finished before does not", () =>
    Effect.gen(function* () {
      const w = yield* world
      const [first, second] = [yield* gate, yield* gate]
      w.agent = (asked, steps) =>
        logged(w, steps, "one").pipe(
          Effect.andThen(logged(w, steps, "two", first.wait)),
          Effect.andThen(logged(w, steps, "three", second.wait)),
          Effect.as(ok(asked, "done"))
        )
      const before = yield* boot(w)
      yield* before.turns.submit(request("r1", "x"))
      yield* first.reached
      assert.strictEqual(yield* attempts(before.sql), 1)
      yield* before.stop
      const killed = yield* boot(w)
      yield* becomes(killed.sql, 1)
      yield* setAttempts(killed.sql, 2)
      yield* killed.stop
      const after = yield* boot(w)
      yield* becomes(after.sql, 2)
      yield* first.open
      yield* second.reached
      assert.strictEqual(yield* attempts(after.sql), 1)
      assert.strictEqual(w.log.filter((line) => line === "one").length, 1)
      yield* after.stop
    })
  )

  it.live("its result clears it, and waiting for a channel costs nothing", () =>
    Effect.gen(function* () {
      const w = yield* world
      const [asked, sending] = [yield* gate, yield* gate]
      w.agent = (request_) => Effect.as(asked.wait, ok(request_, "done"))
      w.deliver = () => Effect.andThen(sending.wait, Effect.fail(away))
      const before = yield* boot(w)
      yield* before.turns.submit(request("r1", "x", { replyTo: { peer } }))
      yield* asked.reached
      yield* setAttempts(before.sql, 2)
      yield* before.stop
      const after = yield* boot(w)
      yield* becomes(after.sql, 2)
      yield* asked.open
      yield* sending.reached
      assert.strictEqual(yield* attempts(after.sql), 1)
      yield* sending.open
      yield* becomes(after.sql, 0)
      yield* after.stop
      // However often it is killed while it waits: it is no suspect, and its reply stays.
      const again = yield* boot(w)
      yield* becomes(again.sql, 0)
      w.deliver = () => Effect.void
      yield* again.stop
      const last = yield* boot(w)
      assert.deepInclude(yield* last.turns.await(r1, main), { status: "ok", text: "done" })
      assert.deepStrictEqual(yield* letters(last.sql), [])
      yield* last.stop
    })
  )

  it.live("an orderly end takes it back before it waits for anything", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (asked, steps) => Effect.as(logged(w, steps, "one", held.wait), ok(asked, "done"))
      const { sql, stop, turns } = yield* boot(w)
      yield* turns.submit(request("r1", "x"))
      yield* held.reached
      assert.strictEqual(yield* attempts(sql), 1)
      const settling = yield* Effect.forkChild(turns.settle(60_000), { startImmediately: true })
      yield* becomes(sql, 0)
      yield* Fiber.interrupt(settling)
      yield* stop
      assert.deepStrictEqual(w.log, ["one"])
    })
  )

  it.live("is entered before the message is put into the transcript, if that may have been what killed", () =>
    Effect.gen(function* () {
      const w = yield* world
      const before = yield* boot(w)
      yield* before.sql`
        CREATE TRIGGER deadly BEFORE INSERT ON transcript WHEN NEW.dedupe_key = 'r1:user'
        BEGIN SELECT RAISE(ABORT, 'deadly'); END`
      yield* before.turns.submit(request("r1", "x"))
      yield* before.stop
      const found = yield* boot(w)
      yield* becomes(found.sql, 1)
      yield* setAttempts(found.sql, 3)
      yield* found.stop
      const last = yield* boot(w)
      assert.deepInclude(yield* last.turns.await(r1, main), { status: "error", error: "TurnGivenUp" })
      assert.deepStrictEqual(yield* letters(last.sql), ["r1"])
      yield* last.stop
    })
  )

  it.live("what it took in is set aside with it, and that its tools had begun is told", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      const tool = yield* gate
      w.agent = (asked, steps) =>
        Effect.gen(function* () {
          yield* held.wait
          yield* steps.step({
            name: "model-1",
            success: Schema.Array(TurnMessage),
            execute: steps.incoming.take("model-1")
          })
          yield* logged(w, steps, "tool-1-1", tool.wait)
          return ok(asked, "done")
        })
      const steer = { ...DEFAULT_QUEUE, mode: "steer" as const }
      const to = { replyTo: { peer } }
      const before = yield* boot(w)
      yield* before.turns.submit(request("r1", "x", to), steer)
      yield* held.reached
      yield* before.turns.submit(request("r2", "y", to), steer)
      yield* held.open
      yield* tool.reached
      yield* setAttempts(before.sql, 4)
      yield* before.stop
      const after = yield* boot(w)
      assert.deepInclude(yield* after.turns.await(RunId.make("r2"), main), { error: "TurnGivenUp" })
      const rows = yield* after.sql<{ error: string; may_double: number; request: string }>`
        SELECT * FROM dead_letters ORDER BY run_id`
      assert.deepStrictEqual(
        rows.map((row) => [JSON.parse(row.request).text, row.may_double]),
        [
          ["x", 1],
          ["y", 1]
        ]
      )
      assert.include(rows[1]?.error, "together with message r1")
      assert.include(w.sent[0]?.text, "and 1 more")
      yield* after.stop
    })
  )

  it.live("a turn of which not even the end can be run is set aside, and its sender is told", () =>
    Effect.gen(function* () {
      const w = yield* world
      Object.defineProperty(w, "partial", {
        get: () => {
          throw new Error("broken on purpose")
        }
      })
      w.agent = () => Effect.die("the agent is broken")
      const { sql, stop, turns } = yield* boot(w)
      yield* turns.submit(request("r1", "x", { replyTo: { peer } }))
      assert.deepInclude(yield* turns.await(r1, main), { error: "TurnDefect" })
      assert.deepStrictEqual(yield* letters(sql), ["r1"])
      yield* Effect.repeat(
        Effect.delay(
          Effect.sync(() => w.log.some((line) => line.startsWith("told 7: I could not work on this message"))),
          5
        ),
        { until: (told) => told }
      )
      yield* stop
    })
  )

  it.live("a reply that was shown is the end, whatever the deaths after it", () =>
    Effect.gen(function* () {
      const w = yield* world
      const sending = yield* gate
      w.agent = (asked) => Effect.succeed(ok(asked, "done"))
      w.deliver = () => sending.wait
      const before = yield* boot(w)
      yield* before.turns.submit(request("r1", "x", { replyTo: { peer } }))
      yield* sending.reached
      yield* before.sql`
        INSERT INTO channel_outbox ${before.sql.insert({
          key: "r1:reply",
          fingerprint: "f",
          channel: "test",
          account_id: "default",
          chat_id: "7",
          state: "sent",
          created_at: 1,
          updated_at: 1
        })}`
      yield* setAttempts(before.sql, 4)
      yield* before.stop
      const after = yield* boot(w)
      assert.deepInclude(yield* after.turns.await(r1, main), { status: "ok", text: "done" })
      assert.deepStrictEqual(yield* letters(after.sql), [])
      assert.deepStrictEqual(w.sent, [])
      yield* after.stop
    })
  )

  it.live("waiting for a person costs nothing, whatever else of it ran meanwhile; what follows does", () =>
    Effect.gen(function* () {
      const w = yield* world
      const [word, other, run] = [yield* gate, yield* gate, yield* gate]
      w.agent = (asked, steps) =>
        Effect.all(
          [
            logged(w, steps, "asks", Effect.andThen(steps.waits(word.wait), run.wait)),
            logged(w, steps, "asks too", steps.waits(word.wait)),
            logged(w, steps, "works", other.wait)
          ],
          { concurrency: 3 }
        ).pipe(Effect.as(ok(asked, "done")))
      const before = yield* boot(w)
      yield* before.turns.submit(request("r1", "x"))
      yield* Effect.all([word.reached, other.reached])
      assert.strictEqual(yield* attempts(before.sql), 1)
      yield* other.open
      yield* becomes(before.sql, 0)
      yield* word.open
      yield* run.reached
      assert.strictEqual(yield* attempts(before.sql), 1)
      yield* run.open
      assert.strictEqual((yield* before.turns.await(r1, main)).status, "ok")
      yield* before.stop
    })
  )
})
