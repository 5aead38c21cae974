/**
 * Archive files: a compressed tar of plain files, written under another name until it is complete.
 */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as NodePath from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { encodeHeader, ending, padding } from "./tar.ts"

/** A backup could not be made, or is not one, or is not whole. `message` says what is wrong. */
export class BackupFailed extends Schema.TaggedError<BackupFailed>()("BackupFailed", {
  message: Schema.String,
  /** What the operating system said, as `ENOENT`. */
  code: Schema.optional(Schema.String)
}) {}

export const failed = (message: string): BackupFailed => new BackupFailed({ message })

const refused = (doing: string) => (cause: unknown) =>
  cause instanceof Error
    ? new BackupFailed({
        message: `${doing}: ${cause.message}`,
        ...("code" in cause && typeof cause.code === "string" ? { code: cause.code } : undefined)
      })
    : failed(`${doing}: ${String(cause)}`)

/** Runs what may throw; `doing` begins the sentence that says so. */
export const attempt = <A>(doing: string, f: () => A): Effect.Effect<A, BackupFailed> =>
  Effect.try({ try: f, catch: refused(doing) })

/** The same for what takes its time. */
export const attemptPromise = <A>(
  doing: string,
  f: (signal: AbortSignal) => Promise<A>
): Effect.Effect<A, BackupFailed> => Effect.tryPromise({ try: f, catch: refused(doing) })

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

interface Entry extends Source {
  readonly header: Buffer
}

const entryOf = (source: Source, mtime: number): Effect.Effect<Entry, BackupFailed> => {
  const header = encodeHeader(source, mtime)
  return header === undefined
    ? Effect.fail(failed(`the name ${source.name} is too long for an archive`))
    : Effect.succeed({ ...source, header })
}

async function* blocks(entries: ReadonlyArray<Entry>, changed: (file: string) => void): AsyncGenerator<Uint8Array> {
  for (const { file, header, size } of entries) {
    yield header
    let written = 0
    for await (const chunk of Fs.createReadStream(file)) {
      if (!(chunk instanceof Uint8Array)) continue
      written += chunk.length
      yield chunk
    }
    if (written !== size) changed(file)
    yield padding(size)
  }
  yield ending
}

const sync = (path: string): void => {
  const fd = Fs.openSync(path, "r")
  Fs.fsyncSync(fd)
  Fs.closeSync(fd)
}

/**
 * Writes an archive of mode 0600 that is complete when it has its name. A file that is there is not replaced. `temporary`:
 * a name on the same disk that nobody else has; its owner takes it away.
 */
export const write = Effect.fnUntraced(function* (
  file: string,
  temporary: string,
  sources: ReadonlyArray<Source>,
  mtime: number
) {
  const entries = yield* Effect.forEach(sources, (source) => entryOf(source, mtime))
  const changed: Array<string> = []
  yield* attemptPromise(`writing ${file} failed`, async (signal) => {
    const out = Fs.createWriteStream(temporary, { flags: "wx", mode: 0o600 })
    const input = Readable.from(blocks(entries, (name) => changed.push(name)))
    await pipeline(input, createGzip({ level: 6 }), out, { signal })
  })
  if (changed.length > 0) return yield* failed(`${changed.join(", ")} changed while it was archived`)
  yield* attempt(`writing ${file} failed`, () => {
    sync(temporary)
    Fs.linkSync(temporary, file)
    sync(NodePath.dirname(file))
  })
})
