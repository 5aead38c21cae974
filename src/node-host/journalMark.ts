/**
 * How far a journal had come, in a file beside it: a journal that knows of less than its mark is an older copy, put back.
 *
 * The mark follows the journal and never leads it, so that a crash between the two makes no copy of what is none. A copy of
 * a whole folder or disk has the mark that goes with it, and is not told apart.
 */
import * as Fs from "node:fs"

export interface Mark {
  /** Of the journal that it stands for. */
  readonly id: string
  /** Requests that it had begun. */
  readonly begun: number
}

/** Made with mode 0600. A link is not followed. Throws when it cannot be opened. */
export const openPrivate = (file: string): number => {
  const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = Fs.constants
  // Windows has neither flag.
  const fd = Fs.openSync(file, O_RDWR | O_CREAT | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0), 0o600)
  const info = Fs.fstatSync(fd)
  if (info.isFile() && (info.mode & 0o077) !== 0) Fs.fchmodSync(fd, 0o600)
  return fd
}

const LENGTH = 64
const form = /^([\w-]{36}) +(\d+)\n$/

const textOf = ({ begun, id }: Mark): string => `${id}${String(begun).padStart(LENGTH - 1 - id.length)}\n`

/** Whether a journal that says this of itself is the one that was marked last. */
export const agrees = (fd: number, journal: Mark): boolean => {
  const bytes = Buffer.alloc(LENGTH)
  const [, id, begun] = form.exec(bytes.toString("latin1", 0, Fs.readSync(fd, bytes, 0, LENGTH, 0))) ?? []
  return id === journal.id && Number(begun) <= journal.begun
}

/** Always as long as before, so that it needs no more room on a full disk. */
export const write = (fd: number, mark: Mark): void => void Fs.writeSync(fd, textOf(mark), 0, "latin1")
