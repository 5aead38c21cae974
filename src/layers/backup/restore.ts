/**
 * Putting a backup in the place of a state directory.
 *
 * Everything is checked and made ready in a folder inside the state directory; then what was there moves aside and the
 * restored files move in, each by one rename. A note marks the time in between: a Gateway that finds it does not start, and
 * restoring again begins anew. Nothing is ever deleted.
 */
import * as Fs from "node:fs"
import * as NodePath from "node:path"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { StateDir } from "../../services/StateDir.ts"
import { DATABASE, layer as storage, RESTORE_NOTE } from "../storage/Storage.ts"
import { attempt, failed } from "./archive.ts"
import { CONFIG, type Manifest, STATE } from "./Manifest.ts"
import { settle, type Settled } from "./settle.ts"
import { open } from "./verify.ts"

/** What stays in its place: the lock that is held, and what earlier restoring left. */
const stays = /^(?:gateway\.lock(?:\..*)?|\.restoring-.*|before-restore-.*|restore-in-progress\.json(?:\.tmp)?)$/

export interface RestoreOptions {
  /** Absolute path of the archive. */
  readonly archive: string
  /** Absolute path of the configuration file in use. */
  readonly configFile: string
  /** Take up what was open in the snapshot, also when the Gateway went on after it. */
  readonly resume: boolean
}

export interface Restored {
  readonly manifest: Manifest
  /** Where what was there before is; `undefined` when there was nothing. */
  readonly aside: string | undefined
  /** Where more of it, or a part of another backup, is: what restorings that were cut off had left. */
  readonly leftBehind: ReadonlyArray<string>
  /** What was set aside; `undefined` when what was open is taken up again. */
  readonly settled: Settled | undefined
}

/** What a restoring says of itself while it is half done. */
const Note = Schema.Struct({
  archive: Schema.String,
  /** The folders that hold what was there before, the oldest first. */
  asides: Schema.Array(Schema.String)
})
const decodeNote = Schema.decodeUnknownOption(Schema.fromJsonString(Note))

/** The folders of a restoring that was cut off; without a note that can be read, all that ever were put aside. */
const asidesOf = (root: string): ReadonlyArray<string> => {
  const note = NodePath.join(root, RESTORE_NOTE)
  if (!Fs.existsSync(note)) return []
  const there = Fs.readdirSync(root)
    .filter((name) => name.startsWith("before-restore-"))
    .sort()
    .map((name) => NodePath.join(root, name))
  return Option.match(decodeNote(Fs.readFileSync(note, "utf8")), {
    onNone: () => there,
    onSome: ({ asides }) => asides.filter((folder) => there.includes(folder))
  })
}

const names = (folder: string) =>
  Fs.existsSync(folder) ? Fs.readdirSync(folder).filter((name) => !stays.test(name)) : []

/** Moves what is in one folder into another, which is made. */
const moveAll = (from: string, to: string): void => {
  Fs.mkdirSync(to, { recursive: true, mode: 0o700 })
  for (const name of names(from)) Fs.renameSync(NodePath.join(from, name), NodePath.join(to, name))
}

/** There is the whole note or the one before. */
const writeNote = (file: string, note: typeof Note.Type): void => {
  const next = `${file}.tmp`
  Fs.writeFileSync(next, `${JSON.stringify(note)}\n`, { mode: 0o600, flush: true })
  Fs.renameSync(next, file)
}

/** The configuration that lay elsewhere goes where it is read now; the one that is there keeps a name of its own. */
const placeConfig = (from: string, configFile: string, stamp: string): void => {
  if (!Fs.existsSync(from)) return
  const next = `${configFile}.restored-${stamp}.tmp`
  Fs.mkdirSync(NodePath.dirname(configFile), { recursive: true, mode: 0o700 })
  Fs.copyFileSync(from, next, Fs.constants.COPYFILE_EXCL)
  Fs.chmodSync(next, 0o600)
  if (Fs.existsSync(configFile)) Fs.linkSync(configFile, `${configFile}.before-restore-${stamp}`)
  Fs.renameSync(next, configFile)
}

/** Restores a backup. Fails, with everything as it was, while a Gateway runs or when the backup is not whole. */
export const restore = Effect.fn("Backup.restore")(function* (options: RestoreOptions) {
  const { archive, configFile } = options
  const state = yield* StateDir
  const { root } = state
  yield* state.own
  // What a restoring left that was killed; nobody else restores while the directory is ours.
  yield* attempt(`clearing up in ${root} failed`, () => {
    for (const name of Fs.readdirSync(root)) {
      if (name.startsWith(".restoring-")) Fs.rmSync(NodePath.join(root, name), { recursive: true, force: true })
    }
  })
  const stamp = DateTime.formatIso(yield* DateTime.now).replaceAll(":", "-")
  const folder = yield* Effect.acquireRelease(
    attempt(`making a folder in ${root} failed`, () => Fs.mkdtempSync(NodePath.join(root, ".restoring-"))),
    (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
  )
  const opened = yield* open(archive, folder)
  const { manifest } = opened
  const restored = NodePath.join(opened.root, ...STATE.split("/"))
  const takesUp = options.resume || !manifest.gatewayRunning
  // Brought up to date and settled before anybody sees it.
  const settling = takesUp ? Effect.as(Effect.void, undefined) : settle(manifest.createdAt)
  const settled: Settled | undefined = yield* settling.pipe(
    Effect.provide(storage({ filename: NodePath.join(restored, ...DATABASE) })),
    Effect.mapError((error) => failed(`the database of ${archive} cannot be used: ${error.message}`))
  )
  const note = NodePath.join(root, RESTORE_NOTE)
  const aside = NodePath.join(root, `before-restore-${stamp}`)
  const before = yield* attempt(`looking through ${root} failed`, () => asidesOf(root))
  const hadSomething = names(root).length > 0
  const asides = hadSomething ? [...before, aside] : before
  yield* attempt(
    `restoring stopped half-way; what was there is in ${asides.join(" and ")}, and the Gateway does not start like this.\nFix: run the same command again. The reason`,
    () => {
      writeNote(note, { archive, asides })
      if (hadSomething) moveAll(root, aside)
      moveAll(restored, root)
      placeConfig(NodePath.join(opened.root, ...CONFIG.split("/")), configFile, stamp)
      Fs.rmSync(note)
    }
  ).pipe(Effect.uninterruptible)
  return { manifest, settled, aside: asides[0], leftBehind: asides.slice(1) } satisfies Restored
}, Effect.scoped)
