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
import { troubleOf } from "./trouble.ts"

/** The file was a database once, or should be one. */
class Damaged extends Error {}

/** Bytes up to which all pages are read after an unclean stop: some 40 ms. */
const smallBytes = 48 * 1024 * 1024
const headerBytes = 100
/** What every SQLite file begins with. */
const magic = Buffer.from("SQLite format 3\0", "latin1")

const sizeOf = (file: string): number | undefined => Fs.statSync(file, { throwIfNoEntry: false })?.size

/** Why a file cannot be used, and what to do. */
export const explain = (filename: string, cause: unknown): string => {
  const problem = cause instanceof Error ? cause.message : String(cause)
  const isDamaged = cause instanceof Damaged || troubleOf(cause) === "corrupt"
  return `cannot use the database ${filename}: ${problem}. ${
    isDamaged
      ? `Nothing was changed.\nFix: restore a backup with \`openclaw backup restore <archive>\`; or, to start with nothing, move ${filename} and the files beside it that begin with its name to another folder.`
      : "Check that its folder exists and is writable; move the file aside to start anew."
  }`
}

/** Makes an empty database under another name and gives it its name when it is complete: an empty file is never ours. */
const create = (filename: string): void => {
  const temporary = `${filename}.${process.pid}.${randomBytes(8).toString("hex")}.tmp`
  try {
    Fs.closeSync(Fs.openSync(temporary, "wx", 0o600))
    const db = new DatabaseSync(temporary)
    db.exec("PRAGMA journal_mode = WAL")
    db.close()
    Fs.linkSync(temporary, filename)
  } catch (error) {
    // Another process was faster; what it made is as good.
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST" && sizeOf(filename) !== undefined)) {
      throw error
    }
  } finally {
    Fs.rmSync(temporary, { force: true })
  }
}

const readHeader = (filename: string): Buffer => {
  const fd = Fs.openSync(filename, Fs.constants.O_RDONLY | (Fs.constants.O_NOFOLLOW ?? 0))
  try {
    const header = Buffer.alloc(headerBytes)
    return header.subarray(0, Fs.readSync(fd, header, 0, headerBytes, 0))
  } finally {
    Fs.closeSync(fd)
  }
}

/** The size that the header tells, in bytes; 0 when it tells none. */
const toldSize = (header: Buffer): number => {
  const page = header.readUInt16BE(16)
  const pageSize = page === 1 ? 65_536 : page
  if (pageSize < 512 || (pageSize & (pageSize - 1)) !== 0) throw new Damaged("its header makes no sense")
  // Counted pages are valid only when whoever changed the file last knew to count them.
  return header.readUInt32BE(24) === header.readUInt32BE(92) ? header.readUInt32BE(28) * pageSize : 0
}

/** Reads the schema, and after an unclean stop a small file's pages. Through a connection that cannot change anything. */
const readThrough = (filename: string, isUnclean: boolean, size: number): void => {
  const db = new DatabaseSync(filename, { readOnly: true, timeout: 5_000 })
  try {
    db.prepare("SELECT COUNT(*) FROM sqlite_schema").get()
    if (!isUnclean || size > smallBytes) return
    const found = db.prepare("PRAGMA quick_check(3)").all()
    const problems = found.map((row) => String(row["quick_check"])).filter((line) => line !== "ok")
    if (problems.length > 0) throw new Damaged(`it is damaged (${problems.join("; ")})`)
  } finally {
    db.close()
  }
}

/**
 * Throws when the file is not a whole database. Makes it when there is none.
 *
 * What cannot be seen: a file that was put back to an earlier state together with its companions, and one that lost its log
 * and its index (`-shm`) both; each is a whole database, only an older one.
 */
export const ready = (filename: string): void => {
  const found = Fs.lstatSync(filename, { throwIfNoEntry: false })
  const log = sizeOf(`${filename}-wal`)
  if (found === undefined) {
    if ((log ?? 0) > 0) throw new Damaged(`it is missing, but its log ${filename}-wal is there and has data`)
    return create(filename)
  }
  if (!found.isFile()) {
    throw new Error(found.isDirectory() ? "it is a directory" : "it is not a plain file")
  }
  if (found.size === 0) throw new Damaged("it is empty")
  const header = readHeader(filename)
  if (header.length < headerBytes || !header.subarray(0, magic.length).equals(magic)) {
    throw new Damaged("it is no SQLite database")
  }
  // SQLite makes the index after the log and removes it before.
  if (log === undefined && sizeOf(`${filename}-shm`) !== undefined) {
    throw new Damaged(`its log ${filename}-wal is missing, and with it the latest changes`)
  }
  const told = toldSize(header)
  // While there is a log, the file may be behind its own header.
  if ((log ?? 0) === 0 && told > found.size) throw new Damaged(`it is cut short: ${found.size} of ${told} bytes`)
  readThrough(filename, (log ?? 0) > 0, found.size)
}
