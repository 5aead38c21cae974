/**
 * A `SqlClient` over `node:sqlite`: one file, one connection, one process.
 *
 * What is committed survives a power cut (WAL with `synchronous=FULL`), because confirmations to the outside wait for it.
 * Statements run on the calling fiber and block the event loop while they do, which for the small rows kept here is
 * microseconds; only a commit waits for the disk.
 */
import * as Fs from "node:fs"
import { type SQLInputValue, DatabaseSync, type StatementSync } from "node:sqlite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"

/** The database file cannot be opened or is not one of ours. `message` names the fix. */
export class DatabaseUnusable extends Schema.TaggedError<DatabaseUnusable>()("DatabaseUnusable", {
  file: Schema.String,
  message: Schema.String
}) {}

export interface SqliteOptions {
  /** Absolute path of the file. Created with mode 0600 when missing; its folder must exist. */
  readonly filename: string
  /** Milliseconds to wait for a lock that another process holds; 5,000 when left out. */
  readonly busyTimeoutMs?: number
}

/** Statements kept compiled; the whole program has fewer distinct ones, so eviction only guards against surprises. */
const maxPrepared = 256
/** After a burst the write-ahead log is cut back to this many bytes. */
const journalSizeLimit = 16 * 1024 * 1024

const asInput = (value: unknown): SQLInputValue =>
  typeof value === "boolean" ? Number(value) : value instanceof Date ? value.toISOString() : (value as SQLInputValue)

const hasErrcode = (cause: unknown): cause is { readonly errcode: number } =>
  typeof cause === "object" && cause !== null && "errcode" in cause && typeof cause.errcode === "number"

/** `node:sqlite` calls SQLite's result code `errcode`; the classifier looks for `errno`. */
const sqlError = (cause: unknown, operation: string): SqlError =>
  new SqlError({
    reason: classifySqliteError(hasErrcode(cause) ? Object.assign(cause, { errno: cause.errcode }) : cause, {
      message: cause instanceof Error ? cause.message : String(cause),
      operation
    })
  })

const attempt = <A>(filename: string, f: () => A): Effect.Effect<A, DatabaseUnusable> =>
  Effect.try({
    try: f,
    catch: (cause) =>
      new DatabaseUnusable({
        file: filename,
        message: `cannot use the database ${filename}: ${cause instanceof Error ? cause.message : String(cause)}. Check that its folder exists and is writable; move the file aside to start anew.`
      })
  })

/** Makes sure that the file exists, is a plain file, and can be read by its owner only. */
const secureFile = (filename: string): Effect.Effect<void, DatabaseUnusable> => {
  const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = Fs.constants
  return Effect.acquireUseRelease(
    attempt(filename, () => Fs.openSync(filename, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)),
    (fd) =>
      attempt(filename, () => {
        const stat = Fs.fstatSync(fd)
        if (!stat.isFile()) throw new Error("it is not a plain file")
        if ((stat.mode & 0o077) !== 0) Fs.fchmodSync(fd, 0o600)
      }),
    (fd) => Effect.sync(() => Fs.closeSync(fd))
  )
}

const openDatabase = Effect.fnUntraced(function* (options: SqliteOptions) {
  yield* secureFile(options.filename)
  const db = yield* Effect.acquireRelease(
    attempt(options.filename, () => new DatabaseSync(options.filename, { timeout: options.busyTimeoutMs ?? 5_000 })),
    (db) => Effect.sync(() => db.close())
  )
  yield* attempt(options.filename, () => {
    db.exec("PRAGMA journal_mode = WAL")
    db.exec("PRAGMA synchronous = FULL")
    db.exec("PRAGMA foreign_keys = ON")
    db.exec(`PRAGMA journal_size_limit = ${journalSizeLimit}`)
  })
  return db
})

interface NodeConnection extends Connection {
  readonly db: DatabaseSync
}

const makeConnection = (db: DatabaseSync): NodeConnection => {
  const prepared = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const statement = db.prepare(sql)
    prepared.set(sql, statement)
    if (prepared.size > maxPrepared) prepared.delete(prepared.keys().next().value!)
    return statement
  }

  const run = <A>(
    sql: string,
    compile: (sql: string) => StatementSync,
    use: (statement: StatementSync) => A
  ): Effect.Effect<A, SqlError> =>
    Effect.withFiber((fiber) =>
      Effect.try({
        try: () => {
          const statement = compile(sql)
          statement.setReadBigInts(Context.get(fiber.context, SqlClient.SafeIntegers))
          return use(statement)
        },
        catch: (cause) => sqlError(cause, "execute")
      })
    )

  const objects = (params: ReadonlyArray<unknown>) => (statement: StatementSync) => {
    statement.setReturnArrays(false)
    return statement.all(...params.map(asInput)) as ReadonlyArray<object>
  }
  const arrays = (params: ReadonlyArray<unknown>) => (statement: StatementSync) => {
    statement.setReturnArrays(true)
    return statement.all(...params.map(asInput)) as unknown as ReadonlyArray<ReadonlyArray<unknown>>
  }
  const fresh = (sql: string) => db.prepare(sql)

  const execute: Connection["execute"] = (sql, params, transformRows) => {
    const rows = run(sql, prepare, objects(params))
    return transformRows === undefined ? rows : Effect.map(rows, transformRows)
  }
  const executeUnprepared: Connection["executeUnprepared"] = (sql, params, transformRows) => {
    const rows = run(sql, fresh, objects(params))
    return transformRows === undefined ? rows : Effect.map(rows, transformRows)
  }

  return {
    db,
    execute,
    executeUnprepared,
    executeRaw: (sql, params) =>
      run(sql, prepare, (statement) =>
        statement.columns().length === 0 ? statement.run(...params.map(asInput)) : objects(params)(statement)
      ),
    executeValues: (sql, params) => run(sql, prepare, arrays(params)),
    executeValuesUnprepared: (sql, params) => run(sql, fresh, arrays(params)),
    // Rows are read at once: a cursor left open would block the checkpoint for as long as its reader dawdles.
    executeStream: (sql, params, transformRows) =>
      Stream.unwrap(Effect.map(execute(sql, params, transformRows), (rows) => Stream.fromIterable(rows)))
  }
}

/** Opens the file for as long as the scope lives. */
export const make = Effect.fn("Sqlite.make")(function* (
  options: SqliteOptions
): Effect.fn.Return<SqlClient.SqlClient, DatabaseUnusable, Scope.Scope | Reactivity.Reactivity> {
  const db = yield* openDatabase(options)
  return yield* SqlClient.make({
    ...SqlClient.makeSqliteAcquirers({
      connection: Effect.succeed(makeConnection(db)),
      semaphore: yield* Semaphore.make(1),
      isTransaction: (connection) => connection.db.isTransaction
    }),
    compiler: Statement.makeCompilerSqlite(),
    driver: "sqlite-node",
    // A deferred transaction that turns into a writer fails at once when another process writes; this one waits.
    beginTransaction: "BEGIN IMMEDIATE",
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    prepareTransactionControls: true,
    spanAttributes: [["db.system.name", "sqlite"]]
  })
})

/** The `SqlClient` of one database file. */
export const layer = (options: SqliteOptions): Layer.Layer<SqlClient.SqlClient, DatabaseUnusable> =>
  Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer))
