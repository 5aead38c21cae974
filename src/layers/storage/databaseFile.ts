/**
 * The database's file before it is opened for writing: made when it is missing, refused when it is damaged. What is refused
 * is left exactly as it was found, so that it can still be repaired or compared with a backup.
 *
 * The header, the companion files and the schema are looked at on every start, which takes as long for a large file as for
 * a small one. The pages are read only after an unclean stop and only of a file that is small enough to read at once;
 * `openclaw backup verify` and `openclaw backup create` read all of them.
 */
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { troubleOf } from "./trouble.ts"

/** The file cannot be used as it is. */
export class DatabaseRefused extends Schema.TaggedError<DatabaseRefused>()("DatabaseRefused", {
  message: Schema.String,
  /** It was a database once, or should be one. */
  damaged: Schema.Boolean,
  /** The operating system's name for what went wrong. */
  code: Schema.optional(Schema.String)
}) {}

const damaged = (message: string) => new DatabaseRefused({ message, damaged: true })

const refused = (cause: unknown): DatabaseRefused =>
  new DatabaseRefused({
    message: cause instanceof Error ? cause.message : String(cause),
    damaged: troubleOf(cause) === "corrupt",
    ...(cause instanceof Error && "code" in cause ? { code: String(cause.code) } : undefined)
  })

const attempt = <A>(f: () => A): Effect.Effect<A, DatabaseRefused> => Effect.try({ try: f, catch: refused })

/** Bytes up to which all pages are read after an unclean stop: some 40 ms. */
const smallBytes = 48 * 1024 * 1024
const headerBytes = 100
/** What every SQLite file begins with. */
const magic = Buffer.from("SQLite format 3\0", "latin1")

const sizeOf = (file: string): number | undefined => Fs.statSync(file, { throwIfNoEntry: false })?.size

/** Why a file cannot be used, and what to do. */
export const explain = (filename: string, cause: unknown): string => {
  const problem = cause instanceof Error ? cause.message : String(cause)
  const isDamaged = cause instanceof DatabaseRefused ? cause.damaged : troubleOf(cause) === "corrupt"
  return `cannot use the database ${filename}: ${problem}. ${
    isDamaged
      ? `Nothing was changed.\nFix: restore a backup with \`openclaw backup restore <archive>\`; or, to start with nothing, move ${filename} and the files beside it that begin with its name to another folder.`
      : "Check that its folder exists and is writable; move the file aside to start anew."
  }`
}

/** Makes an empty database under another name and gives it its name when it is complete: an empty file is never ours. */
const create = (filename: string): Effect.Effect<void, DatabaseRefused> =>
  Effect.acquireUseRelease(
    Effect.sync(() => `${filename}.${process.pid}.${randomBytes(8).toString("hex")}.tmp`),
    (temporary) =>
      attempt(() => {
        Fs.closeSync(Fs.openSync(temporary, "wx", 0o600))
        const db = new DatabaseSync(temporary)
        db.exec("PRAGMA journal_mode = WAL")
        db.close()
        Fs.linkSync(temporary, filename)
      }).pipe(
        // Another process was faster; what it made is as good.
        Effect.catchIf(
          ({ code }) => code === "EEXIST",
          () => Effect.void
        )
      ),
    (temporary) => Effect.sync(() => Fs.rmSync(temporary, { force: true }))
  )

const readHeader = (filename: string): Effect.Effect<Buffer, DatabaseRefused> =>
  Effect.acquireUseRelease(
    attempt(() => Fs.openSync(filename, Fs.constants.O_RDONLY | (Fs.constants.O_NOFOLLOW ?? 0))),
    (fd) =>
      attempt(() => {
        const header = Buffer.alloc(headerBytes)
        return header.subarray(0, Fs.readSync(fd, header, 0, headerBytes, 0))
      }),
    (fd) => Effect.sync(() => Fs.closeSync(fd))
  )

/** The size that the header tells, in bytes; 0 when it tells none, `undefined` when it makes no sense. */
const toldSize = (header: Buffer): number | undefined => {
  const page = header.readUInt16BE(16)
  const pageSize = page === 1 ? 65_536 : page
  if (pageSize < 512 || (pageSize & (pageSize - 1)) !== 0) return undefined
  // Counted pages are valid only when whoever changed the file last knew to count them.
  return header.readUInt32BE(24) === header.readUInt32BE(92) ? header.readUInt32BE(28) * pageSize : 0
}

/** What is wrong with the pages of an open database, at most so many lines; none when it is whole. */
export const problemsOf = (db: DatabaseSync, check: "quick_check" | "integrity_check", most: number) =>
  attempt(() =>
    db
      .prepare(`PRAGMA ${check}(${most})`)
      .all()
      .map((row) => String(row[check]))
      .filter((line) => line !== "ok")
  )

/** Reads the schema, and after an unclean stop a small file's pages. Through a connection that cannot change anything. */
const readThrough = (filename: string, isUnclean: boolean, size: number) =>
  Effect.acquireUseRelease(
    attempt(() => new DatabaseSync(filename, { readOnly: true, timeout: 5_000 })),
    Effect.fnUntraced(function* (db) {
      yield* attempt(() => db.prepare("SELECT COUNT(*) FROM sqlite_schema").get())
      if (!isUnclean || size > smallBytes) return
      const problems = yield* problemsOf(db, "quick_check", 3)
      if (problems.length > 0) return yield* damaged(`it is damaged (${problems.join("; ")})`)
    }),
    (db) => Effect.sync(() => db.close())
  )

/**
 * Fails when the file is not a whole database. Makes it when there is
 * none.
 *
 * What cannot be seen: a file that was put back to an earlier state together with its companions, and one that lost its log
 * and its index (`-shm`) both; each is a whole database, only an older one.
 */
export const ready = Effect.fnUntraced(function* (filename: string): Effect.fn.Return<void, DatabaseRefused> {
  const found = yield* attempt(() => Fs.lstatSync(filename, { throwIfNoEntry: false }))
  const log = yield* attempt(() => sizeOf(`${filename}-wal`))
  if (found === undefined) {
    if ((log ?? 0) > 0) return yield* damaged(`it is missing, but its log ${filename}-wal is there and has data`)
    return yield* create(filename)
  }
  if (!found.isFile()) {
    const message = found.isDirectory() ? "it is a directory" : "it is not a plain file"
    return yield* new DatabaseRefused({ message, damaged: false })
  }
  if (found.size === 0) return yield* damaged("it is empty")
  const header = yield* readHeader(filename)
  if (header.length < headerBytes || !header.subarray(0, magic.length).equals(magic)) {
    return yield* damaged("it is no SQLite database")
  }
  // SQLite makes the index after the log and removes it before.
  if (log === undefined && (yield* attempt(() => sizeOf(`${filename}-shm`))) !== undefined) {
    return yield* damaged(`its log ${filename}-wal is missing, and with it the latest changes`)
  }
  const told = toldSize(header)
  if (told === undefined) return yield* damaged("its header makes no sense")
  // While there is a log, the file may be behind its own header.
  if ((log ?? 0) === 0 && told > found.size) {
    return yield* damaged(`it is cut short: ${found.size} of ${told} bytes`)
  }
  yield* readThrough(filename, (log ?? 0) > 0, found.size)
})
