/**
 * Which file a command name means on this machine.
 */
import * as Fs from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { HostPlatform } from "./HostInfo.ts"

export interface Lookup {
  /** The host's own `PATH`; a request cannot change it. */
  readonly path: string
  readonly cwd: string
  readonly platform: HostPlatform
  readonly pathExt?: string | undefined
}

export interface Executable {
  /** Absolute, as it was found; what the program sees as its own name. */
  readonly path: string
  /** With every link followed: the file that is checked and started. */
  readonly realPath: string
  /** Tells that file from one that takes its place. */
  readonly identity: Identity
}

/** Device, inode, size and time of the last change, as text. */
export type Identity = ReadonlyArray<string>

export const identityOf = (info: FileSystem.File.Info): Identity => [
  String(info.dev),
  String(Option.getOrElse(info.ino, () => 0)),
  String(info.size),
  Option.match(info.mtime, { onNone: () => "", onSome: (mtime) => String(mtime.getTime()) })
]

/** Whether this user may run the file, by the system's own word: the bits alone do not say for whom they are set. */
const mayRun = (path: string) => Effect.tryPromise(() => Fs.access(path, Fs.constants.X_OK))

/** A name with a slash is a path from `cwd`; any other is looked up in `PATH`. `undefined`: there is no such program. */
export const find = Effect.fnUntraced(function* (name: string, lookup: Lookup) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const isWindows = lookup.platform === "windows"
  const isPath = name.includes("/") || (isWindows && name.includes("\\"))
  // A relative entry would make the meaning of a name depend on the working directory.
  const folders = isPath
    ? [lookup.cwd]
    : lookup.path.split(isWindows ? ";" : ":").filter((entry) => path.isAbsolute(entry))
  const suffixes = isWindows ? ["", ...(lookup.pathExt ?? ".COM;.EXE;.BAT;.CMD").split(";")] : [""]
  for (const folder of folders) {
    for (const suffix of suffixes) {
      const candidate = path.resolve(folder, `${name}${suffix}`)
      const found = yield* Effect.gen(function* () {
        const realPath = yield* fs.realPath(candidate)
        const info = yield* Effect.filterOrFail(fs.stat(realPath), ({ type }) => type === "File")
        if (!isWindows) yield* mayRun(realPath)
        return { path: candidate, realPath, identity: identityOf(info) } satisfies Executable as Executable
      }).pipe(Effect.orElseSucceed(() => undefined))
      if (found !== undefined) return found
    }
  }
  return undefined
})
