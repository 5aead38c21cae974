/**
 * What a stop in the middle leaves behind, and what the next start makes of it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Context from "effect/Context"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { Turns } from "../../src/services/Turns.ts"
import { gate, logged, main, ok, peer, request, start, world, type World } from "./kit.ts"

/** Starts the process; the second part stops it. */
const boot = Effect.fnUntraced(function* (w: World, options: Parameters<typeof start>[1] = {}) {
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(start(w, { shutdownGraceMs: 1, ...options }), scope)
  return {
    turns: Context.get(context, Turns),
    sessions: Context.get(context, Sessions),
    sql: Context.get(context, SqlClient.SqlClient),
    stop: Scope.close(scope, Exit.void)
  }
})
const r1 = RunId.make("r1")

describe("restart", () => {
  it.live("a turn resumes, finished steps are not run again, the queue keeps its order", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      let wait: Effect.Effect<unknown> = held.wait
      w.agent = (asked, steps) =>
        Effect.gen(function* () {
          w.log.push(`agent ${asked.runId}`)
          const first = yield* logged(w, steps, "one")
          if (asked.runId === "r1")
            yield* logged(
              w,
              steps,
              "two",
              Effect.suspend(() => wait)
            )
          return ok(asked, `${first} for ${asked.runId}`)
        })
      const before = yield* boot(w)
      yield* Effect.forEach(["r1", "r2", "r3"], (id) =>
        before.turns.submit(request(id, `say ${id}`, { replyTo: { peer } }))
      )
      yield* held.reached
      yield* before.stop
      assert.deepStrictEqual(w.log, ["typing on", "agent r1", "one", "two", "typing off"])
      assert.deepStrictEqual(w.sent, [])

      w.log.length = 0
      wait = Effect.void
      const after = yield* boot(w)
      assert.deepInclude(yield* after.turns.await(RunId.make("r3"), main), { status: "ok", text: "did one for r3" })
      assert.deepStrictEqual(
        w.log.filter((line) => !line.startsWith("typing")),
        ["agent r1", "two", "agent r2", "one", "agent r3", "one"]
      )
      assert.deepStrictEqual(
        w.sent.map(({ text }) => text),
        ["did one for r1", "did one for r2", "did one for r3"]
      )
      const { messages } = yield* after.sessions.history(main)
      assert.deepStrictEqual(
        messages.map((message) => message.content),
        ["say r1", "say r2", "say r3"]
      )
      yield* after.stop
    })
  )

  it.live("a stop while the reply is on its way keeps the result and does not ask the agent again", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (asked) =>
        Effect.as(
          Effect.sync(() => w.log.push("agent")),
          ok(asked, "answer")
        )
      w.deliver = () => held.wait
      const before = yield* boot(w)
      yield* before.turns.submit(request("r1", "x", { replyTo: { peer } }))
      yield* held.reached
      yield* before.stop
      w.deliver = () => Effect.void
      const after = yield* boot(w)
      assert.deepInclude(yield* after.turns.await(r1, main), { status: "ok", text: "answer" })
      assert.deepStrictEqual(
        w.sent.map(({ idempotencyKey, text }) => [idempotencyKey, text]),
        [["r1:reply", "answer"]]
      )
      assert.deepStrictEqual(
        w.log.filter((line) => line === "agent"),
        ["agent"]
      )
      yield* after.stop
    })
  )

  it.live("an abort that was recorded holds, although the process died before the turn ended", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (asked) =>
        Effect.as(
          Effect.andThen(
            Effect.sync(() => w.log.push("agent")),
            held.wait
          ),
          ok(asked, "no")
        )
      const before = yield* boot(w)
      yield* before.turns.submit(request("r1", "x", { replyTo: { peer } }))
      yield* before.turns.submit(request("r2", "y"))
      yield* held.reached
      // The moment between recording an abort and interrupting: only the first has happened.
      yield* before.sql`UPDATE turns SET abort_requested_at = 1 WHERE run_id = 'r1'`
      yield* before.stop
      yield* held.open
      const after = yield* boot(w)
      assert.deepInclude(yield* after.turns.await(r1, main), { status: "aborted" })
      assert.deepInclude(yield* after.turns.await(RunId.make("r2"), main), { status: "ok" })
      assert.deepStrictEqual(w.sent, [])
      assert.deepStrictEqual(
        w.log.filter((line) => line === "agent"),
        ["agent", "agent"]
      )
      yield* after.stop
    })
  )

  it.live("an abort that came while the reply was on its way holds too", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.deliver = () => held.wait
      const before = yield* boot(w)
      yield* before.turns.submit(request("r1", "x", { replyTo: { peer } }))
      yield* held.reached
      yield* before.sql`UPDATE turns SET abort_requested_at = 1`
      yield* before.stop
      w.deliver = () => Effect.void
      const after = yield* boot(w)
      yield* after.turns.await(r1, main)
      assert.deepStrictEqual(w.sent, [])
      yield* after.stop
    })
  )

  it.live("an aborted turn stays aborted after the next start", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (asked) =>
        Effect.as(
          Effect.andThen(
            Effect.sync(() => w.log.push("agent")),
            held.wait
          ),
          ok(asked, "no")
        )
      const before = yield* boot(w)
      yield* before.turns.submit(request("r1", "x"))
      yield* held.reached
      yield* before.turns.abort(main, { origin: "rpc" })
      yield* before.stop
      const after = yield* boot(w)
      assert.deepInclude(yield* after.turns.await(r1, main), { status: "aborted" })
      assert.strictEqual(yield* after.turns.active, 0)
      assert.deepStrictEqual(w.log, ["agent"])
      yield* after.stop
    })
  )

  it.live("an orderly stop never counts against a turn", () =>
    Effect.gen(function* () {
      const w = yield* world
      let reached = Deferred.makeUnsafe<void>()
      w.agent = () =>
        Effect.andThen(
          Effect.suspend(() => Deferred.succeed(reached, undefined)),
          Effect.never
        )
      for (let starts = 0; starts < 3; starts++) {
        reached = Deferred.makeUnsafe<void>()
        const { stop, turns } = yield* boot(w, { maxAttempts: 2 })
        yield* turns.submit(request("r1", "x", { replyTo: { peer } }))
        yield* Deferred.await(reached)
        yield* stop
      }
      w.agent = (asked) => Effect.succeed(ok(asked, "at last"))
      const { stop, turns } = yield* boot(w, { maxAttempts: 2 })
      assert.deepInclude(yield* turns.await(r1, main), { status: "ok", text: "at last" })
      yield* stop
    })
  )
})
