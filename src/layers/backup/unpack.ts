/**
 * Reading an archive: its manifest first, then what the manifest tells and nothing else.
 */
import * as Fs from "node:fs"
import * as NodePath from "node:path"
import { createGunzip } from "node:zlib"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { attempt, attemptPromise, type BackupFailed, failed, sha256 } from "./archive.ts"
import { decode, type Manifest, MANIFEST_MOST } from "./Manifest.ts"
import { BLOCK, decodeHeader, padding, type TarHeader } from "./tar.ts"

/** Bytes of an archive, in the portions that are asked for. */
interface Portions {
  /** At most so many bytes, at least one. */
  readonly some: (most: number) => Effect.Effect<Buffer, BackupFailed>
  /** Exactly so many bytes, all in memory. */
  readonly exactly: (size: number) => Effect.Effect<Buffer, BackupFailed>
}

const portionsOf = Effect.fnUntraced(function* (
  archive: string
): Effect.fn.Return<Portions, BackupFailed, Scope.Scope> {
  const stream = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const source = Fs.createReadStream(archive)
      const gunzip = createGunzip({ chunkSize: 65_536 })
      source.once("error", (error) => gunzip.destroy(error))
      return { source, gunzip: source.pipe(gunzip) }
    }),
    ({ gunzip, source }) =>
      Effect.sync(() => {
        source.destroy()
        gunzip.destroy()
      })
  )
  const chunks: AsyncIterator<unknown> = stream.gunzip[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)

  const some = Effect.fnUntraced(function* (most: number) {
    if (rest.length === 0) {
      const { value } = yield* attemptPromise(`${archive} cannot be read as a backup`, () => chunks.next())
      if (!Buffer.isBuffer(value)) return yield* failed(`${archive} cannot be read as a backup: it ends in the middle`)
      rest = value
    }
    const taken = rest.subarray(0, most)
    rest = rest.subarray(taken.length)
    return taken
  })

  const exactly = Effect.fnUntraced(function* (size: number) {
    const parts: Array<Buffer> = []
    for (let left = size; left > 0; left -= parts.at(-1)?.length ?? left) parts.push(yield* some(left))
    return Buffer.concat(parts)
  })

  return { some, exactly }
})

/** A name that stays inside the folder it is unpacked into. */
const isSafe = (name: string): boolean =>
  name !== "" &&
  !name.includes("\\") &&
  !name.includes("\0") &&
  name.split("/").every((step) => step !== "" && step !== "." && step !== "..")

/** Writes all of it: an operating system may take less than it is given, and says so. */
const writeAll = (fd: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length;) at += Fs.writeSync(fd, bytes, at)
}

const unpackOne = Effect.fnUntraced(function* (portions: Portions, file: string, size: number) {
  const doing = `unpacking to ${file} failed`
  yield* attempt(doing, () => Fs.mkdirSync(NodePath.dirname(file), { recursive: true, mode: 0o700 }))
  yield* Effect.acquireUseRelease(
    attempt(doing, () => Fs.openSync(file, "wx", 0o600)),
    Effect.fnUntraced(function* (fd) {
      for (let left = size; left > 0;) {
        const part = yield* portions.some(left)
        yield* attempt(doing, () => writeAll(fd, part))
        left -= part.length
      }
      yield* attempt(doing, () => Fs.fsyncSync(fd))
    }),
    (fd) => attempt(doing, () => Fs.closeSync(fd))
  )
  yield* portions.exactly(padding(size).length)
})

/** Room on disk that a file takes at most beyond its content. */
const ROUNDING = 4_096

/** Nothing is written unless everything that the manifest tells has room. */
const checkRoom = Effect.fnUntraced(function* (archive: string, folder: string, manifest: Manifest) {
  const needed = manifest.files.reduce((sum, { size }) => sum + size + ROUNDING, 0)
  const { bavail, bsize } = yield* attempt(`looking for room in ${folder} failed`, () => Fs.statfsSync(folder))
  if (needed > bavail * bsize) {
    return yield* failed(
      `unpacking ${archive} needs ${needed} bytes in ${folder}, where ${bavail * bsize} are free.\nFix: make room there.`
    )
  }
})

/** What an archive holds, unpacked; every file is what the manifest says. */
export interface Unpacked {
  readonly manifest: Manifest
  /** The archive's root folder, unpacked. */
  readonly root: string
  /** Where a file of the manifest is. */
  readonly place: (path: string) => string
}

/**
 * Unpacks an archive into an empty private folder. Before the first byte is written it is known what will be, and that there
 * is room for it; names that lead out of the folder, what is no plain file, and what the manifest does not tell are refused.
 */
export const unpack = Effect.fnUntraced(function* (
  archive: string,
  folder: string
): Effect.fn.Return<Unpacked, BackupFailed, Scope.Scope> {
  const unreadable = (problem: string) => failed(`${archive} cannot be read as a backup: ${problem}`)
  const portions = yield* portionsOf(archive)
  const names = new Set<string>()

  const next = Effect.gen(function* (): Effect.fn.Return<TarHeader | undefined, BackupFailed> {
    const header = decodeHeader(yield* portions.exactly(BLOCK))
    if (header === "end") return undefined
    if ("problem" in header) return yield* unreadable(header.problem)
    const shown = JSON.stringify(header.name)
    if (!isSafe(header.name)) return yield* unreadable(`the name ${shown} in it is not safe`)
    if (names.has(header.name)) return yield* unreadable(`${shown} is in it twice`)
    names.add(header.name)
    return header
  })

  const first = yield* next
  const [name = "", file, ...more] = first?.name.split("/") ?? []
  if (first === undefined || file !== "manifest.json" || more.length > 0) {
    return yield* failed(`${archive} is no backup of openclaw's: it has no manifest at its beginning.`)
  }
  if (first.size > MANIFEST_MOST) {
    return yield* failed(`${archive} is no backup of openclaw's: its manifest has ${first.size} bytes.`)
  }
  const text = yield* portions.exactly(first.size)
  yield* portions.exactly(padding(first.size).length)
  const manifest = yield* Effect.mapError(decode(text.toString("utf8")), () =>
    failed(`${archive} is no backup that this version knows: its manifest is of another form.`)
  )
  const told = new Map(manifest.files.map((entry) => [entry.path, entry]))
  if (told.size !== manifest.files.length) return yield* unreadable("its manifest tells a file twice")
  yield* checkRoom(archive, folder, manifest)

  const root = NodePath.join(folder, name)
  const place = (path: string) => NodePath.join(root, ...path.split("/"))
  for (let header = yield* next; header !== undefined; header = yield* next) {
    const path = header.name.slice(name.length + 1)
    const entry = header.name.startsWith(`${name}/`) ? told.get(path) : undefined
    if (entry === undefined) {
      return yield* failed(
        `${archive} was changed: it has ${JSON.stringify(header.name)}, which its manifest does not name.`
      )
    }
    if (entry.size !== header.size) {
      return yield* failed(`${archive} is damaged: ${path} has ${header.size} bytes, not ${entry.size}.`)
    }
    yield* unpackOne(portions, place(path), entry.size)
    // Of what is on the disk now, not of what was to be written.
    if ((yield* sha256(place(path))) !== entry.sha256) {
      return yield* failed(`${archive} is damaged: ${path} is not what was stored (its SHA-256 differs).`)
    }
    told.delete(path)
  }
  const [missing] = told.keys()
  if (missing !== undefined) return yield* failed(`${archive} is not whole: ${missing} is missing.`)
  return { manifest, root, place }
}, Effect.scoped)
