/**
 * The state database: the client and an up-to-date schema.
 */
import * as Layer from "effect/Layer"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Migrations from "./Migrations.ts"
import * as Sqlite from "./Sqlite.ts"

/** Opens the file, creating it when it is missing, and runs what migrations it lacks. */
export const layer = (options: Sqlite.SqliteOptions): Layer.Layer<SqlClient.SqlClient, Sqlite.DatabaseUnusable> =>
  Migrations.layer(options).pipe(Layer.provideMerge(Sqlite.layer(options)))
