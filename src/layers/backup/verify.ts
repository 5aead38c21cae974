/**
 * Reading a backup from end to end: its form, every sum, every database's pages, and whether this version can use it.
 */
import * as Os from "node:os"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import { problemsOf } from "../storage/databaseFile.ts"
import * as Migrations from "../storage/Migrations.ts"
import { DATABASE } from "../storage/Storage.ts"
import { attempt, type BackupFailed, failed } from "./archive.ts"
import { schemaOf } from "./create.ts"
import { STATE } from "./Manifest.ts"
import { unpack, type Unpacked } from "./unpack.ts"
import { workshop } from "./workshop.ts"

const checkDatabase = (archive: string, path: string, file: string) =>
  Effect.acquireUseRelease(
    attempt(`${path} in ${archive} cannot be opened`, () => new DatabaseSync(file, { readOnly: true })),
    Effect.fnUntraced(function* (db) {
      const problems = yield* Effect.mapError(problemsOf(db, "integrity_check", 5), ({ message }) =>
        failed(`${path} in ${archive} is damaged: ${message}`)
      )
      if (problems.length > 0) return yield* failed(`${path} in ${archive} is damaged: ${problems.join("; ")}`)
    }),
    (db) => Effect.sync(() => db.close())
  )

/** Unpacks into a folder of the caller's and checks everything. */
export const open = Effect.fnUntraced(function* (
  archive: string,
  folder: string
): Effect.fn.Return<Unpacked, BackupFailed> {
  const unpacked = yield* unpack(archive, folder)
  const { manifest, place } = unpacked
  for (const { kind, path } of manifest.files) {
    if (kind === "database") yield* checkDatabase(archive, path, place(path))
  }
  const database = `${STATE}/${DATABASE.join("/")}`
  if (!manifest.files.some(({ path }) => path === database)) return yield* failed(`${archive} has no state database.`)
  const schema = yield* schemaOf(place(database))
  const known = yield* Migrations.latest
  if (schema !== manifest.databaseSchema || schema > known) {
    return yield* failed(
      `${archive} was made by a newer openclaw (schema ${schema}, this version knows ${known}).\nFix: update openclaw.`
    )
  }
  return unpacked
})

/** Checks a backup and keeps nothing of it. */
export const verify = Effect.fn("Backup.verify")(function* (archive: string) {
  const folder = yield* workshop(Os.tmpdir())
  return (yield* open(archive, folder)).manifest
}, Effect.scoped)
