import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import * as SessionsLive from "../../src/layers/Sessions.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { Sessions, type TranscriptEntry } from "../../src/services/Sessions.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-sessions-"))),
  (dir) => Effect.sync(() => Fs.rmSync(dir, { recursive: true, force: true }))
)
const open = (dir: string) =>
  SessionsLive.layer.pipe(Layer.provideMerge(Storage.layer({ filename: Path.join(dir, "state.sqlite") })))
const testLayer = Layer.unwrap(Effect.map(folder, open))

const main = SessionKey.make("agent:main:main")
const said = (text: string, sessionKey = main, dedupeKey = text): TranscriptEntry => ({
  sessionKey,
  runId: RunId.make("run-1"),
  dedupeKey,
  message: { role: "user", content: text }
})
const texts = (key: SessionKey, options?: { readonly limit?: number; readonly offset?: number }) =>
  Sessions.use((sessions) => sessions.history(key, options)).pipe(
    Effect.map(({ messages }) => messages.map((message) => message.content))
  )

describe("Sessions", () => {
  it.effect("stores whole milliseconds, whatever the clock's steps are", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1500 micros")
      const sessions = yield* Sessions
      yield* sessions.append([said("a")])
      yield* sessions.touch(main, { status: "done" })
      yield* sessions.reset(main)
      assert.strictEqual((yield* sessions.list()).rows[0]?.updatedAt, 1)
    }).pipe(Effect.provide(testLayer))
  )

  it.effect("appends once per dedupe key, numbers per session, and reads back in order", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      const other = SessionKey.make("agent:main:telegram:group:-1")
      assert.strictEqual(yield* sessions.append([]), 0)
      assert.strictEqual(yield* sessions.append([said("a"), said("b")]), 2)
      assert.strictEqual(yield* sessions.append([said("a")]), 1)
      assert.strictEqual(yield* sessions.append([said("b"), said("c"), said("c")]), 3)
      assert.strictEqual(yield* sessions.append([said("a", other)]), 1)
      assert.deepStrictEqual(yield* texts(main), ["a", "b", "c"])
      assert.deepStrictEqual(yield* texts(main, { limit: 2 }), ["b", "c"])
      assert.deepStrictEqual(yield* texts(main, { limit: 2, offset: 1 }), ["a", "b"])
      const { messages, sessionId } = yield* sessions.history(main)
      assert.isString(sessionId)
      assert.deepInclude(messages[0], { id: "a", runId: "run-1", timestamp: 0 })
    }).pipe(Effect.provide(testLayer))
  )

  it.effect("keeps every part of a message as it was", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      const message = {
        id: "m1",
        role: "assistant",
        content: [
          { type: "text", text: "héllo \u202e ✓" },
          { type: "toolCall", id: "c1", name: "nodes", arguments: { deep: [1, { a: null }] } }
        ],
        timestamp: 5,
        usage: { input: 1 },
        runId: "run-1"
      }
      yield* sessions.append([{ sessionKey: main, runId: RunId.make("run-1"), dedupeKey: "x", message }])
      assert.deepStrictEqual((yield* sessions.history(main)).messages, [message])
    }).pipe(Effect.provide(testLayer))
  )

  it.effect("an unknown session has no id and no messages", () =>
    Effect.gen(function* () {
      const history = yield* Sessions.use((sessions) => sessions.history(SessionKey.make("agent:main:nobody")))
      assert.deepStrictEqual(history, { sessionId: undefined, messages: [] })
    }).pipe(Effect.provide(testLayer))
  )

  it.effect("reset hides what was said, keeps the id and the numbers, and a repeated append stays hidden", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      yield* sessions.append([said("a"), said("b")])
      const before = yield* sessions.history(main)
      yield* sessions.reset(main)
      assert.deepStrictEqual(yield* texts(main), [])
      assert.strictEqual(yield* sessions.append([said("a")]), 1)
      assert.strictEqual(yield* sessions.append([said("c")]), 3)
      assert.deepStrictEqual(yield* texts(main), ["c"])
      assert.strictEqual((yield* sessions.history(main)).sessionId, before.sessionId)
    }).pipe(Effect.provide(testLayer))
  )

  it.effect("lists newest first with filters, counts and previews", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      const group = SessionKey.make("agent:work:telegram:group:-100_5")
      yield* sessions.append([said("first\n  line  ")])
      yield* TestClock.adjust("10 minutes")
      yield* sessions.touch(group, { channel: "telegram", chatType: "group", displayName: "100% Plan", status: "done" })
      const all = yield* sessions.list()
      assert.deepStrictEqual(
        all.rows.map((row) => [row.key, row.kind, row.isMain, row.agentId, row.updatedAt]),
        [
          [group, "group", false, "work", 600_000],
          [main, "direct", true, "main", 0]
        ]
      )
      assert.strictEqual(all.totalCount, 2)
      assert.strictEqual(all.rows[1]?.lastMessagePreview, undefined)
      const keys = (options: Parameters<typeof sessions.list>[0]) =>
        Effect.map(sessions.list(options), ({ rows, totalCount }) => [rows.map((row) => row.key), totalCount])
      assert.deepStrictEqual(yield* keys({ agentIds: ["main"] }), [[main], 1])
      assert.deepStrictEqual(yield* keys({ activeMinutes: 5 }), [[group], 1])
      assert.deepStrictEqual(yield* keys({ search: "PLAN" }), [[group], 1])
      assert.deepStrictEqual(yield* keys({ search: "%" }), [[group], 1])
      assert.deepStrictEqual(yield* keys({ search: "100_5" }), [[group], 1])
      assert.deepStrictEqual(yield* keys({ search: "\\" }), [[], 0])
      assert.deepStrictEqual(yield* keys({ limit: 1, offset: 1 }), [[main], 2])
      const previews = yield* sessions.list({ includeLastMessage: true, agentIds: ["main"] })
      assert.strictEqual(previews.rows[0]?.lastMessagePreview, "first line")
    }).pipe(Effect.provide(testLayer))
  )

  it.effect("touch changes only what it names, and undefined clears", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      yield* sessions.touch(main, { status: "failed", lastRunError: "no model", model: "m", inputTokens: 3 })
      yield* sessions.touch(main, { status: "done", lastRunError: undefined })
      const { rows } = yield* sessions.list()
      assert.deepInclude(rows[0], { status: "done", model: "m", inputTokens: 3 })
      assert.notProperty(rows[0], "lastRunError")
    }).pipe(Effect.provide(testLayer))
  )

  it.effect("names what failed when the storage does", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      const sql = yield* SqlClient.SqlClient
      yield* sessions.append([said("a")])
      yield* sql`UPDATE transcript SET message = '{"role":1}'`
      const unreadable = yield* Effect.flip(sessions.history(main))
      assert.strictEqual(unreadable._tag, "SessionStorageFailed")
      assert.include(unreadable.message, "reading the transcript")
      yield* sql`DROP TABLE transcript`
      assert.include((yield* Effect.flip(sessions.append([said("b")]))).message, "writing the transcript")
    }).pipe(Effect.provide(testLayer))
  )

  const Steps = Schema.Array(Schema.Struct({ message: Schema.Literals(["a", "b", "c", "d"]), restart: Schema.Boolean }))
  it.effect.prop(
    "any order of appends, repeats and restarts gives the transcript of a simple list",
    [Steps],
    ([steps]) =>
      Effect.gen(function* () {
        const dir = yield* folder
        const model: Array<string> = []
        const flush = (batch: ReadonlyArray<string>) =>
          Sessions.use((sessions) => sessions.append(batch.map((text) => said(text)))).pipe(
            Effect.andThen(texts(main)),
            Effect.provide(open(dir))
          )
        let batch: Array<string> = []
        for (const { message, restart } of steps) {
          batch.push(message)
          if (!model.includes(message)) model.push(message)
          if (!restart) continue
          assert.deepStrictEqual(yield* flush(batch), model)
          batch = []
        }
      }).pipe(Effect.scoped)
  )
})
