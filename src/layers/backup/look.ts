/**
 * What a backup takes from the disk: files that may go away while it looks at them.
 */
import * as Fs from "node:fs"
import * as NodePath from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import JSON5 from "json5"
import { attempt, type BackupFailed } from "./archive.ts"

/** Logs, locks, half-written files, SQLite's companions (their content is in the copy), and what restoring puts aside. */
const passedOver =
  /^(?:logs|gateway\.lock(?:\..*)?|.*\.tmp|.*-(?:wal|shm|journal)|\.restoring-.*|before-restore-.*|restore-in-progress\.json)$/

/** What went away in the meantime is `undefined`. */
export const unlessGone = <A>(effect: Effect.Effect<A, BackupFailed>): Effect.Effect<A | undefined, BackupFailed> =>
  Effect.catchIf(
    effect,
    ({ code }) => code === "ENOENT",
    () => Effect.undefined
  )

export interface Found {
  readonly files: ReadonlyArray<string>
  readonly skipped: ReadonlyArray<string>
}

/** Files below a folder, as sorted paths relative to it with `/`. Links are not followed. */
export const look = Effect.fnUntraced(function* (root: string): Effect.fn.Return<Found, BackupFailed> {
  const files: Array<string> = []
  const skipped: Array<string> = []
  const folders = [""]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const here = NodePath.join(root, folder)
    const entries = yield* unlessGone(
      attempt(`looking through ${here} failed`, () => Fs.readdirSync(here, { withFileTypes: true }))
    )
    for (const entry of entries ?? []) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`
      if (passedOver.test(entry.name)) continue
      if (entry.isDirectory()) folders.push(path)
      else if (entry.isFile()) files.push(path)
      else skipped.push(path)
    }
  }
  return { files: files.sort(), skipped: skipped.sort() }
})

const decodeIds = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ id: Schema.NonEmptyString })))

/** The files that messages in a copy of the database wait to be sent with, as paths in the state directory. */
export const namedIn = (file: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.acquireUseRelease(
    attempt(`opening ${file} failed`, () => new DatabaseSync(file, { readOnly: true })),
    (db) =>
      attempt(`reading ${file} failed`, () =>
        db
          .prepare(
            `SELECT DISTINCT json_extract(media.value, '$.id') AS id
             FROM channel_outbox, json_each(channel_outbox.message, '$.media') AS media WHERE message IS NOT NULL`
          )
          .all()
      ).pipe(Effect.flatMap(decodeIds)),
    (db) => Effect.sync(() => db.close())
  ).pipe(
    Effect.map((rows) => rows.map(({ id }) => `media/outbound/${id}`)),
    // A database of an older version keeps no files for messages.
    Effect.orElseSucceed(() => [])
  )

/** The path without links, also of what does not exist yet (its folder does). */
export const realPath = (path: string): Effect.Effect<string, BackupFailed> =>
  attempt(`looking for ${path} failed`, () =>
    Fs.existsSync(path)
      ? Fs.realpathSync.native(path)
      : NodePath.join(Fs.realpathSync.native(NodePath.dirname(path)), NodePath.basename(path))
  )

/** Whether a path is a folder or lies inside of it. Both without links. */
export const isWithin = (path: string, folder: string): boolean =>
  `${path}${NodePath.sep}`.startsWith(folder.endsWith(NodePath.sep) ? folder : `${folder}${NodePath.sep}`)

const includedBy = (node: unknown): ReadonlyArray<string> => {
  if (typeof node !== "object" || node === null) return []
  return Object.entries(node).flatMap(([key, value]): ReadonlyArray<string> => {
    if (key !== "$include") return includedBy(value)
    return [value].flat().filter((name) => typeof name === "string")
  })
}

/** The files that a configuration includes, and those that they include, which lie outside of a folder. */
export const includesOutside = Effect.fnUntraced(function* (configFile: string, folder: string) {
  const outside = new Set<string>()
  const seen = new Set<string>()
  const files = [configFile]
  for (let file = files.pop(); file !== undefined; file = files.pop()) {
    const from = file
    if (seen.has(from)) continue
    seen.add(from)
    // Whether the configuration can be used is not a backup's question.
    const tree = yield* Effect.orElseSucceed(
      attempt(`reading ${from} failed`, (): unknown => JSON5.parse(Fs.readFileSync(from, "utf8"))),
      () => undefined
    )
    for (const name of includedBy(tree)) {
      const path = NodePath.resolve(NodePath.dirname(from), name)
      files.push(path)
      const real = yield* Effect.orElseSucceed(realPath(path), () => path)
      if (!isWithin(real, folder)) outside.add(path)
    }
  }
  return [...outside].sort()
})
