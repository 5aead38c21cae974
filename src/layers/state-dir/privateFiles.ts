/**
 * Files that only their owner may read: checked before they are opened, replaced at once.
 */
import { randomBytes } from "node:crypto"
import * as NodePath from "node:path"
import * as Process from "node:process"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import { StateDirUnusable } from "../../services/StateDir.ts"

const OTHERS = 0o077
const WORLD_WRITE = 0o002
const octal = (mode: number) => (mode & 0o777).toString(8).padStart(4, "0")
const quote = (path: string) => `'${path.replaceAll("'", String.raw`'\''`)}'`

/** An operating system's refusal, with what the user can do about the common ones. */
export const unusable =
  (path: string, doing: string) =>
  (error: PlatformError): StateDirUnusable =>
    new StateDirUnusable({ path, message: `${path}: ${doing} failed: ${explain(error, doing)}` })

const explain = (error: PlatformError, doing: string): string => {
  const code = errno(error)
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return "no space left on the device. Free some space; nothing was changed."
    case "EROFS":
      return "the file system is read-only. Set OPENCLAW_STATE_DIR to a directory that can be written."
    case "EACCES":
    case "EPERM":
      return "permission denied. Check who owns it (ls -ld), or set OPENCLAW_STATE_DIR to a directory of your own."
    case "ENOENT":
      return doing === "creating it"
        ? "the file system takes nothing new there. Set OPENCLAW_STATE_DIR to a directory that can be written."
        : error.message
    case "ENOTDIR":
      return "a part of the path is a file, not a directory."
    default:
      return error.message
  }
}

const errno = (error: PlatformError): unknown => {
  const cause = error.reason.cause
  return typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
}

/** Nothing stands at the path. */
export const isMissing = (error: PlatformError): boolean => error.reason._tag === "NotFound"

const refuse = (path: string, message: string) =>
  Effect.fail(new StateDirUnusable({ path, message: `${path} ${message}` }))

/** What stands at a path, links not followed; `None` when nothing does. */
export const inspect = (fs: FileSystem.FileSystem, path: string) =>
  fs.lstat(path).pipe(
    Effect.asSome,
    Effect.catchIf(isMissing, () => Effect.succeedNone),
    Effect.mapError(unusable(path, "looking at it"))
  )

/** The kind of thing that stands at a path, in words. */
export const kindOf = (info: FileSystem.File.Info): string => {
  switch (info.type) {
    case "Directory":
      return "a directory"
    case "SymbolicLink":
      return "a symbolic link"
    case "FIFO":
      return "a named pipe"
    case "Socket":
      return "a socket"
    case "File":
      return "a file"
    default:
      return "a device"
  }
}

const checkOwner = (path: string, info: FileSystem.File.Info) => {
  // Windows has no user ids; its directories are private by inheritance.
  const mine = Process.getuid?.()
  const owner = Option.getOrUndefined(info.uid)
  return mine === undefined || owner === undefined || owner === mine
    ? Effect.void
    : refuse(
        path,
        `belongs to user id ${owner}, not to you (${mine}). Change its owner (sudo chown -R ${mine} ${quote(path)}), or set OPENCLAW_STATE_DIR to a directory of your own.`
      )
}

/** Takes other users' rights away and says so. */
const closeToOthers = Effect.fnUntraced(function* (
  fs: FileSystem.FileSystem,
  path: string,
  info: FileSystem.File.Info,
  mode: number
) {
  if (Process.platform === "win32" || (info.mode & OTHERS) === 0) return
  yield* Effect.mapError(fs.chmod(path, mode), unusable(path, "making it private"))
  const planted =
    (info.mode & WORLD_WRITE) === 0 ? "" : " Every user of this machine could write to it: check what is in it."
  yield* Effect.logWarning(`${path} had mode ${octal(info.mode)}; it is ${octal(mode)} now.${planted}`)
})

/**
 * Makes a directory and those above it that are missing. Node's own recursive creation never ends on a file system that
 * takes no new names and says "not found" (`/proc`).
 */
const makePath = (fs: FileSystem.FileSystem, path: string): Effect.Effect<void, PlatformError> => {
  const make = Effect.catchIf(
    fs.makeDirectory(path, { mode: 0o700 }),
    (error) => error.reason._tag === "AlreadyExists",
    () => Effect.void
  )
  const above = NodePath.dirname(path)
  return Effect.catchIf(make, isMissing, (error) =>
    Effect.flatMap(fs.exists(above), (exists) =>
      exists || above === path ? Effect.fail(error) : Effect.andThen(makePath(fs, above), make)
    )
  )
}

/** Makes a directory that only its owner can enter, or checks and repairs the one that is there. */
export const securePrivateDirectory = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, path: string) {
  const found = yield* inspect(fs, path)
  if (Option.isNone(found)) {
    // Also succeeds when another starter was faster; what that one made is checked like any other.
    yield* Effect.mapError(makePath(fs, path), unusable(path, "creating it"))
  }
  const info = Option.isSome(found) ? found : yield* inspect(fs, path)
  if (Option.isNone(info)) return yield* refuse(path, "vanished while it was being created.")
  if (info.value.type === "SymbolicLink") {
    return yield* refuse(path, "is a symbolic link. Set OPENCLAW_STATE_DIR to the directory that it points to.")
  }
  if (info.value.type !== "Directory") return yield* refuse(path, `is ${kindOf(info.value)}, not a directory.`)
  yield* checkOwner(path, info.value)
  yield* closeToOthers(fs, path, info.value, 0o700)
})

/** Checks and repairs a file before it is opened; `false` when there is none. */
export const securePrivateFile = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, path: string) {
  const info = yield* inspect(fs, path)
  if (Option.isNone(info)) return false
  // Opening a pipe would wait for a writer for ever; following a link would leave the directory.
  if (info.value.type !== "File") {
    return yield* refuse(path, `is ${kindOf(info.value)}, not a regular file. Move it away and start again.`)
  }
  yield* checkOwner(path, info.value)
  yield* closeToOthers(fs, path, info.value, 0o600)
  return true
})

/** Reads a private text file; `undefined` when there is none. */
export const readPrivateFile = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, path: string) {
  if (!(yield* securePrivateFile(fs, path))) return undefined
  return yield* fs.readFileString(path).pipe(
    Effect.catchIf(isMissing, () => Effect.undefined),
    Effect.mapError(unusable(path, "reading it"))
  )
})

/**
 * Writes a complete private file beside `path`, synced to the disk, and hands its name to `publish`. Whatever happens,
 * the temporary file is gone afterwards.
 */
export const withSyncedCopy = <A, E, R>(
  fs: FileSystem.FileSystem,
  path: string,
  content: string,
  publish: (temporary: string) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | StateDirUnusable, R> =>
  Effect.suspend(() => {
    const temporary = NodePath.join(
      NodePath.dirname(path),
      `.${NodePath.basename(path)}.${Process.pid}.${randomBytes(8).toString("hex")}.tmp`
    )
    const write = Effect.scoped(
      Effect.gen(function* () {
        const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
        yield* file.writeAll(new TextEncoder().encode(content))
        yield* file.sync
      })
    ).pipe(Effect.mapError(unusable(path, "writing it")))
    return Effect.ensuring(
      Effect.andThen(write, publish(temporary)),
      Effect.ignore(fs.remove(temporary, { force: true }))
    )
  })

/** Makes a rename durable: the directory entry itself is synced. Not every file system can, and then it is skipped. */
const syncDirectory = (fs: FileSystem.FileSystem, directory: string) =>
  Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(directory, { flag: "r" }), (handle) => handle.sync)))

/** Replaces a text file at once: readers see the old content or the new, also after a power cut. Mode 0600. */
export const replacePrivateFile = (fs: FileSystem.FileSystem, path: string, content: string) =>
  withSyncedCopy(fs, path, content, (temporary) =>
    Effect.andThen(
      Effect.mapError(fs.rename(temporary, path), unusable(path, "replacing it")),
      syncDirectory(fs, NodePath.dirname(path))
    )
  )
