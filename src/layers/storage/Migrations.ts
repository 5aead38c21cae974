/**
 * The schema of the state database, brought up to date when it is opened.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import * as migrations from "./migrations/index.ts"
import { DatabaseUnusable } from "./Sqlite.ts"

const table = "openclaw_migrations"
const loader = Migrator.fromBabelGlob(migrations)

/** Number of the newest migration that this program knows. */
export const latest: Effect.Effect<number> = Effect.map(Effect.orDie(loader), (known) =>
  known.reduce((max, [id]) => Math.max(max, id), 0)
)

/**
 * Runs what is missing, in one transaction: a migration that fails leaves the file as it was. A file that a newer
 * program wrote is refused, because this one would misread it.
 */
export const run = Effect.fn("Migrations.run")(function* (filename: string) {
  const sql = yield* SqlClient.SqlClient
  const unusable = (problem: string) =>
    new DatabaseUnusable({ file: filename, message: `cannot use the database ${filename}: ${problem}` })
  const foreign = yield* sql<{ readonly name: string }>`
    SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ${table}) LIMIT 1`.pipe(
    Effect.mapError((error) => unusable(error.message))
  )
  if (foreign[0] !== undefined) {
    return yield* unusable(
      `it belongs to another program (it has a table "${foreign[0].name}" and none of openclaw's). Nothing was changed.\nFix: name another state directory with OPENCLAW_STATE_DIR or --profile, or move the file to another folder.`
    )
  }
  yield* Migrator.make({})({ loader, table }).pipe(
    Effect.tapCause((cause) => Effect.logError("migrating the state database failed", cause)),
    Effect.catchTags({
      MigrationError: (error) => Effect.fail(unusable(error.message)),
      SqlError: (error) => Effect.fail(unusable(error.message))
    })
  )
  const rows = yield* sql<{ readonly id: number }>`SELECT MAX(migration_id) AS id FROM ${sql(table)}`.pipe(
    Effect.mapError((error) => unusable(error.message))
  )
  const stored = rows[0]?.id ?? 0
  const known = yield* latest
  if (stored > known) {
    return yield* unusable(
      `a newer version of openclaw wrote it (schema ${stored}, this version knows ${known}). Update openclaw, or name another state directory with OPENCLAW_STATE_DIR.`
    )
  }
})

/** Brings the database of the `SqlClient` up to date before anything that needs this layer starts. */
export const layer = (options: {
  readonly filename: string
}): Layer.Layer<never, DatabaseUnusable, SqlClient.SqlClient> => Layer.effectDiscard(run(options.filename))

/** What the app's client is called in messages. */
const APPS = "of the app's SqlClient"

/**
 * The client must be SQLite's, and what it commits must be on the disk: confirmations to the outside stand on it. One in memory
 * is let through, because whoever takes that knows.
 */
const checkOwn = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const unusable = (problem: string) =>
    new DatabaseUnusable({ file: "", message: `the app's SqlClient cannot be used: ${problem}` })
  const isSqlite = sql.onDialectOrElse({ sqlite: () => true, orElse: () => false })
  if (!isSqlite) return yield* unusable("it is not SQLite's.\nFix: give the Gateway a SQLite database of its own.")
  // On the connection that writes.
  const [journal, synchronous] = yield* sql
    .withTransaction(
      Effect.all([
        sql<{ readonly journal_mode: string }>`PRAGMA journal_mode`,
        sql<{ readonly synchronous: number }>`PRAGMA synchronous`
      ])
    )
    .pipe(Effect.mapError((error) => unusable(error.message)))
  const mode = journal[0]?.journal_mode
  if (mode === "memory") return
  if (mode !== "wal" || (synchronous[0]?.synchronous ?? 0) < 2) {
    return yield* unusable(
      `its journal_mode is ${mode} and its synchronous ${synchronous[0]?.synchronous}, so that what it confirms may be lost.\nFix: open it with PRAGMA journal_mode = WAL and PRAGMA synchronous = FULL.`
    )
  }
})

/** Brings a database that the app opened up to date, once it is one that can be used. */
export const layerOwn: Layer.Layer<never, DatabaseUnusable, SqlClient.SqlClient> = Layer.effectDiscard(
  Effect.andThen(checkOwn, run(APPS))
)
