/**
 * Which file a command name means on this machine.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
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
  /** Absolute, as it was found. */
  readonly path: string
  /** With every link followed. */
  readonly realPath: string
}

const executableBits = 0o111

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
      const found = yield* fs.stat(candidate).pipe(
        Effect.filterOrFail((info) => info.type === "File" && (isWindows || (info.mode & executableBits) !== 0)),
        Effect.andThen(fs.realPath(candidate)),
        Effect.orElseSucceed(() => undefined)
      )
      if (found !== undefined) return { path: candidate, realPath: found } satisfies Executable as Executable
    }
  }
  return undefined
})
