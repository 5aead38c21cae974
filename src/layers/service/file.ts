/**
 * The file of a service's definition: read as it stands, replaced at once.
 */
import * as NodePath from "node:path"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import { ServiceFileUnusable } from "../../services/ServiceManager.ts"
import type { StateDirUnusable } from "../../services/StateDir.ts"
import { isMissing, replacePrivateFile } from "../state-dir/privateFiles.ts"

const unusable = (path: string, problem: string) => (error: PlatformError | StateDirUnusable) =>
  new ServiceFileUnusable({ path, problem: `${problem} (${error.message}).` })

/** `None` when there is none. Whatever a link leads to is read; a device, a pipe or a folder is refused. */
export const read = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, path: string) {
  const info = yield* fs.stat(path).pipe(
    Effect.asSome,
    Effect.catchIf(isMissing, () => Effect.succeedNone),
    Effect.mapError(unusable(path, "cannot be looked at"))
  )
  if (Option.isNone(info)) return Option.none<string>()
  // `systemctl mask` links a unit to the device that is always empty.
  if (info.value.type === "CharacterDevice") return Option.some("")
  if (info.value.type !== "File") return yield* new ServiceFileUnusable({ path, problem: "is not a file." })
  return Option.some(yield* Effect.mapError(fs.readFileString(path), unusable(path, "cannot be read")))
})

/** Whoever reads it finds the old text or the new one, also after a power cut. */
export const replace = (fs: FileSystem.FileSystem, path: string, text: string) =>
  Effect.gen(function* () {
    yield* fs.makeDirectory(NodePath.dirname(path), { recursive: true, mode: 0o700 })
    yield* replacePrivateFile(fs, path, text)
  }).pipe(Effect.mapError(unusable(path, "cannot be written")))

export const remove = (fs: FileSystem.FileSystem, path: string) =>
  Effect.mapError(fs.remove(path, { force: true }), unusable(path, "cannot be removed"))
