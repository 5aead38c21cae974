import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Sqlite from "../../src/layers/storage/Sqlite.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"

const tempFile = Effect.acquireRelease(
  Effect.sync(() => Path.join(Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-sqlite-")), "state.sqlite")),
  (file) => Effect.sync(() => Fs.rmSync(Path.dirname(file), { recursive: true, force: true }))
)

const withDatabase = <A, E>(
  filename: string,
  use: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>,
  layer = Sqlite.layer({ filename })
) => SqlClient.SqlClient.use(use).pipe(Effect.provide(layer))

describe("Sqlite", () => {
  it.effect("sets what durability needs, and mode 0600 on the file and its log", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* withDatabase(file, (sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (a INTEGER)`
          assert.deepStrictEqual(yield* sql`PRAGMA journal_mode`, [{ journal_mode: "wal" }])
          assert.deepStrictEqual(yield* sql`PRAGMA synchronous`, [{ synchronous: 2 }])
          assert.deepStrictEqual(yield* sql`PRAGMA foreign_keys`, [{ foreign_keys: 1 }])
          assert.deepStrictEqual(yield* sql`PRAGMA busy_timeout`, [{ timeout: 0 }])
          assert.deepStrictEqual(yield* sql`PRAGMA journal_size_limit`, [{ journal_size_limit: 16 * 1024 * 1024 }])
          for (const suffix of ["", "-wal", "-shm"]) {
            assert.strictEqual(Fs.statSync(file + suffix).mode & 0o777, 0o600, `mode of ${suffix || "the file"}`)
          }
        })
      )
    })
  )

  it.effect("repairs a file that others could read", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* withDatabase(file, (sql) => sql`CREATE TABLE t (a INTEGER)`)
      Fs.chmodSync(file, 0o644)
      yield* withDatabase(file, (sql) => sql`SELECT * FROM t`)
      assert.strictEqual(Fs.statSync(file).mode & 0o777, 0o600)
    })
  )

  it.effect("keeps rows over a restart and refuses what is not a database", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* withDatabase(file, (sql) =>
        Effect.andThen(sql`CREATE TABLE t (a, b)`, sql`INSERT INTO t ${sql.insert({ a: true, b: "x" })}`)
      )
      assert.deepStrictEqual(yield* withDatabase(file, (sql) => sql`SELECT * FROM t`), [{ a: 1, b: "x" }])
      const values = yield* withDatabase(file, (sql) => sql`SELECT * FROM t`.values)
      assert.deepStrictEqual(values, [[1, "x"]])
      const raw = yield* withDatabase(file, (sql) => sql`INSERT INTO t VALUES (2, 'y')`.raw)
      assert.deepInclude(raw as object, { changes: 1 })
      const streamed = yield* withDatabase(file, (sql) => Stream.runCollect(sql`SELECT b FROM t`.stream))
      assert.deepStrictEqual([...streamed], [{ b: "x" }, { b: "y" }])

      const garbage = `${file}.garbage`
      Fs.writeFileSync(garbage, "this is no database at all, only text ".repeat(200))
      const link = `${file}.link`
      Fs.symlinkSync(file, link)
      const folder = `${file}.folder`
      Fs.mkdirSync(folder)
      for (const bad of [garbage, link, folder, Path.join(file, "below")]) {
        const error = yield* Effect.flip(withDatabase(bad, (sql) => sql`SELECT 1`))
        assert.strictEqual(error._tag, "DatabaseUnusable", bad)
        assert.include(String(error), bad)
      }
    })
  )

  it.effect("reads large integers exactly when asked to, and fails rather than round them when not", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* withDatabase(file, (sql) =>
        Effect.gen(function* () {
          const big = sql<{ n: bigint }>`SELECT 9007199254740993 AS n`
          const rows = yield* big.pipe(Effect.provideService(SqlClient.SafeIntegers, true))
          assert.strictEqual(rows[0]?.n, 9007199254740993n)
          assert.strictEqual((yield* Effect.flip(big))._tag, "SqlError")
          assert.deepStrictEqual(yield* sql`SELECT 1 AS n`, [{ n: 1 }])
        })
      )
    })
  )

  it.effect("classifies what SQLite refuses", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* withDatabase(file, (sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE p (id INTEGER PRIMARY KEY, u TEXT UNIQUE)`
          yield* sql`CREATE TABLE c (p INTEGER REFERENCES p (id))`
          yield* sql`INSERT INTO p VALUES (1, 'a')`
          const tagOf = (statement: Effect.Effect<unknown, { readonly reason: { readonly _tag: string } }>) =>
            Effect.map(Effect.flip(statement), (error) => error.reason._tag)
          assert.strictEqual(yield* tagOf(sql`INSERT INTO p VALUES (2, 'a')`), "UniqueViolation")
          assert.strictEqual(yield* tagOf(sql`INSERT INTO c VALUES (9)`), "ConstraintError")
          assert.strictEqual(yield* tagOf(sql`SELEKT`), "UnknownError")
        })
      )
    })
  )

  it.live("tells a lock held by another process from other failures", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      const other = yield* Effect.acquireRelease(
        Effect.sync(() => new DatabaseSync(file)),
        (db) => Effect.sync(() => db.close())
      )
      other.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (a); BEGIN IMMEDIATE")
      const error = yield* withDatabase(
        file,
        (sql) => Effect.flip(sql`INSERT INTO t VALUES (1)`),
        Sqlite.layer({ filename: file, busyTimeoutMs: 1 })
      )
      assert.strictEqual(error.reason._tag, "LockTimeoutError")
    })
  )

  it.effect("rolls back on failure and on interruption; nested transactions are savepoints", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* withDatabase(file, (sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (a INTEGER)`
          const add = (n: number) => sql`INSERT INTO t VALUES (${n})`
          yield* Effect.ignore(sql.withTransaction(Effect.andThen(add(1), Effect.fail("no"))))
          const waiting = yield* Effect.forkChild(sql.withTransaction(Effect.andThen(add(2), Effect.never)), {
            startImmediately: true
          })
          yield* Fiber.interrupt(waiting)
          yield* sql.withTransaction(
            Effect.gen(function* () {
              yield* add(3)
              yield* Effect.ignore(sql.withTransaction(Effect.andThen(add(4), Effect.fail("no"))))
              yield* sql.withTransaction(add(5))
            })
          )
          assert.deepStrictEqual(yield* sql`SELECT a FROM t ORDER BY a`, [{ a: 3 }, { a: 5 }])
        })
      )
    })
  )

  it.effect("stores nothing of a transaction for which the disk has no room, and works again when there is", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* withDatabase(file, (sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (a TEXT)`
          yield* sql`PRAGMA max_page_count = 4`
          const fill = sql.withTransaction(
            Effect.andThen(sql`INSERT INTO t VALUES ('small')`, sql`INSERT INTO t VALUES (${"x".repeat(100_000)})`)
          )
          assert.include(String(yield* Effect.flip(fill)), "full")
          assert.deepStrictEqual(yield* sql`SELECT COUNT(*) AS n FROM t`, [{ n: 0 }])
          yield* sql`PRAGMA max_page_count = 1000000`
          yield* fill
          assert.deepStrictEqual(yield* sql`SELECT COUNT(*) AS n FROM t`, [{ n: 2 }])
        })
      )
    })
  )
})

describe("Storage", () => {
  it.effect("migrates once and refuses a file of a newer version", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      const open = <A, E>(use: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>) =>
        SqlClient.SqlClient.use(use).pipe(Effect.provide(Storage.layer({ filename: file })))
      const tables = yield* open((sql) => sql<{ name: string }>`SELECT name FROM sqlite_master WHERE type = 'table'`)
      assert.includeMembers(
        tables.map((row) => row.name),
        ["sessions", "transcript", "turns"]
      )
      yield* open((sql) => sql`INSERT INTO openclaw_migrations (migration_id, name) VALUES (9999, 'future')`)
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Storage.layer({ filename: file }))))
      assert.strictEqual(error._tag, "DatabaseUnusable")
      assert.include(error.message, "newer version")
    })
  )
})
