/**
 * Messages that come while their session is busy.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { droppedText, summaryOf } from "../../src/layers/turns/Incoming.ts"
import { DEFAULT_QUEUE, type QueueSetting } from "../../src/services/Queue.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { TurnMessage, Turns } from "../../src/services/Turns.ts"
import { gate, main, ok, peer, request, start, world, type World } from "./kit.ts"

const boot = Effect.fnUntraced(function* (w: World) {
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(start(w, { shutdownGraceMs: 1 }), scope)
  const turns = Context.get(context, Turns)
  return {
    turns,
    sessions: Context.get(context, Sessions),
    sql: Context.get(context, SqlClient.SqlClient),
    ended: (id: string) => turns.await(RunId.make(id), main),
    stop: Scope.close(scope, Exit.void)
  }
})

const to = { replyTo: { peer } }
const by = (setting: Partial<QueueSetting>): QueueSetting => ({ ...DEFAULT_QUEUE, debounceMs: 20, ...setting })
const say = (id: string, more: Parameters<typeof request>[2] = to) => request(id, `say ${id}`, more)

/** The first turn waits at a gate; each turn logs what it was asked, and what it was told meanwhile. */
const busy = (w: World, wait: Effect.Effect<unknown>) => {
  w.agent = (asked, steps) =>
    Effect.gen(function* () {
      const texts = [asked, ...(asked.collected ?? [])].map(({ text }) => text)
      w.log.push(`${asked.runId}: ${texts.join(" + ")}`)
      if (asked.runId === "r1") yield* wait
      const took = yield* steps.step({
        name: "model-2",
        success: Schema.Array(TurnMessage),
        execute: steps.incoming.take("model-2")
      })
      if (took.length > 0) w.log.push(`${asked.runId} took ${took.map(({ runId }) => runId).join(" ")}`)
      return ok(asked, `re: ${[...texts, ...took.map(({ text }) => text)].join(", ")}`)
    })
}

const logOf = (w: World) => w.log.filter((line) => !line.startsWith("typing"))
const sentOf = (w: World) => w.sent.map(({ text }) => text)
const foldedIn = Effect.fnUntraced(function* (sessions: Sessions["Service"]) {
  const { messages } = yield* sessions.history(main)
  return messages.flatMap(({ __openclaw, role, runId }) =>
    role === "user" ? [[runId, __openclaw?.folded?.how, __openclaw?.folded?.into]] : []
  )
})

describe("the session's queue", () => {
  it.live("followup: each message has a turn and a reply of its own", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      busy(w, held.wait)
      const { ended, stop, turns } = yield* boot(w)
      yield* turns.submit(say("r1"), by({}))
      yield* held.reached
      for (const id of ["r2", "r3"]) yield* turns.submit(say(id), by({}))
      yield* held.open
      assert.isUndefined((yield* ended("r3")).folded)
      assert.deepStrictEqual(sentOf(w), ["re: say r1", "re: say r2", "re: say r3"])
      yield* stop
    })
  )

  it.live("steer: the running turn takes messages in and they end with it; another chat's has a turn of its own", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      busy(w, held.wait)
      const { ended, sessions, stop, turns } = yield* boot(w)
      yield* turns.submit(say("r1"), by({ mode: "steer" }))
      yield* held.reached
      const elsewhere = { replyTo: { peer: { ...peer, chatId: "8" } } }
      yield* Effect.forEach(["r2", "r3"], (id) => turns.submit(say(id), by({ mode: "steer" })))
      yield* turns.submit(say("o1", elsewhere), by({ mode: "steer" }))
      // It would pass the one before it.
      yield* turns.submit(say("r4"), by({ mode: "steer" }))
      yield* turns.submit(say("r5"), by({ mode: "steer", passes: true }))
      yield* held.open
      const outcome = yield* ended("r3")
      assert.deepInclude(outcome, { status: "ok", folded: { how: "steered", into: RunId.make("r1") } })
      yield* ended("r4")
      assert.deepStrictEqual(logOf(w), ["r1: say r1", "r1 took r2 r3 r5", "o1: say o1", "r4: say r4"])
      assert.deepStrictEqual(sentOf(w), ["re: say r1, say r2, say r3, say r5", "re: say o1", "re: say r4"])
      assert.deepStrictEqual(yield* foldedIn(sessions), [
        ["r1", undefined, undefined],
        ["r2", "steered", "r1"],
        ["r3", "steered", "r1"],
        ["r5", "steered", "r1"],
        ["o1", undefined, undefined],
        ["r4", undefined, undefined]
      ])
      assert.strictEqual(yield* turns.active, 0)
      yield* stop
    })
  )

  it.live("steer: what was too late is a turn of its own", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      busy(w, Effect.void)
      w.deliver = () => held.wait
      const { ended, stop, turns } = yield* boot(w)
      yield* turns.submit(say("r1"), by({ mode: "steer" }))
      yield* held.reached
      yield* turns.submit(say("r2"), by({ mode: "steer" }))
      yield* held.open
      assert.isUndefined((yield* ended("r2")).folded)
      assert.deepStrictEqual(sentOf(w), ["re: say r1", "re: say r2"])
      yield* stop
    })
  )

  it.live("steer: what a turn took in is taken in again after a restart, at the same step, and ends once", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      let wait: Effect.Effect<unknown> = held.wait
      w.agent = (asked, steps) =>
        Effect.gen(function* () {
          for (const step of ["model-1", "model-2", "model-3"]) {
            const took = yield* steps.step({
              name: step,
              success: Schema.Array(TurnMessage),
              execute: Effect.gen(function* () {
                const took = yield* steps.incoming.take(step)
                // Taken in, and cut before the step has a result.
                if (step === "model-2") yield* wait
                return took
              })
            })
            w.log.push(`${step}: ${took.map(({ runId }) => runId).join(" ")}`)
            if (step === "model-1") yield* wait
          }
          return ok(asked, "done")
        })
      const first = yield* boot(w)
      yield* first.turns.submit(say("r1"))
      yield* held.reached
      yield* first.turns.submit(say("r2"), by({ mode: "steer" }))
      yield* first.stop
      const again = yield* gate
      let waits = 0
      wait = Effect.suspend(() => (waits++ === 0 ? Effect.void : again.wait))
      const second = yield* boot(w)
      yield* again.reached
      assert.deepStrictEqual((yield* second.sql`SELECT taken_by, taken_step FROM turns WHERE run_id = 'r2'`)[0], {
        taken_by: "r1",
        taken_step: "model-2"
      })
      // It is in the turn's hands: only with that does it end.
      assert.deepStrictEqual(yield* second.turns.abort(main, { origin: "rpc", runId: RunId.make("r2") }), [])
      yield* second.turns.submit(say("r3"), by({ mode: "steer" }))
      yield* second.stop
      w.log.length = 0
      wait = Effect.void
      const third = yield* boot(w)
      assert.deepInclude(yield* third.ended("r2"), { status: "ok", text: "done" })
      assert.deepInclude(yield* third.ended("r3"), { status: "ok", text: "done" })
      assert.deepStrictEqual(logOf(w), ["model-1: ", "model-2: r2 r3", "model-3: "])
      assert.deepStrictEqual(sentOf(w), ["done"])
      yield* third.stop
    })
  )

  it.live("collect: those that wait are one turn, in order, and other senders' and chats' are not mixed in", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      busy(w, held.wait)
      const { ended, sessions, stop, turns } = yield* boot(w)
      const ada = { ...to, sender: { id: "ada" } }
      const bob = { ...to, sender: { id: "bob" } }
      yield* turns.submit(say("r1", ada), by({ mode: "collect" }))
      yield* held.reached
      yield* Effect.forEach(["r2", "r3", "r4"], (id) => turns.submit(say(id, ada), by({ mode: "collect" })))
      yield* turns.submit(say("b1", bob), by({ mode: "collect" }))
      yield* turns.submit(say("r5", ada), by({ mode: "collect" }))
      yield* held.open
      yield* ended("r5")
      assert.deepInclude(yield* ended("r4"), { folded: { how: "collected", into: RunId.make("r2") } })
      assert.deepStrictEqual(logOf(w), ["r1: say r1", "r2: say r2 + say r3 + say r4", "b1: say b1", "r5: say r5"])
      assert.lengthOf(w.sent, 4)
      assert.deepInclude(yield* foldedIn(sessions), ["r3", "collected", "r2"])
      yield* stop
    })
  )

  it.live("interrupt: what runs and what waits ends, and the newest runs", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      busy(w, held.wait)
      const { ended, sessions, stop, turns } = yield* boot(w)
      yield* turns.submit(say("r1"), by({}))
      yield* held.reached
      yield* turns.submit(say("r2"), by({}))
      yield* turns.submit(say("r3"), by({ mode: "interrupt" }))
      assert.deepInclude(yield* ended("r3"), { status: "ok" })
      assert.deepInclude(yield* ended("r1"), { status: "aborted", folded: { how: "interrupted" } })
      assert.deepInclude(yield* ended("r2"), {
        status: "aborted",
        folded: { how: "interrupted", into: RunId.make("r3") }
      })
      assert.deepStrictEqual(sentOf(w), ["re: say r3"])
      assert.deepInclude(yield* foldedIn(sessions), ["r2", "interrupted", "r3"])
      yield* stop
    })
  )

  it.live("a cap drops the newest or the oldest, and their senders are told at once", () =>
    Effect.gen(function* () {
      for (const drop of ["new", "old"] as const) {
        const w = yield* world
        const held = yield* gate
        busy(w, held.wait)
        const { ended, stop, turns } = yield* boot(w)
        yield* turns.submit(say("r1"), by({ cap: 2, drop }))
        yield* held.reached
        // A program's own turn is never dropped.
        yield* turns.submit(say("p1", {}))
        yield* Effect.forEach(["r2", "r3", "r4"], (id) => turns.submit(say(id), by({ cap: 2, drop })))
        yield* held.open
        yield* Effect.forEach(["p1", "r2", "r3", "r4"], ended)
        const gone = drop === "new" ? ["r3", "r4"] : ["r2", "r3"]
        const kept = drop === "new" ? "r2" : "r4"
        assert.deepStrictEqual(logOf(w), ["r1: say r1", "p1: say p1", `${kept}: say ${kept}`])
        assert.deepStrictEqual(sentOf(w), ["re: say r1", droppedText, droppedText, `re: say ${kept}`])
        for (const id of gone) {
          assert.deepInclude(yield* ended(id), { status: "error", error: "MessageDropped", folded: { how: "dropped" } })
        }
        yield* stop
      }
    })
  )

  it.live("a cap that summarizes answers the oldest together, by how they begin", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      busy(w, held.wait)
      const { ended, stop, turns } = yield* boot(w)
      yield* turns.submit(say("r1"), by({ cap: 1 }))
      yield* held.reached
      yield* Effect.forEach(["r2", "r3", "r4"], (id) => turns.submit(say(id), by({ cap: 1 })))
      yield* held.open
      yield* ended("r4")
      assert.deepInclude(yield* ended("r3"), { folded: { how: "summarized", into: RunId.make("r2") } })
      const summary = summaryOf([say("r2"), say("r3")])
      assert.match(summary, /- say r2\n- say r3$/)
      assert.deepStrictEqual(logOf(w), ["r1: say r1", `r2: ${summary}`, "r4: say r4"])
      assert.lengthOf(w.sent, 3)
      yield* stop
    })
  )

  it("a summary is bounded, however many and long the messages are", () => {
    const many = Array.from({ length: 300 }, (_, n) => request(`m${n}`, "x".repeat(5_000)))
    assert.isBelow(summaryOf(many).length, 10_000)
    assert.include(summaryOf(many), "[and 250 more]")
  })
})
