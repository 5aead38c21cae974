/** Compaction over a real socket: what later turns tell the model, what clients see of it, and who is refused. */
import { assert, describe, it } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import type * as Prompt from "effect/ai/Prompt"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { SUMMARY_INTRO } from "../../src/layers/agent/history.ts"
import { conforms } from "../protocol/published.ts"
import { start, textsOf } from "../sessions/wireKit.ts"

const main = "agent:main:main"
const said = (text: string) => ({ text, usage: { inputTokens: 3, outputTokens: 2 } })
const summary = { text: "the summary", usage: { inputTokens: 70, outputTokens: 7 } }
const shape = (messages: ReadonlyArray<Prompt.Message> | undefined) =>
  (messages ?? [])
    .filter(({ role }) => role !== "system")
    .map(({ content, role }) => [
      role,
      typeof content === "string"
        ? content
        : content.map((part) => (part.type === "text" ? part.text : part.type)).join()
    ])

describe("sessions.compact", () => {
  it.live("lets a summary stand for what is older, tells who follows, and keeps the transcript", () =>
    Effect.gen(function* () {
      const { connect, model } = yield* start([said("one"), said("two"), summary, said("three"), summary, said("four")])
      const client = yield* connect()
      yield* client.ok("sessions.subscribe")
      yield* client.turn("first", "k1")
      yield* client.turn("second", "k2")
      const before = (yield* client.ok("chat.history", { sessionKey: "main" })).messages

      const done = yield* client.ok("sessions.compact", { key: "main" })
      assert.deepInclude(done, { ok: true, key: main, compacted: true })
      assert.isAbove(done.result.tokensBefore, 0)
      assert.isAbove(done.result.tokensAfter, 0)
      const asked = (yield* model.calls)[2]
      assert.include(shape(asked)[0]?.[1], "Person: first\n\nAssistant: one\n")
      assert.notInclude(shape(asked)[0]?.[1], "second")

      const end = yield* client.until("session.operation", ({ phase }) => phase === "end")
      const begin = client.events("session.operation")[0]
      for (const operation of [begin, end]) conforms("SessionOperationEvent", operation)
      assert.deepInclude(begin, { operation: "compact", phase: "start", sessionKey: main, agentId: "main" })
      assert.deepInclude(end, { operationId: begin.operationId, completed: true })
      const changed = yield* client.until("sessions.changed", ({ reason }) => reason === "compact")
      assert.deepInclude(changed, { sessionKey: main, compacted: true })
      assert.strictEqual(changed.session.totalTokens, done.result.tokensAfter)

      // Nothing is gone, and the place is marked.
      const { messages } = yield* client.ok("chat.history", { sessionKey: "main" })
      assert.deepStrictEqual(messages.slice(0, -1), before)
      const mark = messages.at(-1)
      assert.deepInclude(mark, { role: "system", content: [{ type: "text", text: "Compaction" }] })
      assert.deepInclude(mark.__openclaw, { kind: "compaction", ...done.result })

      yield* client.turn("third", "k3")
      assert.deepStrictEqual(shape((yield* model.calls)[3]), [
        ["user", `${SUMMARY_INTRO}\nthe summary`],
        ["user", "second"],
        ["assistant", "two"],
        ["user", "third"]
      ])

      // A second one goes on from the first.
      assert.isTrue((yield* client.ok("sessions.compact", { key: "main" })).compacted)
      const second = shape((yield* model.calls)[4])[0]?.[1]
      assert.include(second, "The summary so far:\nthe summary")
      assert.include(second, "Person: second\n\nAssistant: two")
      assert.notInclude(second, "third")
      yield* client.turn("fourth", "k4")
      assert.deepStrictEqual(shape((yield* model.calls)[5]).slice(1), [
        ["user", "third"],
        ["assistant", "three"],
        ["user", "fourth"]
      ])

      const usage = yield* client.ok("sessions.usage", { key: "main" })
      assert.strictEqual(usage.totals.input, 4 * 3 + 2 * 70)
      assert.strictEqual(usage.totals.output, 4 * 2 + 2 * 7)
      assert.strictEqual(usage.aggregates.messages.assistant, 4)

      // A reset forgets the summary too.
      yield* client.ok("sessions.reset", { key: "main" })
      yield* model.push(said("five"))
      yield* client.turn("fifth", "k5")
      assert.deepStrictEqual(shape((yield* model.calls)[6]), [["user", "fifth"]])
    }).pipe(Effect.scoped)
  )

  it.live("says why there is nothing to compact, and refuses whoever may not", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([said("one"), said("two"), summary])
      const client = yield* connect()
      const compact = (key: string) => client.ok("sessions.compact", { key })
      assert.deepStrictEqual(yield* compact("main"), { ok: true, key: main, compacted: false, reason: "no sessionId" })
      yield* client.ok("sessions.patch", { key: "main", label: "named" })
      assert.deepInclude(yield* compact("main"), { ok: true, compacted: false, reason: "no transcript" })
      yield* client.turn("first", "k1")
      const small = { ok: false, key: main, compacted: false, reason: "Nothing to compact (session too small)" }
      assert.deepStrictEqual(yield* compact("main"), small)
      yield* client.turn("second", "k2")
      assert.isTrue((yield* compact("main")).compacted)
      assert.deepStrictEqual(yield* compact("main"), { ...small, reason: "Already compacted" })

      for (const [params, problem] of [
        [{}, "must have required property 'key'"],
        [{ key: "" }, "at /key: must not have fewer than 1 characters"],
        [{ key: "main", maxLines: 0 }, "at /maxLines: must be >= 1"],
        [{ key: "main", x: 1 }, "at root: unexpected property 'x'"]
      ] as const) {
        const error = yield* client.no("sessions.compact", params)
        assert.deepInclude(error, { code: "INVALID_REQUEST", message: `invalid sessions.compact params: ${problem}` })
      }
      assert.match((yield* client.no("sessions.compact", { key: "main", agentId: "zzz" })).message, /agent id/)
      const writer = yield* connect(["operator.write"])
      assert.strictEqual(
        (yield* writer.no("sessions.compact", { key: "main" })).message,
        "missing scope: operator.admin"
      )
    }).pipe(Effect.scoped)
  )

  it.live("changes nothing when the model fails, and says so", () =>
    Effect.gen(function* () {
      const fail = new AiError.InternalProviderError({ description: "HTTP 500" })
      const { connect, model } = yield* start([said("one"), said("two"), { fail }, { text: "  " }, said("three")])
      const client = yield* connect()
      yield* client.ok("sessions.subscribe")
      yield* client.turn("first", "k1")
      yield* client.turn("second", "k2")
      const failed = yield* client.ok("sessions.compact", { key: "main" })
      assert.deepInclude(failed, { ok: false, compacted: false })
      assert.match(failed.reason, /has trouble of its own/)
      const end = yield* client.until("session.operation", ({ phase }) => phase === "end")
      conforms("SessionOperationEvent", end)
      assert.deepInclude(end, { completed: false, reason: failed.reason })
      assert.match((yield* client.ok("sessions.compact", { key: "main" })).reason, /wrote no summary/)
      const { messages } = yield* client.ok("chat.history", { sessionKey: "main" })
      assert.deepStrictEqual(textsOf(messages), ["first", "one", "second", "two"])
      yield* client.turn("third", "k3")
      assert.lengthOf(shape((yield* model.calls)[4]), 5)
    }).pipe(Effect.scoped)
  )

  it.live("waits for nobody's turn, makes the next message wait, and ends when somebody stops it", () =>
    Effect.gen(function* () {
      const [inTurn, inSummary] = yield* Effect.all([Deferred.make<void>(), Deferred.make<void>()])
      const { connect, model } = yield* start([
        said("one"),
        { ...said("two"), gate: Deferred.await(inTurn) },
        { ...summary, gate: Effect.never },
        { ...summary, gate: Deferred.await(inSummary) },
        said("three")
      ])
      const client = yield* connect()
      yield* client.ok("sessions.subscribe")
      yield* client.turn("first", "k1")
      yield* client.ok("chat.send", { sessionKey: "main", message: "second", idempotencyKey: "k2" })
      yield* client.raw.until(() => client.events("agent").find(({ runId }) => runId === "k2"))
      const busy = yield* client.no("sessions.compact", { key: "main" })
      assert.deepInclude(busy, {
        code: "INVALID_REQUEST",
        message: "Session main has an active run; retry after it finishes."
      })
      const lines = yield* client.no("sessions.compact", { key: "main", maxLines: 1 })
      assert.strictEqual(lines.message, busy.message)
      yield* Deferred.succeed(inTurn, undefined)
      yield* client.until("chat", ({ runId, state }) => runId === "k2" && state === "final")
      yield* client.until("sessions.changed", ({ phase, runId }) => phase === "end" && runId === "k2")

      const other = yield* connect()
      client.raw.send({ type: "req", id: "c1", method: "sessions.compact", params: { key: "main" } })
      yield* client.until("session.operation", ({ phase }) => phase === "start")
      assert.isTrue((yield* other.ok("chat.abort", { sessionKey: "main" })).aborted)
      const stopped: any = yield* client.raw.answer("c1")
      assert.deepInclude(stopped.payload, { ok: false, compacted: false, reason: "stopped before it was done" })
      yield* client.until("session.operation", ({ phase }) => phase === "end")

      client.raw.send({ type: "req", id: "c2", method: "sessions.compact", params: { key: "main" } })
      yield* client.raw.until(() => client.events("session.operation").filter(({ phase }) => phase === "start")[1])
      // Nor is it taken into what is no answer.
      const third = { sessionKey: "main", message: "third", idempotencyKey: "k3", queueMode: "steer" }
      yield* client.ok("chat.send", third)
      yield* Deferred.succeed(inSummary, undefined)
      const answer: any = yield* client.raw.answer("c2")
      assert.isTrue(answer.payload.compacted)
      yield* client.until("chat", ({ runId, state }) => runId === "k3" && state === "final")
      assert.deepStrictEqual(shape((yield* model.calls)[4]), [
        ["user", `${SUMMARY_INTRO}\nthe summary`],
        ["user", "second"],
        ["assistant", "two"],
        ["user", "third"]
      ])
    }).pipe(Effect.scoped)
  )

  it.live("cuts the transcript to so many messages, for good", () =>
    Effect.gen(function* () {
      const { connect, model } = yield* start([said("one"), said("two"), said("three")])
      const client = yield* connect()
      yield* client.ok("sessions.subscribe")
      yield* client.turn("first", "k1")
      yield* client.turn("second", "k2")
      const cut = (maxLines: number) => client.ok("sessions.compact", { key: "main", maxLines })
      yield* client.until("sessions.changed", ({ phase, runId }) => phase === "end" && runId === "k2")
      assert.deepStrictEqual(yield* cut(4), { ok: true, key: main, compacted: false, kept: 4 })
      assert.deepStrictEqual(yield* cut(2), { ok: true, key: main, compacted: true, kept: 2 })
      yield* client.until("sessions.changed", ({ reason }) => reason === "compact")
      const { messages } = yield* client.ok("chat.history", { sessionKey: "main" })
      assert.deepStrictEqual(textsOf(messages), ["second", "two"])
      yield* client.turn("third", "k3")
      assert.lengthOf(shape((yield* model.calls)[2]), 3)
    }).pipe(Effect.scoped)
  )
})

describe("/compact", () => {
  it.live("compacts with an eye on what is asked, and answers in the chat alone", () =>
    Effect.gen(function* () {
      const { connect, model } = yield* start([said("one"), said("two"), summary])
      const client = yield* connect(["operator.write"])
      yield* client.turn("first", "k1")
      const first = yield* client.turn("/compact", "c0")
      assert.match(textsOf([first.message])[0] ?? "", /^⚙️ Compaction skipped: Nothing to compact/)
      yield* client.turn("second", "k2")
      const done = yield* client.turn("/compact the second thing", "c1")
      assert.strictEqual(done.state, "final")
      assert.match(textsOf([done.message])[0] ?? "", /^⚙️ Compacted \(\d+ → \d+ tokens\)$/)
      assert.include(shape((yield* model.calls)[2])[0]?.[1], "Look above all at this: the second thing")
      const { messages } = yield* client.ok("chat.history", { sessionKey: "main" })
      assert.deepStrictEqual(textsOf(messages), ["first", "one", "second", "two", "Compaction"])
      const { commands } = yield* client.ok("commands.list", {})
      assert.deepInclude(
        commands.find(({ name }: any) => name === "compact"),
        { textAliases: ["/compact"], acceptsArgs: true }
      )
    }).pipe(Effect.scoped)
  )
})
