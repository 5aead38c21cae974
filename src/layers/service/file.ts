/**
 * The file of a service's definition: read as it stands, replaced at once.
 */
import { randomBytes } from "node:crypto"
import * as NodePath from "node:path"
import * as Process from "node:process"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import { ServiceFileUnusable } from "../../services/ServiceManager.ts"

const isMissing = (error: PlatformError): boolean => error.reason._tag === "NotFound"

const unusable = (path: string, problem: string) => (error: PlatformError) =>
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
    const folder = NodePath.dirname(path)
    yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })
    const temporary = NodePath.join(
      folder,
      `.${NodePath.basename(path)}.${Process.pid}.${randomBytes(8).toString("hex")}.tmp`
    )
    const write = Effect.scoped(
      Effect.gen(function* () {
        const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
        yield* file.writeAll(new TextEncoder().encode(text))
        yield* file.sync
      })
    )
    yield* Effect.ensuring(
      Effect.andThen(write, fs.rename(temporary, path)),
      Effect.ignore(fs.remove(temporary, { force: true }))
    )
  }).pipe(Effect.mapError(unusable(path, "cannot be written")))

export const remove = (fs: FileSystem.FileSystem, path: string) =>
  Effect.mapError(fs.remove(path, { force: true }), unusable(path, "cannot be removed"))
