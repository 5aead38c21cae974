import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import { amountOf, BYTES, DURATIONS } from "../../src/layers/sessions/amount.ts"
import * as Maintenance from "../../src/layers/sessions/Maintenance.ts"
import { type Policy, policyOf } from "../../src/layers/sessions/policy.ts"
import * as SessionsLive from "../../src/layers/Sessions.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { Sessions } from "../../src/services/Sessions.ts"

const testLayer = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const filename = `${yield* fs.makeTempDirectoryScoped()}/state.sqlite`
    return SessionsLive.layer.pipe(Layer.provideMerge(Storage.layer({ filename })))
  })
).pipe(Layer.provide(NodeServices.layer))

const day = 86_400_000
const policy = (given: Partial<Policy> = {}): Policy => ({ ...policyOf({}), ...given })
const small = { leastMessages: 3, mostMessages: 8, firstMs: 0, everyMs: 1 }
const look = (given: Partial<Policy> = {}) =>
  Effect.flatMap(Maintenance.make(small), (maintain) => maintain(policy(given)))

const key = (name: string) => SessionKey.make(`agent:main:${name}`)
const fill = Effect.fnUntraced(function* (name: string, count: number, text = "x") {
  const sessions = yield* Sessions
  for (let index = 1; index <= count; index++) {
    const dedupeKey = `${name}-${index}`
    const message = { role: "user", content: `${index} ${text}` } as const
    yield* sessions.append([{ sessionKey: key(name), runId: RunId.make("r"), dedupeKey, message }])
  }
})
/** Makes a session, or its oldest messages, as old as that. */
const age = Effect.fnUntraced(function* (name: string, days: number, upTo = 0) {
  const sql = yield* SqlClient.SqlClient
  const by = days * day
  yield* upTo > 0
    ? sql`UPDATE transcript SET created_at = created_at - ${by} WHERE session_key = ${key(name)} AND seq <= ${upTo}`
    : sql`UPDATE sessions SET updated_at = updated_at - ${by} WHERE key = ${key(name)}`
})
const left = (name: string) =>
  Sessions.use((sessions) => sessions.history(key(name))).pipe(
    Effect.map(({ messages }) => messages.map(({ content }) => Number(String(content).split(" ")[0])))
  )
const keys = Sessions.use((sessions) => sessions.list()).pipe(
  Effect.map(({ rows }) => rows.map((row) => row.key.replace("agent:main:", "")).sort())
)

describe("messages", () => {
  it.live("that are old go, but for the newest few", () =>
    Effect.gen(function* () {
      yield* fill("a", 6)
      yield* fill("b", 6)
      yield* age("a", 31, 6)
      yield* age("b", 31, 2)
      yield* look()
      assert.deepStrictEqual(yield* left("a"), [4, 5, 6])
      assert.deepStrictEqual(yield* left("b"), [3, 4, 5, 6])
      yield* fill("a", 7)
      assert.deepStrictEqual(yield* left("a"), [4, 5, 6, 1, 2, 3, 7])
    }).pipe(Effect.provide(testLayer))
  )

  it.live("that are too many go, whatever their age", () =>
    Effect.gen(function* () {
      yield* fill("a", 20)
      yield* look({ enforced: false })
      assert.lengthOf(yield* left("a"), 20)
      yield* look()
      assert.deepStrictEqual(yield* left("a"), [13, 14, 15, 16, 17, 18, 19, 20])
    }).pipe(Effect.provide(testLayer))
  )
})

describe("sessions", () => {
  it.live("that nobody used for long go when there are too many, the least used first", () =>
    Effect.gen(function* () {
      for (const name of ["old", "older", "oldest", "busy", "new"]) yield* fill(name, 2)
      yield* age("old", 40)
      yield* age("older", 50)
      yield* age("oldest", 60)
      yield* age("busy", 70)
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO turns (run_id, session_key, request, submitted_at) VALUES ('r', ${key("busy")}, '{}', 1)`
      yield* look({ maxEntries: 3 })
      assert.deepStrictEqual(yield* keys, ["busy", "new", "old"])
      yield* look({ maxEntries: 1, preserveRecentMs: 50 * day })
      assert.deepStrictEqual(yield* keys, ["busy", "new", "old"])
      yield* look({ maxEntries: 1 })
      assert.deepStrictEqual(yield* keys, ["busy", "new"])
      assert.deepStrictEqual(yield* left("oldest"), [])
    }).pipe(Effect.provide(testLayer))
  )

  it.live("that people pinned or archived stay, whatever else must go", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      for (const name of ["pinned", "archived", "old", "new"]) yield* fill(name, 2, "x".repeat(60_000))
      yield* sessions.patch(key("pinned"), { pinned: true })
      yield* sessions.patch(key("archived"), { archived: true })
      for (const name of ["pinned", "archived"]) yield* age(name, 90)
      yield* age("old", 40)
      yield* look({ maxEntries: 3 })
      assert.deepStrictEqual(yield* keys, ["new", "old", "pinned"], "what is archived does not count")
      yield* look({ maxEntries: 1, maxDiskBytes: 1_000, highWaterBytes: 1 })
      assert.deepStrictEqual(yield* keys, ["pinned"])
      assert.deepStrictEqual(yield* left("archived"), [1, 2])
    }).pipe(Effect.provide(testLayer))
  )

  it.live("that nobody can continue go first when there are too many, however new", () =>
    Effect.gen(function* () {
      const passing = Array.from({ length: 4 }, (_, index) => `openai:0d6b1b0e-7f1c-4c57-9f57-00000000000${index}`)
      const others = ["openai-user:ann", "openai:mine"]
      for (const name of [...passing, ...others]) yield* fill(name, 1)
      yield* age(passing[0]!, 1)
      yield* age(passing[2]!, 1)
      yield* look({ maxEntries: 4 })
      assert.deepStrictEqual(yield* keys, [...others, passing[1], passing[3]].sort())
      yield* look({ maxEntries: 1 })
      assert.deepStrictEqual(yield* keys, others)
    }).pipe(Effect.provide(testLayer))
  )

  it.live("that get a message while they are taken away keep what is left of them", () =>
    Effect.gen(function* () {
      yield* fill("old", 510)
      yield* fill("new", 1)
      yield* age("old", 40)
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        CREATE TRIGGER comes AFTER DELETE ON transcript WHEN OLD.seq = 1 BEGIN
          INSERT INTO turns (run_id, session_key, request, submitted_at) VALUES ('r', OLD.session_key, '{}', 1);
        END`
      const maintain = yield* Maintenance.make({ ...small, leastMessages: 600, mostMessages: 600 })
      yield* maintain(policy({ maxEntries: 1 }))
      assert.deepStrictEqual(yield* keys, ["new", "old"])
      assert.strictEqual((yield* left("old")).length, 10)
    }).pipe(Effect.provide(testLayer))
  )

  it.live("go until the database is within its budget", () =>
    Effect.gen(function* () {
      const long = "x".repeat(60_000)
      for (const name of ["a", "b", "c", "d"]) yield* fill(name, 5, long)
      yield* age("b", 2)
      yield* age("c", 1)
      yield* look({ maxDiskBytes: 1_200_000, highWaterBytes: 1_000_000 })
      assert.deepStrictEqual(yield* keys, ["a", "d"])
      yield* look({ maxDiskBytes: 100_000, highWaterBytes: 90_000, preserveRecentMs: day })
      assert.deepStrictEqual(yield* keys, ["a", "d"])
    }).pipe(Effect.provide(testLayer))
  )
})

describe("session.maintenance", () => {
  it("reads amounts as people write them", () => {
    const times = (text: string | number) => amountOf(text, DURATIONS, DURATIONS["d"]!)
    assert.deepStrictEqual(
      [times("30d"), times("1h30m"), times("2 w"), times(2), times("1.5")],
      [30 * day, 5_400_000, 14 * day, 2 * day, 1.5 * day]
    )
    assert.deepStrictEqual([times(""), times("soon"), times("3 y"), times(-1), times("1d!")], Array(5).fill(undefined))
    assert.strictEqual(amountOf("500MB", BYTES, 1), 500 * 1_024 ** 2)
  })

  it("takes what the schema takes, and has OpenClaw's defaults", () => {
    const decode = Schema.decodeUnknownSync(OpenClawConfig)
    const read = (maintenance: object) => policyOf(decode({ session: { maintenance } }))
    assert.deepStrictEqual(read({}), {
      enforced: true,
      pruneAfterMs: 30 * day,
      maxEntries: 5_000,
      preserveRecentMs: 0,
      maxDiskBytes: 10 * 1_024 ** 3,
      highWaterBytes: 8 * 1_024 ** 3
    })
    const { maxDiskBytes, ...rest } = read({ mode: "warn", pruneAfter: 7, preserveRecent: "7d", maxDiskBytes: false })
    assert.strictEqual(maxDiskBytes, Number.POSITIVE_INFINITY)
    assert.deepInclude(rest, { enforced: false, pruneAfterMs: 7 * day, preserveRecentMs: 7 * day })
    assert.strictEqual(read({ maxDiskBytes: "500mb", highWaterBytes: "400mb" }).highWaterBytes, 400 * 1_024 ** 2)
    for (const wrong of [{ pruneAfter: "soon" }, { maxDiskBytes: "1 parsec" }, { maxEntries: 0 }, { mode: "x" }]) {
      assert.throws(() => read(wrong))
    }
  })
})
