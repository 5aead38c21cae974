/**
 * Making a backup, beside a running Gateway or without one.
 */
import * as Fs from "node:fs"
import * as NodePath from "node:path"
import { backup, DatabaseSync } from "node:sqlite"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { VERSION } from "../../domain/Version.ts"
import { StateDir } from "../../services/StateDir.ts"
import { problemsOf } from "../storage/databaseFile.ts"
import { DATABASE } from "../storage/Storage.ts"
import { attempt, attemptPromise, failed, sha256, type Source, write } from "./archive.ts"
import { includesOutside, isWithin, look, namedIn, realPath, unlessGone } from "./look.ts"
import { CONFIG, encode, type Manifest, MANIFEST_MOST, STATE } from "./Manifest.ts"
import { workshop } from "./workshop.ts"

const magic = "SQLite format 3\0"

const isDatabase = (file: string): boolean => {
  const fd = Fs.openSync(file, Fs.constants.O_RDONLY | (Fs.constants.O_NOFOLLOW ?? 0))
  const start = Buffer.alloc(magic.length)
  const length = Fs.readSync(fd, start, 0, magic.length, 0)
  Fs.closeSync(fd)
  return length === magic.length && start.toString("latin1") === magic
}

/** A copy of a database as it is at one instant, whatever others write to it meanwhile; checked from end to end. */
const copyDatabase = Effect.fnUntraced(function* (from: string, to: string) {
  yield* attempt(`copying ${from} failed`, () => Fs.closeSync(Fs.openSync(to, "wx", 0o600)))
  yield* Effect.acquireUseRelease(
    attempt(`opening ${from} failed`, () => new DatabaseSync(from, { readOnly: true, timeout: 5_000 })),
    // All pages in one step: several would begin anew with each commit in between.
    (db) => attemptPromise(`copying ${from} failed`, () => backup(db, to, { rate: 2 ** 31 - 1 })),
    (db) => Effect.sync(() => db.close())
  )
  return yield* Effect.acquireUseRelease(
    attempt(`opening the copy of ${from} failed`, () => new DatabaseSync(to)),
    Effect.fnUntraced(function* (db) {
      yield* attempt(`checking the copy of ${from} failed`, () => db.exec("PRAGMA journal_mode = DELETE"))
      const problems = yield* Effect.mapError(problemsOf(db, "integrity_check", 5), ({ message }) => failed(message))
      if (problems.length === 0) return
      return yield* failed(
        `${from} is damaged, so no backup was made of it: ${problems.join("; ")}.\nFix: restore an earlier backup with \`openclaw backup restore <archive>\`.`
      )
    }),
    (db) => Effect.sync(() => db.close())
  ).pipe(
    Effect.mapError((error) =>
      error.message.includes(from) ? error : failed(`${from} is damaged, so no backup was made of it: ${error.message}`)
    )
  )
})

/** Number of the newest migration in a database of ours. */
export const schemaOf = (file: string) =>
  Effect.acquireUseRelease(
    attempt(`opening ${file} failed`, () => new DatabaseSync(file, { readOnly: true })),
    (db) =>
      attempt(`${file} is no database of openclaw's`, () =>
        Number(db.prepare("SELECT MAX(migration_id) AS id FROM openclaw_migrations").get()?.["id"] ?? 0)
      ),
    (db) => Effect.sync(() => db.close())
  )

export interface CreateOptions {
  /** Absolute path of the archive. */
  readonly archive: string
  /** Absolute path of the configuration file in use. */
  readonly configFile: string
}

export interface Created {
  readonly manifest: Manifest
  /** Bytes of the archive. */
  readonly bytes: number
  /** Files outside of the state directory that the configuration includes: they are not in the archive. */
  readonly includes: ReadonlyArray<string>
}

const isRunning = Effect.flatMap(StateDir, (state) =>
  Effect.scoped(state.own).pipe(
    Effect.as(false),
    Effect.catchTag("GatewayAlreadyRunning", () => Effect.succeed(true))
  )
)

/** How often everything is taken anew because a file went away that the database still named. */
const ROUNDS = 5

/** Takes the database and then the files, as they are beside a Gateway that goes on. */
const take = Effect.fnUntraced(function* (root: string, folder: string, configFile: string) {
  const database = DATABASE.join("/")
  const files: Array<Manifest["files"][number]> = []
  const sources: Array<Source> = []
  const add = Effect.fnUntraced(function* (from: string, path: string) {
    const copy = NodePath.join(folder, String(files.length))
    const kind = (yield* attempt(`reading ${from} failed`, () => isDatabase(from))) ? "database" : "file"
    if (kind === "database") yield* copyDatabase(from, copy)
    else yield* attempt(`copying ${from} failed`, () => Fs.copyFileSync(from, copy, Fs.constants.COPYFILE_EXCL))
    const { size } = yield* attempt(`reading ${copy} failed`, () => Fs.statSync(copy))
    files.push({ path, kind, size, sha256: yield* sha256(copy) })
    sources.push({ name: path, file: copy, size })
  })
  yield* attempt(`making ${folder} failed`, () => Fs.mkdirSync(folder, { mode: 0o700 }))
  // The database first: what it names was there then, and is there now or was delivered.
  yield* add(NodePath.join(root, ...DATABASE), `${STATE}/${database}`)
  const found = yield* look(root)
  for (const path of found.files) {
    if (path !== database) yield* unlessGone(add(NodePath.join(root, ...path.split("/")), `${STATE}/${path}`))
  }
  if (configFile !== NodePath.join(root, "openclaw.json")) yield* unlessGone(add(configFile, CONFIG))
  const taken = new Set(files.map(({ path }) => path))
  const missing = (yield* namedIn(NodePath.join(folder, "0"))).filter((path) => !taken.has(`${STATE}/${path}`))
  return { files, sources, skipped: found.skipped, missing, database: NodePath.join(folder, "0") }
})

/** Makes a backup of the state directory and the configuration. There is no archive unless it is whole. */
export const create = Effect.fn("Backup.create")(function* (options: CreateOptions) {
  const { archive, configFile } = options
  const { root } = yield* StateDir
  if (Fs.existsSync(archive)) return yield* failed(`${archive} exists already; it is not replaced.`)
  const realRoot = yield* realPath(root)
  if (isWithin(yield* realPath(archive), realRoot)) {
    return yield* failed(
      `${archive} would lie inside the state directory that it is a backup of.\nFix: name another place with --output.`
    )
  }
  if (!Fs.existsSync(NodePath.join(root, ...DATABASE))) {
    return yield* failed(`there is nothing to back up: ${NodePath.join(root, ...DATABASE)} does not exist.`)
  }
  const gatewayRunning = yield* isRunning
  const folder = yield* workshop(NodePath.dirname(archive))
  const includes = yield* includesOutside(configFile, realRoot)
  let taken = yield* take(root, NodePath.join(folder, "0"), configFile)
  for (let round = 1; taken.missing.length > 0 && round < ROUNDS; round += 1) {
    yield* attempt(`clearing ${folder} failed`, () => Fs.rmSync(NodePath.dirname(taken.database), { recursive: true }))
    taken = yield* take(root, NodePath.join(folder, String(round)), configFile)
  }
  const { database, files, sources } = taken

  const now = yield* DateTime.now
  const manifest: Manifest = {
    schemaVersion: 1,
    product: "openclaw-effect",
    version: VERSION,
    createdAt: DateTime.formatIso(now),
    platform: process.platform,
    stateDir: root,
    configFile,
    databaseSchema: yield* schemaOf(database),
    gatewayRunning,
    files,
    // What is named each time and never there is lost, and does not keep the rest from being kept.
    skipped: [...taken.skipped, ...taken.missing]
  }
  const text = Buffer.from(encode(manifest))
  if (text.length > MANIFEST_MOST) {
    return yield* failed(
      `${root} has ${files.length} files, more than a backup can list.\nFix: move what is not openclaw's out of it.`
    )
  }
  const manifestFile = NodePath.join(folder, "manifest.json")
  yield* attempt(`writing ${manifestFile} failed`, () => Fs.writeFileSync(manifestFile, text, { mode: 0o600 }))
  const name = NodePath.basename(archive).replace(/(?:\.tar)?\.(?:tgz|gz)$/, "")
  const all = [{ name: "manifest.json", file: manifestFile, size: text.length }, ...sources]
  yield* write(
    archive,
    NodePath.join(folder, "archive"),
    all.map((source) => ({ ...source, name: `${name}/${source.name}` })),
    Math.floor(DateTime.toEpochMillis(now) / 1_000)
  )
  return { manifest, bytes: Fs.statSync(archive).size, includes } satisfies Created
}, Effect.scoped)
