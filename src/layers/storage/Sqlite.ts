/**
 * A `SqlClient` over `node:sqlite`: one file, one process, one connection that writes and one that reads.
 *
 * What is committed survives a power cut (WAL with `synchronous=FULL`), because confirmations to the outside wait for it.
 * Statements run on the calling fiber and block the event loop while they do, which for the small rows kept here is
 * microseconds; only a commit waits for the disk.
 */
import * as Fs from "node:fs"
import { DatabaseSync } from "node:sqlite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import * as Statement from "effect/sql/Statement"
import * as DatabaseFile from "./databaseFile.ts"
import * as GroupCommit from "./groupCommit.ts"

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
  /** Sees each connection as it is opened. */
  readonly observe?: (db: DatabaseSync) => void
}

/** After a burst the write-ahead log is cut back to this many bytes. */
const journalSizeLimit = 16 * 1024 * 1024

const unusable = (filename: string) => (cause: unknown) =>
  new DatabaseUnusable({ file: filename, message: DatabaseFile.explain(filename, cause) })

const busyTimeoutOf = ({ busyTimeoutMs = 5_000 }: SqliteOptions): number => busyTimeoutMs
/** Reading waits for nobody who writes, only for somebody who puts the log in order. */
const readTimeoutMs = 250

const attempt = <A>(filename: string, f: () => A): Effect.Effect<A, DatabaseUnusable> =>
  Effect.try({ try: f, catch: unusable(filename) })

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
  yield* Effect.mapError(DatabaseFile.ready(options.filename), unusable(options.filename))
  yield* secureFile(options.filename)
  const db = yield* Effect.acquireRelease(
    attempt(options.filename, () => new DatabaseSync(options.filename, { timeout: busyTimeoutOf(options) })),
    (db) => Effect.sync(() => db.close())
  )
  yield* attempt(options.filename, () => {
    db.exec("PRAGMA journal_mode = WAL")
    db.exec("PRAGMA synchronous = FULL")
    db.exec("PRAGMA foreign_keys = ON")
    db.exec(`PRAGMA journal_size_limit = ${journalSizeLimit}`)
    // From here on another program's lock is waited for outside of SQLite, where nobody else stands still for it.
    db.exec("PRAGMA busy_timeout = 0")
  })
  options.observe?.(db)
  return db
})

/** After the writer, which has made the file and its log. */
const openReader = (options: SqliteOptions) =>
  Effect.acquireRelease(
    attempt(options.filename, () => new DatabaseSync(options.filename, { readOnly: true, timeout: readTimeoutMs })),
    (db) => Effect.sync(() => db.close())
  ).pipe(Effect.tap((db) => Effect.sync(() => options.observe?.(db))))

let clients = 0

/** Opens the file for as long as the scope lives. */
export const make = Effect.fn("Sqlite.make")(function* (
  options: SqliteOptions
): Effect.fn.Return<SqlClient.SqlClient, DatabaseUnusable, Scope.Scope | Reactivity.Reactivity> {
  const db = yield* openDatabase(options)
  const { begin, commit, enter, exclusive, inside, plain, rollback } = GroupCommit.make({
    db,
    reader: yield* openReader(options),
    busyTimeoutMs: busyTimeoutOf(options)
  })
  const transactionService = Context.Service<SqlClient.TransactionConnection, SqlClient.TransactionConnection.Service>(
    `openclaw/storage/Transaction/${clients++}`
  )
  const spanAttributes = [["db.system.name", "sqlite"]] as const
  const client = yield* SqlClient.make({
    acquirer: exclusive,
    borrower: (use) => use(plain),
    compiler: Statement.makeCompilerSqlite(),
    driver: "sqlite-node",
    spanAttributes,
    transactionService
  })
  const control = (connection: Connection, sql: string) => connection.execute(sql, [], undefined)
  const whileAlive = (connection: Connection, sql: string) =>
    Effect.suspend(() => (db.isOpen && db.isTransaction ? Effect.asVoid(control(connection, sql)) : Effect.void))
  const withTransaction = SqlClient.makeWithTransaction({
    transactionService,
    spanAttributes,
    acquireConnection: (restore) => Effect.as(enter(restore), inside),
    begin: () => begin,
    commit: () => commit,
    rollback: () => rollback,
    savepoint: (connection, id) => Effect.asVoid(control(connection, `SAVEPOINT nested_${id}`)),
    releaseSavepoint: (connection, id) => whileAlive(connection, `RELEASE nested_${id}`),
    rollbackSavepoint: (connection, id) => whileAlive(connection, `ROLLBACK TO nested_${id}`)
  })
  return Object.assign(client, { withTransaction })
})

/** The `SqlClient` of one database file. */
export const layer = (options: SqliteOptions): Layer.Layer<SqlClient.SqlClient, DatabaseUnusable> =>
  Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer))
