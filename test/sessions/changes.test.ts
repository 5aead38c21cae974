/** What changes sessions over a real socket: patches, resets, deletions. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { conforms } from "../protocol/published.ts"
import { start } from "./wireKit.ts"

const main = "agent:main:main"
const said = { text: "yes", usage: { inputTokens: 3, outputTokens: 2 } }
const keysOf = ({ sessions }: any): ReadonlyArray<string> => sessions.map(({ key }: any) => key)

describe("sessions.patch", () => {
  it.live("keeps labels, pins, reading marks and archives", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([said, said])
      const client = yield* connect(["operator.write"])
      const watcher = yield* connect()
      yield* watcher.ok("sessions.subscribe")
      yield* client.turn("hello", "k1", "a")
      const first = yield* client.ok("sessions.patch", { key: "a", label: "One" })
      assert.deepInclude(first, { ok: true, key: "agent:main:a" })
      conforms("SessionRow", first.entry)
      yield* watcher.until("sessions.changed", ({ label, reason }) => reason === "patch" && label === "One")

      const taken = yield* client.no("sessions.patch", { key: "b", label: "One" })
      assert.strictEqual(taken.message, "label already in use: One")
      assert.isNull((yield* client.ok("sessions.describe", { key: "b" })).session)
      yield* client.ok("sessions.patch", { key: "a", label: null })
      yield* client.ok("sessions.patch", { key: "b", label: "One" })

      const patched = (params: object) =>
        Effect.map(client.ok("sessions.patch", { key: "a", ...params }), ({ entry }) => entry)
      const unread = yield* patched({ unread: true, pinned: true })
      assert.deepInclude(unread, { unread: true, pinned: true })
      assert.deepInclude(yield* patched({ unread: false, pinned: false }), { unread: false, pinned: false })
      yield* client.turn("again", "k2", "a")
      const { session } = yield* client.ok("sessions.describe", { key: "a" })
      assert.isTrue(session.unread)

      const stale = yield* client.no("sessions.patch", { key: "a", label: "Z", expectedSessionId: "another" })
      assert.deepInclude(stale, { message: "Session a changed before patch. Retry." })
      assert.deepStrictEqual(stale.details, { reason: "session-changed" })
      const unsure = yield* client.no("sessions.patch", { key: "a", archived: true })
      assert.match(unsure.message, /^expectedSessionId required/)
      const home = yield* client.no("sessions.patch", { key: "main", archived: true, expectedSessionId: "x" })
      assert.strictEqual(home.message, "Cannot archive an agent's main session.")

      const away = yield* patched({ archived: true, expectedSessionId: session.sessionId })
      assert.isTrue(away.archived)
      assert.deepStrictEqual(keysOf(yield* client.ok("sessions.list")), ["agent:main:b"])
      assert.deepStrictEqual(keysOf(yield* client.ok("sessions.list", { archived: true })), ["agent:main:a"])
      assert.strictEqual(keysOf(yield* client.ok("sessions.list", { archived: "all" })).length, 2)
      for (const [method, params] of [
        ["chat.send", { sessionKey: "a" }],
        ["agent", { sessionKey: "a" }]
      ] as const) {
        const refused = yield* client.no(method, { ...params, message: "hello", idempotencyKey: `${method}-k` })
        assert.match(refused.message, /^Session "agent:main:a" is archived\. Restore it/)
      }
      const back = yield* patched({ archived: false, expectedSessionId: session.sessionId })
      assert.isFalse(back.archived)
    }).pipe(Effect.scoped)
  )

  it.live("chooses the model of the turns that follow", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([said, said], { agents: { defaults: { model: "scripted/usual" } } })
      const client = yield* connect()
      const chosen = yield* client.ok("sessions.patch", { key: "main", model: "scripted/model" })
      assert.deepStrictEqual(chosen.resolved, { modelProvider: "scripted", model: "model" })
      assert.strictEqual(chosen.entry.modelOverrideSource, "user")
      const { resolved } = yield* client.ok("sessions.patch", { key: "main", model: null })
      assert.deepStrictEqual(resolved, { modelProvider: "scripted", model: "usual" })
    }).pipe(Effect.scoped)
  )

  it.live("refuses what sessions here do not have, and asks for operator.admin as OpenClaw does", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([])
      const writer = yield* connect(["operator.write"])
      const admin = yield* connect()
      for (const field of ["verboseLevel", "execHost", "sendPolicy"]) {
        const value = field === "sendPolicy" ? "deny" : "on"
        const denied = yield* writer.no("sessions.patch", { key: "a", [field]: value })
        assert.deepInclude(denied.details, { missingScope: "operator.admin" })
        const refused = yield* admin.no("sessions.patch", { key: "a", [field]: value })
        assert.strictEqual(refused.message, `sessions of this Gateway have no ${field}; leave it out`)
      }
      assert.match(
        (yield* writer.no("sessions.patch", { key: "a", thinkingLevel: "high" })).message,
        /no thinkingLevel/
      )
      yield* writer.ok("sessions.patch", { key: "a", thinkingLevel: "off", fastMode: false, permissionMode: null })
      assert.match(
        (yield* writer.no("sessions.patch", { key: "a", bogus: 1 })).message,
        /unexpected property 'bogus'|admin/
      )
      const reader = yield* connect(["operator.read"])
      assert.strictEqual((yield* reader.no("sessions.patch", { key: "a" })).message, "missing scope: operator.write")
    }).pipe(Effect.scoped)
  )
})

describe("sessions.reset and sessions.delete", () => {
  it.live("end the turn that runs, and begin anew or take all away", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const held = { text: "never", gate: Deferred.await(gate) }
      const { connect } = yield* start([said, held, said, held, said])
      const client = yield* connect()
      yield* client.ok("sessions.subscribe")
      yield* client.turn("one", "k1", "a")
      const { session } = yield* client.ok("sessions.describe", { key: "a" })
      assert.deepInclude(session, { inputTokens: 3, outputTokens: 2 })

      yield* client.ok("chat.send", { sessionKey: "a", message: "two", idempotencyKey: "k2" })
      yield* client.until("agent", ({ data, runId }) => runId === "k2" && data.phase === "model")
      const reset = yield* client.ok("sessions.reset", { key: "a" })
      assert.deepInclude(reset, { ok: true, key: "agent:main:a" })
      assert.strictEqual(reset.entry.sessionId, session.sessionId)
      assert.notProperty(reset.entry, "inputTokens")
      yield* client.until("chat", ({ runId, state }) => runId === "k2" && state === "aborted")
      yield* client.until("sessions.changed", ({ reason }) => reason === "reset")
      assert.deepStrictEqual((yield* client.ok("chat.history", { sessionKey: "a" })).messages, [])
      assert.isTrue((yield* client.ok("sessions.reset", { key: "fresh" })).ok)

      yield* client.turn("three", "k3", "a")
      yield* client.ok("chat.send", { sessionKey: "a", message: "four", idempotencyKey: "k4" })
      yield* client.until("agent", ({ data, runId }) => runId === "k4" && data.phase === "model")
      const stale = yield* client.no("sessions.delete", { key: "a", expectedSessionId: "another" })
      assert.strictEqual(stale.message, "Session a changed before deletion. Retry.")
      const gone = { ok: true, key: "agent:main:a", deleted: true, archived: [] }
      assert.deepStrictEqual(yield* client.ok("sessions.delete", { key: "a" }), gone)
      yield* client.until("chat", ({ runId, state }) => runId === "k4" && state === "aborted")
      const told = yield* client.until("sessions.changed", ({ reason }) => reason === "delete")
      assert.notProperty(told, "session")
      assert.isNull((yield* client.ok("sessions.describe", { key: "a" })).session)
      assert.deepStrictEqual(yield* client.ok("sessions.delete", { key: "a" }), { ...gone, deleted: false })

      const home = yield* client.no("sessions.delete", { key: "main" })
      assert.strictEqual(home.message, `Cannot delete the main session (${main}).`)
      assert.match(
        (yield* client.no("sessions.delete", { key: "fresh", deleteTranscript: false })).message,
        /archive it/
      )
      yield* client.turn("five", "k5", "a")
      assert.strictEqual((yield* client.ok("chat.history", { sessionKey: "a" })).totalMessages, 2)
    }).pipe(Effect.scoped)
  )

  it.live("operator.write is enough for what is archived, and for nothing else", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([])
      const writer = yield* connect(["operator.write"])
      for (const method of ["sessions.delete", "sessions.reset"]) {
        assert.strictEqual((yield* writer.no(method, { key: "a" })).message, "missing scope: operator.admin")
      }
      const { entry } = yield* writer.ok("sessions.patch", { key: "a", label: "A" })
      const early = yield* writer.no("sessions.delete", { key: "a", archivedOnly: true })
      assert.strictEqual(early.message, "Session a is not archived. Archive it first, then delete it.")
      yield* writer.ok("sessions.patch", { key: "a", archived: true, expectedSessionId: entry.sessionId })
      assert.isTrue((yield* writer.ok("sessions.delete", { key: "a", archivedOnly: true })).deleted)
    }).pipe(Effect.scoped)
  )
})
