import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import { DeliveryFailed } from "../../src/services/Channel.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { Turns } from "../../src/services/Turns.ts"
import { gate, logged, main, ok, peer, request, start, world } from "./kit.ts"

const interruptible = (log: Array<string>, wait: Effect.Effect<unknown>) =>
  Effect.onInterrupt(wait, () => Effect.sync(() => log.push("interrupted")))

describe("abort", () => {
  it.live("ends the running turn before it answers, keeps what was said, and the next turn runs", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (asked) =>
        asked.text === "slow"
          ? Effect.as(interruptible(w.log, held.wait), ok(asked, ""))
          : Effect.succeed(ok(asked, "next"))
      w.partial = { text: "Let me look.\n\nhalf an ans", unstored: "half an ans", seq: 6 }
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const bus = yield* EventBus
        const events = yield* bus.subscribe
        yield* turns.submit(request("r1", "slow", { replyTo: { peer } }))
        yield* turns.submit(request("r2", "fast"))
        yield* held.reached
        assert.deepInclude(yield* turns.inFlight(main), {
          runId: RunId.make("r1"),
          text: "Let me look.\n\nhalf an ans"
        })

        const r1 = RunId.make("r1")
        assert.deepStrictEqual(yield* turns.abort(main, { origin: "rpc", runId: r1 }), [r1])
        assert.deepStrictEqual(w.log, ["typing on", "interrupted", "typing off"])
        const chat = (yield* PubSub.takeUpTo(events, 100)).filter(({ event }) => event === "chat")
        const aborted = chat.find(({ payload }) => "state" in payload && payload.state === "aborted")?.payload
        assert.deepInclude(aborted, { runId: "r1", sessionKey: main, agentId: "main", seq: 7, stopReason: "rpc" })

        assert.deepInclude(yield* turns.await(RunId.make("r1"), main), {
          status: "aborted",
          text: "Let me look.\n\nhalf an ans"
        })
        assert.strictEqual((yield* turns.await(RunId.make("r2"), main)).text, "next")
        assert.deepStrictEqual(w.sent, [])
        const { messages } = yield* (yield* Sessions).history(main)
        assert.deepInclude(messages[1], {
          role: "assistant",
          content: [{ type: "text", text: "half an ans" }],
          idempotencyKey: "r1:assistant",
          openclawAbort: { aborted: true, origin: "rpc", runId: "r1" }
        })
        assert.deepStrictEqual(yield* turns.abort(main, { origin: "rpc" }), [])
      }).pipe(Effect.provide(start(w)), Effect.scoped)
    })
  )

  it.live("of a session ends what waits there too, and whoever waits for that knows at once", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      const other = SessionKey.make("agent:main:other")
      w.agent = (asked) =>
        Effect.sync(() => w.log.push(asked.runId)).pipe(
          // It does not let itself be interrupted, so that nothing behind it can run before the gate opens.
          Effect.andThen(asked.runId === "r1" ? Effect.uninterruptible(held.wait) : Effect.void),
          Effect.as(ok(asked, "done"))
        )
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const ids = ["r1", "r2", "r3"].map((id) => RunId.make(id))
        yield* Effect.forEach(ids, (id) => turns.submit(request(id, `say ${id}`)))
        yield* held.reached
        const waiting = yield* Effect.forkChild(turns.await(RunId.make("r3"), main), { startImmediately: true })
        // Until it has asked the actor, which is what it would wait for.
        const sql = yield* SqlClient.SqlClient
        yield* Effect.repeat(Effect.yieldNow, { times: 100 })
        const { carryOut, runIds } = yield* sql.withTransaction(turns.requestAbort(main, { origin: "stop" }))
        assert.deepStrictEqual(runIds, ids)
        const ended = yield* Effect.forkChild(carryOut, { startImmediately: true })
        assert.deepInclude(yield* Fiber.join(waiting), { status: "aborted", runId: RunId.make("r3") })
        assert.deepInclude(yield* turns.await(RunId.make("r2"), main), { status: "aborted" })
        assert.deepStrictEqual(w.log, ["r1"])
        // What comes after the command is not meant by it, nor is another session.
        yield* turns.submit(request("r4", "after"))
        yield* turns.submit(request("o1", "other", { sessionKey: other }))
        assert.deepInclude(yield* turns.await(RunId.make("o1"), other), { status: "ok" })
        yield* held.open
        yield* Fiber.join(ended)
        assert.deepInclude(yield* turns.await(RunId.make("r4"), main), { status: "ok" })
        assert.deepStrictEqual(w.log, ["r1", "o1", "r4"])
        const { messages } = yield* (yield* Sessions).history(main)
        assert.sameMembers(
          messages.map((message) => message.content),
          ["say r1", "say r2", "say r3", "after"]
        )
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("interrupts a step that is running, and an abort twice is one", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      const interrupted = yield* Deferred.make<void>()
      const stuck = Effect.onInterrupt(held.wait, () => Deferred.succeed(interrupted, undefined))
      w.agent = (asked, steps) =>
        logged(w, steps, "done").pipe(Effect.andThen(logged(w, steps, "stuck", stuck)), Effect.as(ok(asked, "never")))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r1", "x"))
        yield* held.reached
        const [first, second] = yield* Effect.all(
          [turns.abort(main, { origin: "rpc", runId: RunId.make("r1") }), turns.abort(main, { origin: "rpc" })],
          {
            concurrency: "unbounded"
          }
        )
        assert.deepStrictEqual(first, [RunId.make("r1")])
        // The second may come when the turn has ended already.
        assert.includeDeepMembers([[], first], [second])
        assert.deepInclude(yield* turns.await(RunId.make("r1"), main), { status: "aborted", text: "" })
        yield* Deferred.await(interrupted)
        assert.deepStrictEqual(w.log, ["done", "stuck"])
        assert.deepInclude((yield* (yield* Sessions).list()).rows[0], { status: "killed" })
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("ends a turn that only waits at once, and never another session's", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (asked) =>
        Effect.sync(() => w.log.push(asked.runId)).pipe(
          Effect.andThen(asked.runId === "r1" ? held.wait : Effect.void),
          Effect.as(ok(asked, "done"))
        )
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* Effect.forEach(["r1", "r2", "r3"], (id) => turns.submit(request(id, "x")))
        yield* held.reached
        assert.deepStrictEqual(
          yield* turns.abort(SessionKey.make("agent:main:other"), { origin: "rpc", runId: RunId.make("r2") }),
          []
        )
        assert.deepStrictEqual(yield* turns.abort(main, { origin: "rpc", runId: RunId.make("r2") }), [RunId.make("r2")])
        assert.deepInclude(yield* turns.await(RunId.make("r2"), main), { status: "aborted" })
        assert.strictEqual(yield* turns.active, 2)
        yield* held.open
        assert.deepInclude(yield* turns.await(RunId.make("r3"), main), { status: "ok" })
        assert.deepStrictEqual(w.log, ["r1", "r3"])
        assert.deepStrictEqual(yield* turns.abort(main, { origin: "rpc", runId: RunId.make("r3") }), [])
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("ends the waiting for a channel that is away", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.deliver = () =>
        Effect.andThen(
          Effect.forkDetach(held.wait),
          Effect.fail(new DeliveryFailed({ channel: "test", to: "7", message: "away", outcome: "never-sent" }))
        )
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r1", "x", { replyTo: { peer } }))
        yield* held.reached
        assert.deepStrictEqual(yield* turns.abort(main, { origin: "rpc" }), [RunId.make("r1")])
        assert.deepInclude(yield* turns.await(RunId.make("r1"), main), { status: "ok" })
        assert.include((yield* (yield* Sessions).list()).rows[0]?.lastRunError, "aborted before it was delivered")
      }).pipe(Effect.provide(start(w, { delivery: { giveUpAfterMs: 600_000, firstPauseMs: 600_000 } })))
    })
  )

  it.live(
    "is carried out once it is committed, although nobody does it who asked; what was rolled back ends nothing",
    () =>
      Effect.gen(function* () {
        const w = yield* world
        const held = yield* gate
        w.agent = (asked) =>
          asked.runId === "r1" ? Effect.as(held.wait, ok(asked, "no")) : Effect.succeed(ok(asked, "x"))
        yield* Effect.gen(function* () {
          const turns = yield* Turns
          const sql = yield* SqlClient.SqlClient
          yield* turns.submit(request("r1", "x", { replyTo: { peer } }))
          yield* held.reached
          yield* turns
            .requestAbort(main, { origin: "stop" })
            .pipe(Effect.andThen(Effect.fail("no")), sql.withTransaction, Effect.ignore)
          yield* turns.submit(request("o1", "y", { sessionKey: SessionKey.make("agent:main:other") }))
          yield* turns.await(RunId.make("o1"), SessionKey.make("agent:main:other"))
          assert.isDefined(yield* turns.inFlight(main))
          yield* sql.withTransaction(turns.requestAbort(main, { origin: "stop" }))
          assert.deepInclude(yield* turns.await(RunId.make("r1"), main), { status: "aborted" })
          assert.deepStrictEqual(w.sent, [])
        }).pipe(Effect.provide(start(w)))
      })
  )

  it.live("that was committed before the reply left keeps it back, whoever was to carry it out", () =>
    Effect.gen(function* () {
      const w = yield* world
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const sql = yield* SqlClient.SqlClient
        // As the turn decides, its abort is in the book and nobody has told the turn.
        w.agent = (asked) =>
          Effect.as(
            Effect.orDie(sql`UPDATE turns SET abort_requested_at = 1, abort_origin = 'stop'`),
            ok(asked, "late")
          )
        yield* turns.submit(request("r1", "x", { replyTo: { peer } }))
        assert.deepInclude(yield* turns.await(RunId.make("r1"), main), {
          undelivered: "aborted before it was delivered"
        })
        assert.deepStrictEqual(w.sent, [])
      }).pipe(Effect.provide(start(w)))
    })
  )
})
