/** What the database keeps of a compaction: all of it or nothing. */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import * as SessionsLive from "../../src/layers/Sessions.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { type Compacted, Sessions } from "../../src/services/Sessions.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-compaction-"))),
  (dir) => Effect.sync(() => Fs.rmSync(dir, { recursive: true, force: true }))
)
const testLayer = Layer.unwrap(
  Effect.map(folder, (dir) =>
    SessionsLive.layer.pipe(Layer.provideMerge(Storage.layer({ filename: Path.join(dir, "state.sqlite") })))
  )
)

const main = SessionKey.make("agent:main:main")
const runId = RunId.make("run-1")
const say = (...texts: ReadonlyArray<string>) =>
  Sessions.use((sessions) =>
    sessions.append(
      texts.map((text) => ({ sessionKey: main, runId, dedupeKey: text, message: { role: "user", content: text } }))
    )
  )
const shown = Sessions.use((sessions) =>
  Effect.map(sessions.context(main, 100), ({ entries, since, summary }) => ({
    since,
    summary,
    texts: entries.map(({ message }) => (message.role === "system" ? "mark" : message.content))
  }))
)
const compact = (of: Partial<Compacted>) =>
  Sessions.use((sessions) =>
    Effect.flatMap(sessions.context(main, 100), ({ sessionId, since }) =>
      sessions.compact(main, {
        sessionId: sessionId ?? "none",
        since,
        through: 2,
        summary: "S",
        tokensBefore: 9,
        tokensAfter: 3,
        runId,
        provider: "p",
        model: "m",
        usage: { inputTokens: 1, outputTokens: 1 },
        ...of
      })
    )
  )

describe("Sessions", () => {
  it.effect("shows a summary and what follows it, until a reset forgets both", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      assert.deepStrictEqual(yield* shown, { since: 0, summary: undefined, texts: [] })
      yield* say("a", "b", "c")
      yield* compact({})
      assert.deepStrictEqual(yield* shown, { since: 2, summary: "S", texts: ["c", "mark"] })
      const row = yield* sessions.describe(main)
      assert.deepInclude(row, { compactionCount: 1, totalTokens: 3 })
      assert.isUndefined(row?.inputTokens)
      assert.strictEqual((yield* sessions.describe(main, { includeLastMessage: true }))?.lastMessagePreview, "c")
      assert.lengthOf((yield* sessions.page(main, { limit: 9 })).messages, 4)
      yield* say("d")
      yield* compact({ through: 3, summary: "T" })
      assert.deepStrictEqual(yield* shown, { since: 3, summary: "T", texts: ["mark", "d", "mark"] })
      assert.strictEqual((yield* sessions.describe(main))?.compactionCount, 2)

      yield* sessions.reset(main)
      assert.deepStrictEqual(yield* shown, { since: 6, summary: undefined, texts: [] })
      assert.strictEqual((yield* sessions.describe(main))?.compactionCount, 0)
      yield* say("e")
      assert.deepStrictEqual((yield* shown).texts, ["e"])
    }).pipe(Effect.provide(testLayer))
  )

  it.effect("refuses a compaction of what is not so any more, and changes nothing by it", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      assert.strictEqual((yield* Effect.flip(compact({}))).message, `${main} is another session by now`)
      yield* say("a", "b", "c")
      const stale = { since: 0, sessionId: (yield* sessions.context(main, 1)).sessionId! }
      yield* compact({})
      const before = yield* shown
      for (const of of [stale, { sessionId: "another" }]) {
        assert.strictEqual((yield* Effect.flip(compact(of)))._tag, "SessionChanged")
      }
      yield* sessions.reset(main)
      assert.strictEqual((yield* Effect.flip(compact(stale)))._tag, "SessionChanged")
      assert.strictEqual(before.summary, "S")
      assert.deepStrictEqual((yield* shown).summary, undefined)

      // A mark that cannot be written takes the summary back.
      yield* say("d", "e")
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TRIGGER full BEFORE INSERT ON transcript BEGIN SELECT RAISE(FAIL, 'disk full'); END`
      const failed = yield* Effect.flip(compact({ through: 5 }))
      assert.match(failed.message, /compacting the session failed/)
      assert.deepStrictEqual((yield* shown).summary, undefined)
      assert.strictEqual((yield* sessions.describe(main))?.compactionCount, 0)
    }).pipe(Effect.provide(testLayer))
  )

  it.effect("deletes all but the newest messages, not while a turn has not ended", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      assert.deepStrictEqual(yield* sessions.truncate(main, 2), { removed: 0, kept: 0 })
      yield* say("a", "b", "c")
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO turns (run_id, session_key, request, submitted_at) VALUES ('r', ${main}, '{}', 1)`
      assert.strictEqual((yield* Effect.flip(sessions.truncate(main, 2)))._tag, "SessionBusy")
      yield* sql`DELETE FROM turns`
      assert.deepStrictEqual(yield* sessions.truncate(main, 2), { removed: 1, kept: 2 })
      assert.deepStrictEqual((yield* shown).texts, ["b", "c"])
      assert.strictEqual(yield* say("d"), 4)
    }).pipe(Effect.provide(testLayer))
  )
})
