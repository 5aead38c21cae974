/**
 * The state database as it lies on the disk, for a program that only looks: nothing is made, migrated or locked.
 */
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import * as Statement from "effect/sql/Statement"
import { make as makeConnection } from "./connection.ts"
import * as DatabaseFile from "./databaseFile.ts"
import { DatabaseUnusable } from "./Sqlite.ts"

export const layer = (options: { readonly filename: string }): Layer.Layer<SqlClient.SqlClient, DatabaseUnusable> =>
  Layer.effect(
    SqlClient.SqlClient,
    Effect.gen(function* () {
      const { filename } = options
      const db = yield* Effect.acquireRelease(
        Effect.try({
          try: () => new DatabaseSync(filename, { readOnly: true, timeout: 1_000 }),
          catch: (cause) => new DatabaseUnusable({ file: filename, message: DatabaseFile.explain(filename, cause) })
        }),
        (opened) => Effect.sync(() => opened.close())
      )
      const connection = makeConnection(db)
      return yield* SqlClient.make({
        driver: "sqlite-node",
        acquirer: Effect.succeed(connection),
        compiler: Statement.makeCompilerSqlite(),
        spanAttributes: [["db.system.name", "sqlite"]]
      })
    })
  ).pipe(Layer.provide(Reactivity.layer))
