/**
 * Archive files: a compressed tar of plain files, written under another name until it is complete, read as a stream.
 */
import { createHash, randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as NodePath from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGunzip, createGzip } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { BLOCK, decodeHeader, encodeHeader, ending, padding } from "./tar.ts"

/** A backup could not be made, or is not one, or is not whole. `message` says what is wrong. */
export class BackupFailed extends Schema.TaggedError<BackupFailed>()("BackupFailed", { message: Schema.String }) {}

export const failed = (message: string): BackupFailed => new BackupFailed({ message })

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Runs what may throw; `doing` begins the sentence that says so. */
export const attempt = <A>(doing: string, f: () => A): Effect.Effect<A, BackupFailed> =>
  Effect.try({ try: f, catch: (cause) => failed(`${doing}: ${textOf(cause)}`) })

/** The same for what takes its time. */
export const attemptPromise = <A>(
  doing: string,
  f: (signal: AbortSignal) => Promise<A>
): Effect.Effect<A, BackupFailed> =>
  Effect.tryPromise({
    try: f,
    catch: (cause) => (cause instanceof BackupFailed ? cause : failed(`${doing}: ${textOf(cause)}`))
  })

/** The SHA-256 of a file, in hex. */
export const sha256 = (file: string): Effect.Effect<string, BackupFailed> =>
  attemptPromise(`reading ${file} failed`, async (signal) => {
    const hash = createHash("sha256")
    await pipeline(Fs.createReadStream(file), hash, { signal })
    return hash.digest("hex")
  })

/** One file to be archived: its name in the archive, and where its content is. */
export interface Source {
  readonly name: string
  readonly file: string
  readonly size: number
}

async function* blocks(sources: ReadonlyArray<Source>, mtime: number): AsyncGenerator<Buffer> {
  for (const { file, name, size } of sources) {
    const header = encodeHeader({ name, size }, mtime)
    if (header === undefined) throw failed(`the name ${name} is too long for an archive`)
    yield header
    let written = 0
    for await (const chunk of Fs.createReadStream(file)) {
      written += (chunk as Buffer).length
      yield chunk as Buffer
    }
    if (written !== size) throw failed(`${file} changed while it was archived`)
    yield padding(size)
  }
  yield ending
}

const sync = (path: string): void => {
  const fd = Fs.openSync(path, "r")
  Fs.fsyncSync(fd)
  Fs.closeSync(fd)
}

/** Writes an archive of mode 0600 that is complete when it has its name. A file that is there is not replaced. */
export const write = (file: string, sources: ReadonlyArray<Source>, mtime: number) =>
  Effect.acquireUseRelease(
    Effect.sync(() => `${file}.${process.pid}.${randomBytes(8).toString("hex")}.tmp`),
    (temporary) =>
      attemptPromise(`writing ${file} failed`, async (signal) => {
        const out = Fs.createWriteStream(temporary, { flags: "wx", mode: 0o600 })
        await pipeline(Readable.from(blocks(sources, mtime)), createGzip({ level: 6 }), out, { signal })
        sync(temporary)
        Fs.linkSync(temporary, file)
        sync(NodePath.dirname(file))
      }),
    (temporary) => Effect.sync(() => Fs.rmSync(temporary, { force: true }))
  )

/** Bytes of a stream, in the portions that are asked for. */
class Portions {
  private readonly chunks: AsyncIterator<Buffer>
  private rest: Buffer = Buffer.alloc(0)

  constructor(stream: AsyncIterable<Buffer>) {
    this.chunks = stream[Symbol.asyncIterator]()
  }

  /** At most so many bytes, at least one; none at the end. */
  async some(most: number): Promise<Buffer> {
    if (this.rest.length === 0) {
      const next = await this.chunks.next()
      if (next.done === true) return this.rest
      this.rest = next.value
    }
    const taken = this.rest.subarray(0, most)
    this.rest = this.rest.subarray(taken.length)
    return taken
  }

  /** Exactly so many bytes. */
  async exactly(size: number): Promise<Buffer> {
    const parts: Array<Buffer> = []
    let left = size
    while (left > 0) {
      const part = await this.some(left)
      if (part.length === 0) throw failed("it ends in the middle")
      parts.push(part)
      left -= part.length
    }
    return Buffer.concat(parts)
  }
}

/** A name that stays inside the folder it is unpacked into. */
const isSafe = (name: string): boolean =>
  name !== "" &&
  !name.includes("\\") &&
  !name.includes("\0") &&
  name.split("/").every((step) => step !== "" && step !== "." && step !== "..")

/** What was unpacked. */
export interface Unpacked {
  readonly name: string
  readonly file: string
  readonly size: number
  readonly sha256: string
}

async function unpackOne(portions: Portions, file: string, size: number): Promise<string> {
  const hash = createHash("sha256")
  Fs.mkdirSync(NodePath.dirname(file), { recursive: true, mode: 0o700 })
  const fd = Fs.openSync(file, "wx", 0o600)
  try {
    for (let left = size; left > 0;) {
      const part = await portions.some(left)
      if (part.length === 0) throw failed("it ends in the middle")
      hash.update(part)
      Fs.writeSync(fd, part)
      left -= part.length
    }
    Fs.fsyncSync(fd)
  } finally {
    Fs.closeSync(fd)
  }
  await portions.exactly(padding(size).length)
  return hash.digest("hex")
}

async function unpackAll(archive: string, folder: string, signal: AbortSignal): Promise<ReadonlyArray<Unpacked>> {
  const source = Fs.createReadStream(archive)
  const gunzip = createGunzip()
  source.once("error", (error) => gunzip.destroy(error))
  const portions = new Portions(source.pipe(gunzip))
  const found: Array<Unpacked> = []
  const names = new Set<string>()
  try {
    while (true) {
      signal.throwIfAborted()
      const header = decodeHeader(await portions.exactly(BLOCK))
      if (header === "end") return found
      if ("problem" in header) throw failed(header.problem)
      const { name, size } = header
      if (!isSafe(name)) throw failed(`the name ${JSON.stringify(name)} in it is not safe`)
      if (names.has(name)) throw failed(`${JSON.stringify(name)} is in it twice`)
      names.add(name)
      const file = NodePath.join(folder, ...name.split("/"))
      found.push({ name, file, size, sha256: await unpackOne(portions, file, size) })
    }
  } finally {
    source.destroy()
    gunzip.destroy()
  }
}

/** Unpacks an archive into an empty private folder. Names that lead out of it, and what is no plain file, are refused. */
export const unpack = (archive: string, folder: string): Effect.Effect<ReadonlyArray<Unpacked>, BackupFailed> =>
  attemptPromise(`${archive} cannot be read as a backup`, (signal) => unpackAll(archive, folder, signal)).pipe(
    Effect.mapError((error) =>
      error.message.startsWith(archive) ? error : failed(`${archive} cannot be read as a backup: ${error.message}`)
    )
  )
