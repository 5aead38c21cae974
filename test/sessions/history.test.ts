/** Transcripts over a real socket: pages, cursors, single messages, what waits, and words put in. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { conforms } from "../protocol/published.ts"
import { start, textsOf } from "./wireKit.ts"

const said = { text: "yes", usage: { inputTokens: 3, outputTokens: 2 } }

describe("chat.history and chat.startup", () => {
  it.live("of a session that is not there", () =>
    Effect.gen(function* () {
      const client = yield* (yield* start([])).connect()
      for (const method of ["chat.startup", "chat.history"]) {
        const page = yield* client.ok(method, { sessionKey: "nobody", limit: 80 })
        assert.deepInclude(page, { sessionKey: "nobody", messages: [], hasMore: false, totalMessages: 0 })
        assert.deepInclude(page.pendingInputs, { items: [], total: 0 })
        assert.deepInclude(page.sessionInfo, { key: "agent:main:nobody", updatedAt: null, hasActiveRun: false })
        assert.notProperty(page, "sessionId")
        assert.notProperty(page, "deltaCursor")
      }
    }).pipe(Effect.scoped)
  )

  it.live("fits a frame, however much was said, and so does a preview", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const client = yield* (yield* start([said, { text: "late", gate: Deferred.await(gate) }])).connect()
      yield* client.turn("hello", "k")
      const first = yield* client.ok("chat.history", { sessionKey: "main" })
      const long = "x".repeat(1_000_000)
      const texts = Array.from({ length: 18 }, (_, index) => `${index} ${long}`)
      for (const message of texts) yield* client.ok("chat.inject", { sessionKey: "main", message })
      const newest = yield* client.ok("chat.history", { sessionKey: "main" })
      assert.deepStrictEqual(textsOf(newest.messages), texts.slice(-6))
      assert.deepInclude(newest, { hasMore: true, nextOffset: 6, totalMessages: 20 })
      const most = yield* client.raw.request("chat.history", { sessionKey: "main", maxBytes: 100_000_000 })
      assert.deepStrictEqual(textsOf(most.payload.messages), texts.slice(-16))
      const since = { sessionKey: "main", cursor: first.deltaCursor }
      assert.deepStrictEqual(yield* client.ok("chat.history", since), { kind: "reset" })
      assert.strictEqual((yield* client.ok("chat.history", { ...since, maxChars: 10 })).messages.length, 18)

      for (const key of ["run", ...texts.slice(0, 7)].map((text) => text.slice(0, 3))) {
        const message = key === "run" ? key : `${key} ${long}`
        yield* client.ok("chat.send", { sessionKey: "w", message, idempotencyKey: key, queueMode: "followup" })
        if (key === "run")
          yield* client.until("agent", (event: any) => event.runId === key && event.data.phase === "model")
      }
      const waiting = yield* client.ok("chat.history", { sessionKey: "w", limit: 1 })
      assert.strictEqual(waiting.pendingInputs.items.length, 6)
      assert.strictEqual(waiting.pendingInputs.total, 7)
      assert.isDefined(waiting.pendingInputs.nextBefore)

      const keys = ["main", ...Array.from({ length: 99 }, (_, index) => `s${index}`)]
      const { previews } = yield* client.ok("sessions.preview", { keys, limit: 1_000_000, maxChars: 1_000_000 })
      assert.strictEqual(previews.length, 64)
      for (const { text } of previews[0].items) assert.isAtMost(text.length, 2_000)
    }).pipe(Effect.scoped)
  )

  it.live("goes through a transcript page by page, and finds a message", () =>
    Effect.gen(function* () {
      const client = yield* (yield* start([said, said, said])).connect()
      for (const key of ["a", "b", "c"]) yield* client.turn(`message ${key}`, key)
      const all = yield* client.ok("chat.startup", { sessionKey: "main" })
      assert.deepStrictEqual(textsOf(all.messages), ["message a", "yes", "message b", "yes", "message c", "yes"])
      assert.deepStrictEqual(
        all.messages.map((message: any) => message.__openclaw.seq),
        [1, 2, 3, 4, 5, 6]
      )
      assert.deepInclude(all.messages[1], { role: "assistant", usage: { input: 3, output: 2, totalTokens: 5 } })
      assert.deepInclude(all.messages[0].__openclaw, { id: "a:user", runId: "a", idempotencyKey: "a:user" })

      const seen: Array<string> = []
      let offset: number | undefined = 0
      while (offset !== undefined) {
        const page: any = yield* client.ok("chat.history", { sessionKey: "main", limit: 4, offset })
        seen.unshift(...page.messages.map((message: any) => message.__openclaw.id))
        assert.strictEqual(page.hasMore, page.nextOffset !== undefined)
        assert.strictEqual(page.totalMessages, 6)
        offset = page.nextOffset
      }
      assert.deepStrictEqual(
        seen,
        all.messages.map((message: any) => message.__openclaw.id)
      )

      const around = yield* client.ok("chat.history", { sessionKey: "main", limit: 3, messageId: "b:user" })
      assert.deepStrictEqual(textsOf(around.messages), ["yes", "message b", "yes"])
      const nowhere = yield* client.ok("chat.history", { sessionKey: "main", messageId: "nope" })
      assert.deepStrictEqual(nowhere.messages, [])
      assert.strictEqual(
        (yield* client.no("chat.history", { sessionKey: "main", sessionId: all.sessionId })).message,
        "sessionId requires messageId"
      )
      const other = { sessionKey: "main", messageId: "b:user", sessionId: "another" }
      assert.deepStrictEqual((yield* client.ok("chat.history", other)).messages, [])

      const cut = yield* client.ok("chat.history", { sessionKey: "main", maxChars: 3 })
      assert.strictEqual(cut.messages[0].content, "mes…")
      const whole = yield* client.ok("chat.message.get", { sessionKey: "main", messageId: "b:user" })
      assert.deepInclude(whole, { ok: true })
      assert.strictEqual(whole.message.content, "message b")
      assert.deepStrictEqual(yield* client.ok("chat.message.get", { sessionKey: "main", messageId: "nope" }), {
        ok: false,
        unavailableReason: "not_found"
      })
    }).pipe(Effect.scoped)
  )

  it.live("leaves out the oldest when there is no room for their bytes", () =>
    Effect.gen(function* () {
      const client = yield* (yield* start([said, said])).connect()
      yield* client.turn("x".repeat(1000), "a")
      yield* client.turn("y".repeat(2000), "b")
      const page = yield* Effect.map(
        client.raw.request("chat.startup", { sessionKey: "main", maxBytes: 2500 }),
        ({ payload }) => payload
      )
      assert.deepStrictEqual(
        page.messages.map((message: any) => message.__openclaw.seq),
        [3, 4]
      )
      assert.isTrue(page.hasMore)
      const rest = yield* client.ok("chat.history", { sessionKey: "main", offset: page.nextOffset })
      assert.deepStrictEqual(
        rest.messages.map((message: any) => message.__openclaw.seq),
        [1, 2]
      )
      const one = yield* client.raw.request("chat.startup", { sessionKey: "main", maxBytes: 1024, offset: 1 })
      assert.strictEqual(one.payload.messages.length, 1)
      const small = yield* client.no("chat.history", { sessionKey: "main", maxBytes: 10 })
      assert.match(small.message, /at \/maxBytes: must be/)
    }).pipe(Effect.scoped)
  )

  it.live("after a reconnect tells what was missed: the messages, the turn that runs and what waits", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { connect } = yield* start([said, { text: "later", gate: Deferred.await(gate) }, said])
      const first = yield* connect()
      yield* first.turn("one", "k1")
      const { deltaCursor } = yield* first.ok("chat.history", { sessionKey: "main" })
      const none = yield* first.ok("chat.history", { sessionKey: "main", cursor: deltaCursor })
      conforms("ChatHistoryDeltaResult", none)
      assert.deepStrictEqual(none.messages, [])
      yield* first.ok("chat.send", { sessionKey: "main", message: "two", idempotencyKey: "k2" })
      yield* first.ok("chat.send", { sessionKey: "main", message: "three", idempotencyKey: "k3" })
      first.raw.socket.terminate()

      const again = yield* connect()
      const sent = yield* again.ok("chat.send", { sessionKey: "main", message: "one", idempotencyKey: "k1" })
      assert.deepStrictEqual(sent, { runId: "k1", status: "ok" })
      const running = yield* again.ok("chat.send", { sessionKey: "main", message: "two", idempotencyKey: "k2" })
      assert.deepStrictEqual(running, { runId: "k2", status: "in_flight" })
      const inputRunIds = ["k1", "k2", "k3", "unknown"]
      const look = again.ok("chat.history", { sessionKey: "main", cursor: deltaCursor, inputRunIds })
      const delta = yield* Effect.repeat(look, { until: ({ inFlightRun }) => inFlightRun !== undefined })
      conforms("ChatHistoryDeltaResult", delta)
      assert.deepStrictEqual(textsOf(delta.messages.map(({ message }: any) => message)), ["two"])
      assert.deepInclude(delta.inFlightRun, { runId: "k2", text: "" })
      assert.isNumber(delta.inFlightRun.startedAt)
      assert.strictEqual(delta.pendingInputs.total, 1)
      assert.deepInclude(delta.pendingInputs.items[0], { runId: "k3", state: "queued" })
      assert.deepStrictEqual(delta.inputReceipts, [
        { runId: "k1", state: "consumed", consumedByEventId: "k1:user" },
        { runId: "k2", state: "consumed", consumedByEventId: "k2:user" },
        { runId: "k3", state: "pending" }
      ])
      assert.deepInclude(delta.sessionInfo, { hasActiveRun: true, activeRunIds: ["k2"], status: "running" })

      yield* Deferred.succeed(gate, undefined)
      yield* again.until("chat", ({ runId, state }) => runId === "k3" && state === "final")
      const rest = yield* again.ok("chat.history", { sessionKey: "main", cursor: delta.deltaCursor })
      assert.deepStrictEqual(textsOf(rest.messages.map(({ message }: any) => message)), ["later", "three", "yes"])
      assert.strictEqual(rest.pendingInputs.total, 0)

      yield* again.ok("sessions.reset", { key: "main" })
      for (const cursor of [rest.deltaCursor, "nonsense", ""]) {
        const reset = yield* again.ok("chat.history", { sessionKey: "main", cursor })
        assert.deepStrictEqual(reset, { kind: "reset" })
      }
    }).pipe(Effect.scoped)
  )

  it.live("shows twenty waiting messages at a time", () =>
    Effect.gen(function* () {
      const client = yield* (yield* start([{ gate: Effect.never }])).connect()
      for (let index = 0; index <= 25; index++) {
        yield* client.ok("chat.send", { sessionKey: "main", message: `m${index}`, idempotencyKey: `k${index}` })
      }
      const look = client.ok("chat.history", { sessionKey: "main" })
      const page = yield* Effect.repeat(look, { until: ({ inFlightRun }) => inFlightRun !== undefined })
      assert.strictEqual(page.pendingInputs.total, 25)
      const shown = page.pendingInputs.items.map(({ runId }: any) => runId)
      assert.deepStrictEqual([shown.length, shown[0], shown.at(-1)], [20, "k6", "k25"])
      const before = { sessionKey: "main", pendingBefore: page.pendingInputs.nextBefore }
      const older = (yield* client.ok("chat.history", before)).pendingInputs
      assert.deepStrictEqual(
        older.items.map(({ runId }: any) => runId),
        ["k1", "k2", "k3", "k4", "k5"]
      )
      assert.notProperty(older, "nextBefore")
      yield* client.ok("chat.abort", { sessionKey: "main" })
    }).pipe(Effect.scoped)
  )
})

describe("chat.inject", () => {
  it.live("adds words that clients, the transcript and the next turn see", () =>
    Effect.gen(function* () {
      const { connect, model } = yield* start([said, said])
      const client = yield* connect()
      const missing = yield* client.no("chat.inject", { sessionKey: "main", message: "note" })
      assert.strictEqual(missing.message, "session not found")
      yield* client.turn("one", "k1")
      const { messageId } = yield* client.ok("chat.inject", {
        sessionKey: "main",
        message: "note",
        label: "from the desk"
      })
      const event = yield* client.until("chat", ({ runId }) => runId === `inject-${messageId}`)
      conforms("ChatEvent", event)
      assert.deepInclude(event, { state: "final", seq: 0, sessionKey: "agent:main:main" })
      const found = yield* client.ok("chat.message.get", { sessionKey: "main", messageId })
      assert.deepStrictEqual(textsOf([found.message]), ["[from the desk]\n\nnote"])
      yield* client.turn("two", "k2")
      assert.include(JSON.stringify((yield* model.calls).at(-1)), "from the desk")
    }).pipe(Effect.scoped)
  )

  it.live("is for admins", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([])
      const writer = yield* connect(["operator.write"])
      const error = yield* writer.no("chat.inject", { sessionKey: "main", message: "note" })
      assert.deepInclude(error.details, { missingScope: "operator.admin" })
    }).pipe(Effect.scoped)
  )
})

describe("chat.metadata", () => {
  it.live("is what models.list and commands.list say", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([], { agents: { defaults: { model: "scripted/model" } } })
      const client = yield* connect(["operator.read"])
      for (const params of [{}, { sessionKey: "main" }, { agentId: "main" }]) {
        const { commands, models } = yield* client.ok("chat.metadata", params)
        assert.deepStrictEqual(models, (yield* client.raw.request("models.list", params)).payload.models)
        assert.deepStrictEqual(commands, (yield* client.ok("commands.list", params)).commands)
      }
      assert.match((yield* client.no("chat.metadata", { agentId: "nobody" })).message, /unknown agent id "nobody"/)
    }).pipe(Effect.scoped)
  )
})
