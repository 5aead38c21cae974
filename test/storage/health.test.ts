/**
 * The storage's health: what is noted, when it is over, and that each change is told once.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import * as Health from "../../src/layers/storage/Health.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { troubleOf } from "../../src/layers/storage/trouble.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import { stored } from "../../src/layers/turns/Patience.ts"
import { StorageHealth } from "../../src/services/StorageHealth.ts"

const tempFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-health-"))),
    (dir) => Effect.sync(() => Fs.rmSync(dir, { recursive: true, force: true }))
  ),
  (dir) => Path.join(dir, "state.sqlite")
)

const setting = Effect.gen(function* () {
  const filename = yield* tempFile
  const told: Array<string> = []
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    if (logLevel !== "Debug") told.push(`${logLevel} ${[message].flat().map(String).join(" ")}`)
  })
  const layer = Health.watch.pipe(
    Layer.provide(SupervisorLive.layer),
    Layer.provideMerge(Storage.layer({ filename })),
    Layer.provideMerge(Logger.layer([logger]))
  )
  return { filename, layer, told }
})

/** Lets other fibers run, a second of the test's clock at a time, until the condition is met. */
const until = (condition: string) =>
  Effect.gen(function* () {
    const health = yield* StorageHealth
    for (let tries = 0; tries < 100; tries++) {
      if ((yield* health.status).condition === condition) return yield* health.status
      yield* TestClock.adjust("1 second")
    }
    return yield* Effect.die(`the storage did not become ${condition}`)
  })

const insert = (sql: SqlClient.SqlClient, size: number) =>
  sql.withTransaction(sql`INSERT INTO storage_probe (filler) VALUES (zeroblob(${size}))`)

/** States that a database can really be brought into, and what ends them. */
const states = {
  full: { begin: "PRAGMA max_page_count = 1", end: "PRAGMA max_page_count = 4294967294" },
  "read-only": { begin: "PRAGMA query_only = ON", end: "PRAGMA query_only = OFF" }
} as const

describe("the storage's health", () => {
  it.effect.each(["full", "read-only"] as const)("knows when the storage is %s, and when it is not any more", (name) =>
    Effect.gen(function* () {
      const { layer, told } = yield* setting
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const health = yield* StorageHealth
        assert.strictEqual((yield* health.status).condition, "ok")
        yield* sql.unsafe(states[name].begin)
        assert.strictEqual(troubleOf(yield* Effect.flip(insert(sql, 100_000))), name)
        const { failures, since } = yield* until(name)
        yield* TestClock.adjust("10 minutes")
        // Reading works all the time, and is no sign of recovery.
        yield* sql`SELECT COUNT(*) FROM turns`
        const later = yield* health.status
        assert.strictEqual(later.condition, name)
        assert.strictEqual(later.since, since)
        assert.isAbove(later.failures, failures)
        yield* sql.unsafe(states[name].end)
        yield* until("ok")
        yield* insert(sql, 100_000)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(
          told.map((line) => line.split(":")[0]?.replace(/, after.*/, "")),
          [`Error the ${name === "full" ? "disk is full" : "storage is read-only"}`, "Info the storage works again"]
        )
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("waits for two hours and longer, and tells the failure once", () =>
    Effect.gen(function* () {
      const { layer, told } = yield* setting
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql.unsafe(states.full.begin)
        const waiting = yield* Effect.forkChild(stored("keeping it", insert(sql, 100_000)), { startImmediately: true })
        yield* TestClock.adjust("130 minutes")
        assert.isUndefined(waiting.pollUnsafe())
        yield* sql.unsafe(states.full.end)
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(waiting)
        assert.deepStrictEqual(yield* sql`SELECT COUNT(*) AS n FROM storage_probe`, [{ n: 1 }])
        assert.strictEqual(told.filter((line) => line.includes("keeping it")).length, 2)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("gives up what fails for another reason", () =>
    Effect.gen(function* () {
      const failing = stored("a bug", Effect.fail({ message: "no such column" }))
      const waiting = yield* Effect.forkChild(Effect.exit(failing), { startImmediately: true })
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "Failure")
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("writes nothing more to a damaged file", () =>
    Effect.gen(function* () {
      const { filename, layer, told } = yield* setting
      const [{ rootpage } = { rootpage: 0 }] = yield* SqlClient.SqlClient.use(
        (sql) => sql<{ rootpage: number }>`SELECT rootpage FROM sqlite_schema WHERE name = 'channel_inbox'`
      ).pipe(Effect.provide(layer))
      const file = Fs.openSync(filename, "r+")
      Fs.writeSync(file, Buffer.alloc(4096, 0xaa), 0, 4096, (rootpage - 1) * 4096)
      Fs.closeSync(file)
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const health = yield* StorageHealth
        const error = yield* Effect.flip(sql`SELECT * FROM channel_inbox`)
        assert.strictEqual(troubleOf(error), "corrupt")
        assert.strictEqual(troubleOf(yield* Effect.flip(insert(sql, 10))), "read-only")
        yield* TestClock.adjust("1 hour")
        assert.strictEqual((yield* health.status).condition, "corrupt")
        assert.strictEqual(told.filter((line) => line.includes("damaged")).length, 1)
      }).pipe(Effect.provide(layer))
    })
  )

  it("reads codes through wrappings and, failing that, words", () => {
    const full = Object.assign(new Error("x"), { errcode: 13 })
    assert.strictEqual(troubleOf({ cause: { reason: full } }), "full")
    assert.strictEqual(troubleOf({ errcode: 10 | (24 << 8) }), "io-error")
    assert.strictEqual(troubleOf({ message: "the inbox cannot be used: database or disk is full" }), "full")
    assert.isUndefined(troubleOf(Object.assign(new Error("UNIQUE"), { errcode: 2067 })))
    assert.isUndefined(troubleOf("disk"))
  })
})

describe("the watch", () => {
  it.effect("that starts in the middle of trouble which was told already probes first", () =>
    Effect.gen(function* () {
      let condition: "full" | "ok" = "full"
      const status = () => ({ condition, since: 0, failures: 1 })
      const health = Layer.succeed(StorageHealth, {
        status: Effect.sync(status),
        statusUnsafe: status,
        nextChange: Effect.never,
        proved: Effect.sync(() => void (condition = "ok"))
      })
      const storage = Storage.layer({ filename: yield* tempFile })
      const layer = Health.watch.pipe(Layer.provide(health), Layer.provide([SupervisorLive.layer, storage]))
      yield* Layer.build(layer)
      for (let tries = 0; tries < 1_000 && status().condition === "full"; tries++) yield* Effect.yieldNow
      assert.strictEqual(condition, "ok" as string)
    })
  )
})
