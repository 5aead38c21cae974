import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { Turns } from "../../src/services/Turns.ts"
import { gate, logged, main, ok, peer, request, start, world } from "./kit.ts"

const row = Effect.fnUntraced(function* (key = main) {
  const { rows } = yield* (yield* Sessions).list({})
  return rows.find((row) => row.key === key)
})

describe("Turns", () => {
  it.live("runs a turn: transcript, typing, reply, session row", () =>
    Effect.gen(function* () {
      const w = yield* world
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const asked = request("r1", "hello", {
          replyTo: { peer, messageId: "m1" },
          sender: { id: "7", displayName: "Ada" }
        })
        assert.isTrue(yield* turns.submit(asked))
        const outcome = yield* turns.await(asked.runId, main)
        assert.deepInclude(outcome, { status: "ok", text: "re: hello" })
        assert.deepStrictEqual(w.sent, [
          { peer, text: "re: hello", replyToMessageId: "m1", idempotencyKey: "r1:reply" }
        ])
        assert.deepStrictEqual(w.log, ["typing on", "typing off"])
        const { messages } = yield* (yield* Sessions).history(main)
        assert.deepInclude(messages[0], {
          role: "user",
          content: "hello",
          timestamp: 1_000,
          idempotencyKey: "r1:user",
          __openclaw: { senderId: "7", senderName: "Ada" },
          runId: "r1"
        })
        assert.deepInclude(yield* row(), {
          status: "done",
          channel: "test",
          accountId: "default",
          displayName: "Ada",
          lastRunId: "r1"
        })
        assert.strictEqual(yield* turns.active, 0)
        assert.isUndefined(yield* turns.inFlight(main))
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("keeps the order of arrival within a session and runs sessions side by side", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      const other = SessionKey.make("agent:main:other")
      w.agent = (asked) =>
        Effect.gen(function* () {
          w.log.push(`start ${asked.runId}`)
          if (asked.runId === "a0") yield* held.wait
          w.log.push(`end ${asked.runId}`)
          return ok(asked, "")
        })
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* Effect.forEach([0, 1, 2, 3], (n) => turns.submit(request(`a${n}`, "")), { concurrency: "unbounded" })
        yield* held.reached
        yield* turns.submit(request("b", "", { sessionKey: other }))
        yield* turns.await(RunId.make("b"), other)
        assert.deepStrictEqual(w.log, ["start a0", "start b", "end b"])
        assert.strictEqual(yield* turns.active, 4)
        assert.deepInclude(yield* turns.inFlight(main), { runId: RunId.make("a0"), text: "" })
        yield* held.open
        yield* turns.await(RunId.make("a3"), main)
        assert.deepStrictEqual(
          w.log.slice(3),
          ["a0", "a1", "a2", "a3"].flatMap((id) => [`start ${id}`, `end ${id}`]).slice(1)
        )
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("the same run id is one turn, before and after its end, and everybody gets its answer", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (asked) =>
        Effect.sync(() => w.log.push(asked.text)).pipe(Effect.andThen(held.wait), Effect.as(ok(asked, "answer")))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const asked = request("r", "first")
        const accepted = yield* Effect.forEach([1, 2, 3], () => turns.submit(asked), { concurrency: "unbounded" })
        assert.deepStrictEqual(accepted.filter(Boolean), [true])
        yield* held.reached
        const impatient = yield* Effect.forkChild(turns.await(asked.runId, main), { startImmediately: true })
        const waiting = yield* Effect.forkChild(turns.await(asked.runId, main), { startImmediately: true })
        yield* Fiber.interrupt(impatient)
        yield* held.open
        assert.strictEqual((yield* Fiber.join(waiting)).text, "answer")
        assert.isFalse(yield* turns.submit(request("r", "first", { receivedAt: 2_000 })))
        assert.strictEqual((yield* turns.await(asked.runId, main)).text, "answer")
        assert.deepStrictEqual(w.log, ["first"])
      }).pipe(Effect.provide(start(w)))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        assert.isFalse(yield* turns.submit(request("r", "first")))
        const elsewhere = { sessionKey: SessionKey.make("agent:main:other") }
        for (const other of [
          request("r", "second"),
          request("r", "first", elsewhere),
          request("r", "first", { agentId: "b" })
        ]) {
          assert.strictEqual((yield* Effect.flip(turns.submit(other)))._tag, "RunIdConflict", "D11")
        }
        assert.strictEqual((yield* turns.await(RunId.make("r"), main)).text, "answer")
        assert.deepStrictEqual(w.log, ["first"])
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("names of sessions and turns are only names, whatever is in them", () =>
    Effect.gen(function* () {
      const w = yield* world
      const names = [
        "__proto__",
        "a/turn/b",
        "a",
        "nul\u0000nul",
        "'; DROP TABLE turns; --",
        "\u202e✓",
        "k".repeat(512)
      ]
      const ids = ["c", "b/turn/c", "constructor", "%2F", "nul\u0000"]
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const sessions = yield* Sessions
        for (const [n, name] of names.entries()) {
          const sessionKey = SessionKey.make(name)
          for (const id of ids) {
            // The two that would be one, if names and ids were merely joined.
            const alike = (n === 1 && id === "c") || (n === 2 && id === "b/turn/c")
            const runId = alike ? id : `${n}${id}`
            const asked = request(runId, `text \u0000 ${n} ${id}`, { sessionKey })
            assert.isTrue(yield* turns.submit(asked), `${name} ${id}`)
            assert.strictEqual((yield* turns.await(asked.runId, sessionKey)).text, `re: ${asked.text}`)
          }
          assert.strictEqual((yield* sessions.history(sessionKey)).messages.length, ids.length, name)
        }
        assert.strictEqual((yield* sessions.list()).totalCount, names.length)
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("waiting for a turn that nobody submitted, or in another session, fails", () =>
    Effect.gen(function* () {
      const w = yield* world
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r", ""))
        assert.strictEqual((yield* Effect.flip(turns.await(RunId.make("nobody"), main)))._tag, "TurnNotAccepted")
        const elsewhere = SessionKey.make("agent:main:elsewhere")
        assert.include((yield* Effect.flip(turns.await(RunId.make("r"), elsewhere))).message, "no turn r in")
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("stores nothing when the storage refuses", () =>
    Effect.gen(function* () {
      const w = yield* world
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TRIGGER full BEFORE INSERT ON cluster_messages BEGIN SELECT RAISE(ABORT, 'disk full'); END`
        const error = yield* Effect.flip(turns.submit(request("r", "x")))
        assert.strictEqual(error._tag, "TurnNotAccepted")
        assert.strictEqual(yield* turns.active, 0)
        yield* sql`DROP TRIGGER full`
        assert.isTrue(yield* turns.submit(request("r", "x")))
        assert.strictEqual((yield* turns.await(RunId.make("r"), main)).status, "ok")
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("a defect becomes a plain sentence, and the session goes on", () =>
    Effect.gen(function* () {
      const w = yield* world
      w.agent = (asked, steps) =>
        asked.text === "break"
          ? Effect.die(new Error("secret detail"))
          : asked.text === "break in a step"
            ? Effect.andThen(logged(w, steps, "s", Effect.die("boom")), Effect.succeed(ok(asked, "not reached")))
            : Effect.succeed(ok(asked, "fine"))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const events = yield* (yield* EventBus).subscribe
        for (const [runId, text] of Object.entries({ r1: "break", r2: "break in a step", r3: "go on" })) {
          yield* turns.submit(request(runId, text, { replyTo: { peer } }))
        }
        assert.strictEqual((yield* turns.await(RunId.make("r3"), main)).text, "fine")
        const broken = yield* turns.await(RunId.make("r1"), main)
        assert.deepInclude(broken, { status: "error", error: "TurnDefect" })
        assert.notInclude(broken.text, "secret")
        assert.deepInclude(yield* turns.await(RunId.make("r2"), main), { status: "error", error: "TurnDefect" })
        assert.deepStrictEqual(
          w.sent.map((message) => message.text),
          [broken.text, broken.text, "fine"]
        )
        const seen = yield* PubSub.takeUpTo(events, 100)
        assert.deepInclude(
          seen.map(({ event, payload }) => ({ event, ...payload })),
          {
            event: "chat",
            runId: "r1",
            sessionKey: main,
            agentId: "main",
            seq: 1,
            state: "error",
            errorMessage: broken.text,
            errorKind: "unknown"
          }
        )
        const { messages } = yield* (yield* Sessions).history(main)
        assert.deepStrictEqual(
          messages.map((message) => [message.role, message.stopReason]),
          [
            ["user", undefined],
            ["assistant", "error"],
            ["user", undefined],
            ["assistant", "error"],
            ["user", undefined]
          ]
        )
      }).pipe(Effect.provide(start(w)), Effect.scoped)
    })
  )

  it.live("a turn that takes too long is ended and says so", () =>
    Effect.gen(function* () {
      const w = yield* world
      w.agent = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => w.log.push("interrupted")))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r", "x", { timeoutMs: 20 }))
        const outcome = yield* turns.await(RunId.make("r"), main)
        assert.deepInclude(outcome, { status: "error", error: "TurnTimedOut" })
        assert.include(outcome.text, "20ms")
        assert.deepStrictEqual(w.log, ["interrupted"])
        assert.deepInclude(yield* row(), { status: "timeout" })
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live.each([0, 1e12, Number.MAX_SAFE_INTEGER])("a limit of %d ms ends nothing early", (timeoutMs) =>
    Effect.gen(function* () {
      const w = yield* world
      w.agent = (asked) => Effect.as(Effect.sleep(5), ok(asked, "done"))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r", "x", { timeoutMs }))
        assert.strictEqual((yield* turns.await(RunId.make("r"), main)).text, "done")
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("a turn that cannot even be read ends, and the session goes on", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (asked) => Effect.as(asked.text === "hold" ? held.wait : Effect.void, ok(asked, "fine"))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const sql = yield* SqlClient.SqlClient
        yield* Effect.forEach(["r1", "r2", "r3"], (id) => turns.submit(request(id, id === "r1" ? "hold" : "x")))
        yield* held.reached
        yield* sql`UPDATE turns SET request = '{}' WHERE run_id = 'r2'`
        yield* held.open
        assert.strictEqual((yield* turns.await(RunId.make("r3"), main)).text, "fine")
        const rows = yield* sql<{ outcome: string }>`SELECT outcome FROM turns WHERE run_id = 'r2'`
        assert.include(rows[0]?.outcome, "TurnDefect")
        assert.strictEqual(yield* turns.active, 0)
      }).pipe(Effect.provide(start(w)))
    })
  )
})
