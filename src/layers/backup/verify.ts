/**
 * Reading a backup from end to end: its form, every sum, every database's pages, and whether this version can use it.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as NodePath from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import { problemsOf } from "../storage/databaseFile.ts"
import * as Migrations from "../storage/Migrations.ts"
import { DATABASE } from "../storage/Storage.ts"
import { attempt, type BackupFailed, failed, unpack } from "./archive.ts"
import { schemaOf } from "./create.ts"
import { decode, type Manifest, STATE } from "./Manifest.ts"

/** A backup that was found whole, unpacked. */
export interface Opened {
  readonly manifest: Manifest
  /** The archive's root folder, as it was unpacked. */
  readonly root: string
}

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
): Effect.fn.Return<Opened, BackupFailed> {
  const unpacked = yield* unpack(archive, folder)
  const name = unpacked[0]?.name.split("/", 1)[0] ?? ""
  const byPath = new Map(unpacked.map((entry) => [entry.name, entry]))
  const first = byPath.get(`${name}/manifest.json`)
  if (first === undefined) return yield* failed(`${archive} is no backup of openclaw's: it has no manifest.`)
  const text = yield* attempt(`reading the manifest of ${archive} failed`, () => Fs.readFileSync(first.file, "utf8"))
  const manifest = yield* Effect.mapError(decode(text), () =>
    failed(`${archive} is no backup that this version knows: its manifest is of another form.`)
  )
  for (const { kind, path, sha256, size } of manifest.files) {
    const entry = byPath.get(`${name}/${path}`)
    if (entry === undefined) return yield* failed(`${archive} is not whole: ${path} is missing.`)
    if (entry.size !== size || entry.sha256 !== sha256) {
      return yield* failed(`${archive} is damaged: ${path} is not what was stored (its SHA-256 differs).`)
    }
    if (kind === "database") yield* checkDatabase(archive, path, entry.file)
  }
  if (unpacked.length !== manifest.files.length + 1) {
    return yield* failed(`${archive} was changed: it has files that its manifest does not name.`)
  }
  const database = byPath.get(`${name}/${STATE}/${DATABASE.join("/")}`)
  if (database === undefined) return yield* failed(`${archive} has no state database.`)
  const schema = yield* schemaOf(database.file)
  const known = yield* Migrations.latest
  if (schema !== manifest.databaseSchema || schema > known) {
    return yield* failed(
      `${archive} was made by a newer openclaw (schema ${schema}, this version knows ${known}).\nFix: update openclaw.`
    )
  }
  return { manifest, root: NodePath.join(folder, name) }
})

/** Checks a backup and keeps nothing of it. */
export const verify = Effect.fn("Backup.verify")(function* (archive: string) {
  const folder = yield* Effect.acquireRelease(
    attempt("making a temporary folder failed", () => Fs.mkdtempSync(NodePath.join(Os.tmpdir(), "openclaw-backup-"))),
    (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
  )
  return (yield* open(archive, folder)).manifest
}, Effect.scoped)
