/** Sessions over a real socket: lists, names, previews, usage, and who is told of what happens in them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { conforms } from "../protocol/published.ts"
import { start } from "./wireKit.ts"

const main = "agent:main:main"
const said = { text: "yes", usage: { inputTokens: 3, outputTokens: 2 } }
const last = (count: number, index: number) => Array.from({ length: count }, (_, back) => `s${index - back}`)
const keysOf = ({ sessions }: any): ReadonlyArray<string> => sessions.map(({ key }: any) => key)

describe("sessions.subscribe", () => {
  it.live("tells of turns, messages and changes once they are stored, and only those who asked", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([said, said])
      const all = yield* connect(["operator.read"])
      const one = yield* connect(["operator.read"])
      const stranger = yield* connect()
      assert.deepStrictEqual(yield* all.ok("sessions.subscribe"), { subscribed: true })
      assert.deepStrictEqual(yield* one.ok("sessions.messages.subscribe", { key: "main" }), {
        subscribed: true,
        key: main
      })
      const actor = yield* connect()
      yield* actor.turn("hello", "k1")
      yield* actor.turn("elsewhere", "k2", "other")

      const ended = yield* all.until("sessions.changed", ({ phase, runId }) => phase === "end" && runId === "k2")
      assert.deepInclude(ended, { sessionKey: "agent:main:other", agentId: "main", status: "done" })
      conforms("SessionRow", ended.session)
      const told = all.events("sessions.changed").filter(({ sessionKey }) => sessionKey === main)
      assert.deepStrictEqual(
        told.map(({ phase, reason }) => phase ?? reason),
        ["create", "start", "end"]
      )
      const messages = all.events("session.message")
      assert.deepStrictEqual(
        messages.map(({ messageSeq, sessionKey, message }) => [sessionKey, messageSeq, message.role]),
        [
          [main, 1, "user"],
          [main, 2, "assistant"],
          ["agent:main:other", 1, "user"],
          ["agent:main:other", 2, "assistant"]
        ]
      )
      for (const { session } of messages) conforms("SessionRow", session)
      assert.deepInclude(messages[0], { messageId: "k1:user" })
      assert.deepInclude(ended.session, { lastMessagePreview: "yes", derivedTitle: "elsewhere" })

      const steps = all.events("agent").filter(({ runId }) => runId === "k2")
      assert.isNotEmpty(steps)
      for (const step of steps) assert.deepInclude(step, { agentId: "main", isHeartbeat: false })

      // A page keeps what an event does not name: what was taken back is named.
      yield* actor.ok("sessions.patch", { key: "main", label: "Named", pinned: true })
      yield* actor.ok("sessions.patch", { key: "main", label: null, pinned: false })
      const back = yield* all.until("sessions.changed", ({ label, reason }) => reason === "patch" && label === null)
      assert.deepInclude(back, { sessionKey: main, displayName: null, pinned: false, pinnedAt: null })
      const named = all.events("sessions.changed").find(({ label }) => label === "Named")
      assert.deepInclude(named, { displayName: "Named", pinned: true })
      assert.isNumber(named.pinnedAt)

      // Numbers of what is broadcast have no gaps, whatever a connection is told of.
      for (const { raw } of [all, one, stranger]) {
        const seqs = raw.frames.flatMap(({ seq }) => (seq === undefined ? [] : [seq]))
        assert.deepStrictEqual(
          seqs,
          seqs.map((_, index) => index + 1)
        )
      }
      assert.deepStrictEqual(
        one.events("session.message").map(({ sessionKey }) => sessionKey),
        [main, main]
      )
      assert.deepStrictEqual(one.events("sessions.changed"), [])
      assert.deepStrictEqual(stranger.events("session.message"), [])

      assert.deepStrictEqual(yield* one.ok("sessions.messages.unsubscribe", { key: "main" }), {
        subscribed: false,
        key: main
      })
      const { messageId } = yield* actor.ok("chat.inject", { sessionKey: "main", message: "note" })
      yield* all.until("session.message", (payload) => payload.messageId === messageId)
      assert.strictEqual(one.events("session.message").length, 2)
    }).pipe(Effect.scoped)
  )

  it.live("one connection follows a thousand sessions one by one, not more", () =>
    Effect.gen(function* () {
      const client = yield* (yield* start([])).connect()
      for (let index = 0; index < 1_000; index++) {
        client.raw.send({
          type: "req",
          id: `s${index}`,
          method: "sessions.messages.subscribe",
          params: { key: `s${index}` }
        })
        // No more at a time than one connection may have.
        if (index % 20 === 19) yield* Effect.forEach(last(20, index), (id) => client.raw.answer(id))
      }
      assert.isTrue((yield* client.raw.answer("s999")).ok)
      assert.match((yield* client.no("sessions.messages.subscribe", { key: "more" })).message, /at most 1000 sessions/)
      assert.isTrue((yield* client.raw.request("sessions.messages.subscribe", { key: "s1" })).ok)
    }).pipe(Effect.scoped)
  )

  it.live("asks for operator.read", () =>
    Effect.gen(function* () {
      const client = yield* (yield* start([])).connect(["operator.pairing"])
      for (const method of ["sessions.subscribe", "sessions.describe", "sessions.usage", "chat.startup"]) {
        assert.strictEqual((yield* client.no(method)).message, "missing scope: operator.read")
      }
    }).pipe(Effect.scoped)
  )
})

describe("sessions.list, describe, resolve and preview", () => {
  it.live("find sessions by what is known of them", () =>
    Effect.gen(function* () {
      const client = yield* (yield* start([said, said])).connect()
      yield* client.turn("a first question\nin two lines", "k1")
      yield* client.turn("x".repeat(300), "k2", "other")
      yield* client.ok("sessions.patch", { key: "other", label: "The other", pinned: true })

      const list = (params: object) => client.ok("sessions.list", params)
      const all = yield* list({ includeDerivedTitles: true, includeLastMessage: true })
      for (const row of all.sessions) conforms("SessionRow", row)
      assert.deepInclude(all, { count: 2, totalCount: 2, limitApplied: 100, nextOffset: null, hasMore: false })
      const [other, first] = all.sessions
      assert.deepInclude(other, { key: "agent:main:other", displayName: "The other", pinned: true, isMain: false })
      assert.deepInclude(first, { key: main, classification: "main", derivedTitle: "a first question in two lines" })
      assert.deepInclude(first, { lastMessagePreview: "yes", status: "done", lastRunId: "k1", unread: false })
      assert.isNumber(first.runtimeMs)
      assert.strictEqual([...other.derivedTitle].length, 60)
      const page = yield* list({ limit: 1 })
      assert.deepInclude(page, { count: 1, totalCount: 2, nextOffset: 1, hasMore: true })
      assert.deepStrictEqual(keysOf(yield* list({ limit: 1, offset: 1 })), [main])
      assert.deepStrictEqual(keysOf(yield* list({ label: "The other" })), ["agent:main:other"])
      assert.deepStrictEqual(keysOf(yield* list({ search: "the OTHER" })), ["agent:main:other"])
      assert.deepStrictEqual(
        keysOf(yield* list({ sortBy: "lastInteractionAt", requireLastInteraction: true })).length,
        2
      )
      assert.deepStrictEqual(keysOf(yield* list({ configuredAgentsOnly: true })).length, 2)
      for (const none of [
        { spawnedBy: "main" },
        { ownerId: "me" },
        { boardFace: "dashboard" },
        { agentId: "nobody" }
      ]) {
        assert.deepInclude(yield* list(none), { count: 0, totalCount: 0, sessions: [] })
      }
      assert.match((yield* client.no("sessions.list", { limit: 0 })).message, /at \/limit: must be/)

      const { session } = yield* client.ok("sessions.describe", { key: "other", includeLastMessage: true })
      conforms("SessionRow", session)
      assert.deepInclude(session, { label: "The other", effectiveQueueMode: "followup", lastMessagePreview: "yes" })
      assert.deepStrictEqual(yield* client.ok("sessions.describe", { key: "nobody" }), { session: null })

      const found = { ok: true, key: "agent:main:other", agentId: "main", displayName: "The other" }
      const shortId = session.sessionId.replaceAll("-", "").slice(0, 10)
      for (const name of [{ key: "other" }, { label: "The other" }, { sessionId: session.sessionId }, { shortId }]) {
        assert.deepStrictEqual(yield* client.ok("sessions.resolve", name), found)
      }
      assert.deepStrictEqual(yield* client.ok("sessions.resolve", { key: "nobody", allowMissing: true }), { ok: false })
      const wrong: ReadonlyArray<readonly [object, string | RegExp]> = [
        [{}, /^Either key, sessionId/],
        [{ key: "a", label: "b" }, /^Provide either/],
        [{ shortId: "xyz" }, "shortId must be 8-32 hexadecimal characters"],
        [{ key: "nobody" }, "No session found: nobody"],
        [{ label: "nothing" }, "No session found with label: nothing"],
        [{ sessionId: "%" }, "No session found: %"],
        [{ label: "The other", agentId: "nobody" }, /^No session found/]
      ]
      for (const [params, message] of wrong) {
        const error = yield* client.no("sessions.resolve", params)
        assert.strictEqual(error.code, "INVALID_REQUEST")
        if (typeof message === "string") assert.strictEqual(error.message, message)
        else assert.match(error.message, message)
      }

      const { previews } = yield* client.ok("sessions.preview", { keys: ["main", "other", "nobody"], maxChars: 20 })
      assert.deepStrictEqual(previews, [
        {
          key: "main",
          status: "ok",
          items: [
            { role: "user", text: "a first question in…" },
            { role: "assistant", text: "yes" }
          ]
        },
        {
          key: "other",
          status: "ok",
          items: [
            { role: "user", text: `${"x".repeat(19)}…` },
            { role: "assistant", text: "yes" }
          ]
        },
        { key: "nobody", status: "missing", items: [] }
      ])
      assert.match((yield* client.no("sessions.preview", { keys: [] })).message, /at \/keys/)
    }).pipe(Effect.scoped)
  )
})

describe("health", () => {
  it.live("counts the sessions of each agent, and names those that changed last", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([], { agents: { list: [{ id: "main" }, { id: "other" }] } })
      const client = yield* connect()
      for (let n = 0; n < 6; n++) yield* client.ok("sessions.patch", { key: `agent:main:s${n}`, label: `S ${n}` })
      yield* client.ok("sessions.patch", { key: "agent:other:o", label: "O" })
      const { agents, sessions } = yield* client.ok("health")
      const seen = agents.map(({ agentId, sessions }: any) => [
        agentId,
        sessions.count,
        keysOf({ sessions: sessions.recent })
      ])
      assert.strictEqual(sessions.count, 7)
      assert.strictEqual(sessions.recent.length, 5)
      assert.deepStrictEqual(seen[1], ["other", 1, ["agent:other:o"]])
      assert.deepStrictEqual(seen[0].slice(0, 2), ["main", 6])
      assert.strictEqual(seen[0][2].length, 5)
      assert.isTrue(seen[0][2].every((key: string) => key.startsWith("agent:main:")))
    }).pipe(Effect.scoped)
  )
})

describe("sessions.usage", () => {
  it.live("adds up tokens and messages by session, day and model", () =>
    Effect.gen(function* () {
      const looking = { text: "", toolCalls: [{ name: "nodes", params: { action: "list" } }], usage: said.usage }
      const client = yield* (yield* start([looking, said, said])).connect()
      yield* client.turn("one", "k1")
      yield* client.turn("two", "k2", "other")
      const used = yield* client.ok("sessions.usage", { range: "7d", mode: "utc" })
      assert.strictEqual(Date.parse(used.endDate) - Date.parse(used.startDate), 6 * 86_400_000)
      assert.deepInclude(used.totals, { input: 9, output: 6, totalTokens: 15, totalCost: 0, missingCostEntries: 3 })
      const counts = { total: 6, user: 2, assistant: 3, toolCalls: 1, toolResults: 1, errors: 0 }
      assert.deepStrictEqual(used.aggregates.messages, counts)
      assert.deepStrictEqual(used.aggregates.tools, {
        totalCalls: 1,
        uniqueTools: 1,
        tools: [{ name: "nodes", count: 1 }]
      })
      assert.deepStrictEqual(
        used.aggregates.byModel.map(({ count, model, provider }: any) => [provider, model, count]),
        [["scripted", "model", 3]]
      )
      assert.deepInclude(used.aggregates.daily[0], { date: used.endDate, tokens: 15, messages: 6 })
      const [, first] = used.sessions
      assert.deepInclude(first, { key: main, agentId: "main" })
      assert.deepInclude(first.usage, { input: 6, output: 4, totalTokens: 10, activityDates: [used.endDate] })
      const one = yield* client.ok("sessions.usage", { key: "other", mode: "specific", utcOffset: "UTC+05:30" })
      assert.strictEqual(one.totals.totalTokens, 5)
      const past = yield* client.ok("sessions.usage", { startDate: "2020-01-01", endDate: "2020-01-31" })
      assert.deepInclude(past.totals, { totalTokens: 0 })
      assert.strictEqual((yield* client.ok("sessions.usage", { range: "all", limit: 1 })).sessions.length, 1)
      assert.match(
        (yield* client.no("sessions.usage", { startDate: "2021-01-01", endDate: "2020-01-31" })).message,
        /before/
      )
      assert.match((yield* client.no("sessions.usage", { startDate: "2020-99-01" })).message, /no such day/)
      assert.match((yield* client.no("sessions.usage", { mode: "specific" })).message, /utcOffset or timeZone/)
      assert.match((yield* client.no("sessions.usage", { mode: "specific", timeZone: "Nowhere" })).message, /time zone/)
    }).pipe(Effect.scoped)
  )
})
