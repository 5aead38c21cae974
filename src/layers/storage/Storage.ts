/**
 * The state database: the client and an up-to-date schema.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as SqlClient from "effect/sql/SqlClient"
import { StateDir, type StateDirUnusable } from "../../services/StateDir.ts"
import { StorageHealth } from "../../services/StorageHealth.ts"
import { securePrivateDirectory } from "../state-dir/privateFiles.ts"
import * as Health from "./Health.ts"
import * as Migrations from "./Migrations.ts"
import * as Sqlite from "./Sqlite.ts"

/** Opens the file, creating it when it is missing, and runs what migrations it lacks. */
export const layer = (
  options: Sqlite.SqliteOptions
): Layer.Layer<SqlClient.SqlClient | StorageHealth, Sqlite.DatabaseUnusable> =>
  Layer.unwrap(
    Effect.map(Health.make, ({ observe, service }) =>
      Migrations.layer(options).pipe(
        Layer.provideMerge(Sqlite.layer({ ...options, observe })),
        Layer.merge(Layer.succeed(StorageHealth, service))
      )
    )
  )

/** The database's file inside the state directory, as OpenClaw places it. */
export const DATABASE = ["state", "openclaw.sqlite"] as const

/** Stands in the state directory while a backup is put in its place. */
export const RESTORE_NOTE = "restore-in-progress.json"

/** The database of the state directory; its folder is made when it is missing. */
export const layerStateDir: Layer.Layer<
  SqlClient.SqlClient | StorageHealth,
  Sqlite.DatabaseUnusable | StateDirUnusable,
  StateDir | FileSystem.FileSystem
> = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const state = yield* StateDir
    if (yield* Effect.orElseSucceed(fs.exists(state.path(RESTORE_NOTE)), () => false)) {
      return yield* new Sqlite.DatabaseUnusable({
        file: state.path(...DATABASE),
        message: `restoring a backup into ${state.root} was cut off half-way. What was there before is in the folders before-restore-… inside it.\nFix: run \`openclaw backup restore <archive>\` again; it begins anew and deletes nothing.`
      })
    }
    yield* securePrivateDirectory(fs, state.path(DATABASE[0]))
    return layer({ filename: state.path(...DATABASE) })
  })
)
