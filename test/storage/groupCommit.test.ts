import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { MixedScheduler, Scheduler } from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Sqlite from "../../src/layers/storage/Sqlite.ts"

const tempFile = Effect.acquireRelease(
  Effect.sync(() => Path.join(Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-group-")), "state.sqlite")),
  (file) => Effect.sync(() => Fs.rmSync(Path.dirname(file), { recursive: true, force: true }))
)

/** A database with a table, and how often it committed since. */
const opened = Effect.gen(function* () {
  const filename = yield* tempFile
  const commits: Array<string> = []
  let writer: DatabaseSync | undefined
  const observe = (db: DatabaseSync) => {
    writer ??= db
    const exec = db.exec.bind(db)
    db.exec = (text) => {
      exec(text)
      if (text === "COMMIT") commits.push(text)
    }
  }
  const sql = Context.get(yield* Layer.build(Sqlite.layer({ filename, observe })), SqlClient.SqlClient)
  yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY, filler BLOB)`
  commits.length = 0
  return { sql, commits, filename, writer: writer! }
})

const insert = (sql: SqlClient.SqlClient, id: number) => sql`INSERT INTO t (id) VALUES (${id})`
const ids = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ readonly id: number }>`SELECT id FROM t ORDER BY id`, (rows) => rows.map((row) => row.id))
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

describe("group commit", () => {
  it.effect("transactions and statements of many fibers share a commit, each is on the disk when it is told so", () =>
    Effect.gen(function* () {
      const { commits, filename, sql } = yield* opened
      const another = new DatabaseSync(filename, { readOnly: true })
      const isStored = (id: number) => another.prepare("SELECT 1 FROM t WHERE id = ?").all(id).length === 1
      const told = yield* Effect.forEach(
        upTo(100),
        (id) => Effect.map(id % 2 === 0 ? insert(sql, id) : sql.withTransaction(insert(sql, id)), () => isStored(id)),
        { concurrency: "unbounded" }
      )
      another.close()
      assert.isTrue(told.every((stored) => stored))
      assert.isBelow(commits.length, 10)
    })
  )

  it.effect("those whom a commit frees go on one after the other, not all in one step of the loop", () =>
    Effect.gen(function* () {
      const { commits, sql } = yield* opened
      let step = 0
      const scheduler = new MixedScheduler("async", (run) => {
        const asked = setImmediate(() => {
          step++
          run()
        })
        return () => clearImmediate(asked)
      })
      const steps = yield* Effect.forEach(
        upTo(20),
        (id) => Effect.map(sql.withTransaction(insert(sql, id)), () => step),
        { concurrency: "unbounded" }
      ).pipe(Effect.provideService(Scheduler, scheduler))
      assert.strictEqual(commits.length, 1)
      assert.strictEqual(new Set(steps).size, 20)
    })
  )

  it.effect("who is alone waits for nobody", () =>
    Effect.gen(function* () {
      const { commits, sql } = yield* opened
      yield* sql.withTransaction(insert(sql, 1))
      yield* insert(sql, 2)
      assert.lengthOf(commits, 2)
    })
  )

  it.effect("nobody outside sees what is not committed yet", () =>
    Effect.gen(function* () {
      const { sql } = yield* opened
      const written = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const fiber = yield* insert(sql, 1).pipe(
        Effect.andThen(Deferred.succeed(written, undefined)),
        Effect.andThen(Deferred.await(goOn)),
        sql.withTransaction,
        Effect.forkChild({ startImmediately: true })
      )
      yield* Deferred.await(written)
      assert.deepStrictEqual(yield* ids(sql), [])
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* ids(sql), [1])
    })
  )

  it.effect("one that fails takes nobody along", () =>
    Effect.gen(function* () {
      const { sql } = yield* opened
      const exits = yield* Effect.forEach(
        upTo(30),
        (id) => {
          const body = Effect.andThen(insert(sql, id), id % 3 === 0 ? Effect.fail("no") : Effect.void)
          return Effect.exit(sql.withTransaction(body))
        },
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        exits.map(Exit.isSuccess),
        upTo(30).map((id) => id % 3 !== 0)
      )
      assert.deepStrictEqual(
        yield* ids(sql),
        upTo(30).filter((id) => id % 3 !== 0)
      )
    })
  )

  it.effect("a full disk fails all whose group it is, and those after it go on", () =>
    Effect.gen(function* () {
      const { sql, writer } = yield* opened
      const pages = writer.prepare("PRAGMA page_count").get() as { readonly page_count: number }
      writer.exec(`PRAGMA max_page_count = ${pages.page_count}`)
      const big = sql`INSERT INTO t (id, filler) VALUES (1000, zeroblob(100000))`
      const exits = yield* Effect.forEach(
        [...upTo(10).map((id) => insert(sql, id)), big, ...upTo(10).map((id) => insert(sql, id + 10))],
        (statement) => Effect.exit(sql.withTransaction(statement)),
        { concurrency: "unbounded" }
      )
      assert.isTrue(Exit.isFailure(exits[10]!))
      const told = [...upTo(10), 1000, ...upTo(10).map((id) => id + 10)].filter((_, index) =>
        Exit.isSuccess(exits[index]!)
      )
      assert.deepStrictEqual(yield* ids(sql), told)
      writer.exec("PRAGMA max_page_count = 1000000")
      yield* big
      assert.include(yield* ids(sql), 1000)
    })
  )

  it.effect("a commit that fails fails all of its group, and leaves nothing of it", () =>
    Effect.gen(function* () {
      const { sql } = yield* opened
      yield* sql`CREATE TABLE child (t INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)`
      const exits = yield* Effect.forEach(
        [insert(sql, 1), sql`INSERT INTO child (t) VALUES (404)`, insert(sql, 2)],
        (statement) => Effect.exit(sql.withTransaction(statement)),
        { concurrency: "unbounded" }
      )
      assert.isTrue(exits.every(Exit.isFailure))
      assert.deepStrictEqual(yield* ids(sql), [])
      yield* insert(sql, 3)
      assert.deepStrictEqual(yield* ids(sql), [3])
    })
  )

  it.effect("whoever waits for a commit to act on it acts after it", () =>
    Effect.gen(function* () {
      const { commits, sql } = yield* opened
      const seen: Array<number> = []
      yield* sql.withTransaction(
        Effect.andThen(insert(sql, 1), sql.afterCommit(Effect.sync(() => void seen.push(commits.length))))
      )
      assert.deepStrictEqual(seen, [1])
    })
  )

  it.live("an interruption at any step leaves the database to others", () =>
    Effect.gen(function* () {
      const { sql } = yield* opened
      // Somewhere in here the fiber gives way to others, with the lock just taken.
      for (let steps = 1_900; steps < 2_100; steps++) {
        const busy = Effect.forEach(upTo(steps), () => Effect.void, { discard: true })
        const fiber = yield* Effect.forkChild(Effect.andThen(busy, sql.withTransaction(insert(sql, steps))), {
          startImmediately: true
        })
        yield* Fiber.interrupt(fiber)
      }
      yield* insert(sql, 1)
      assert.include(yield* ids(sql), 1)
    })
  )

  it.live("another program's lock is waited for while everything else goes on", () =>
    Effect.gen(function* () {
      const { filename, sql } = yield* opened
      const other = new DatabaseSync(filename)
      other.exec("BEGIN IMMEDIATE")
      const waiting = yield* Effect.forkChild(insert(sql, 1), { startImmediately: true })
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual(yield* ids(sql), [])
      other.exec("COMMIT")
      other.close()
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(yield* ids(sql), [1])
    })
  )

  it.effect("after the end every use fails, none is a bug", () =>
    Effect.gen(function* () {
      const { sql } = yield* Effect.scoped(opened)
      const failures = yield* Effect.all([
        Effect.flip(insert(sql, 1)),
        Effect.flip(sql.withTransaction(insert(sql, 1))),
        Effect.flip(ids(sql)),
        Effect.flip(sql`PRAGMA page_count`)
      ])
      assert.deepStrictEqual(
        failures.map((failure) => failure._tag),
        failures.map(() => "SqlError")
      )
    })
  )

  const Step = Schema.Struct({
    kind: Schema.Literals(["statement", "commit", "fail", "nested", "nestedFail", "interrupt"]),
    pauses: Schema.Literals([0, 1, 2, 3])
  })

  it.effect.prop(
    "what was told to be stored is stored, and nothing that was told to have failed",
    [Schema.Array(Step)],
    ([steps]) =>
      Effect.gen(function* () {
        const { sql } = yield* opened
        const pause = (times: number) => Effect.forEach(upTo(times), () => Effect.yieldNow, { discard: true })
        const run = (step: (typeof steps)[number], id: number): Effect.Effect<unknown, unknown> => {
          const body = Effect.andThen(insert(sql, id), pause(step.pauses))
          switch (step.kind) {
            case "statement":
              return insert(sql, id)
            case "commit":
              return sql.withTransaction(body)
            case "fail":
              return sql.withTransaction(Effect.andThen(body, Effect.fail("no")))
            case "nested":
              return sql.withTransaction(sql.withTransaction(body))
            case "nestedFail":
              return sql.withTransaction(Effect.flip(sql.withTransaction(Effect.andThen(body, Effect.fail("no")))))
            case "interrupt":
              return Effect.raceFirst(sql.withTransaction(body), Effect.andThen(pause(2), Effect.fail("late")))
          }
        }
        const exits = yield* Effect.forEach(steps, (step, id) => Effect.exit(run(step, id)), {
          concurrency: "unbounded"
        })
        const stored = new Set(yield* ids(sql))
        steps.forEach((step, id) => {
          const succeeded = Exit.isSuccess(exits[id]!)
          if (step.kind === "nestedFail") assert.isFalse(stored.has(id))
          // Who was interrupted while the commit was under way was told nothing.
          else if (step.kind !== "interrupt" || succeeded)
            assert.strictEqual(stored.has(id), succeeded, `${step.kind} ${id}`)
        })
      }).pipe(Effect.scoped)
  )
})
