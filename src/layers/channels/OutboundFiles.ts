/**
 * Files of messages on their way out, in `media/outbound` of the state directory: mode 0600, written beside and renamed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import { OutboundFileFailed, OutboundFiles } from "../../services/OutboundFiles.ts"
import { StateDir } from "../../services/StateDir.ts"

const folder = ["media", "outbound"] as const
const isId = (name: string) => /^[0-9a-f]{64}$/.test(name)

const failed = (doing: string) => (error: PlatformError) =>
  new OutboundFileFailed({ message: `a file of a message could not be ${doing}: ${error.message}` })

const missing = (error: PlatformError): boolean => error.reason._tag === "NotFound"

export const layer: Layer.Layer<OutboundFiles, never, FileSystem.FileSystem | StateDir> = Layer.effect(
  OutboundFiles,
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const state = yield* StateDir
    const directory = state.path(...folder)
    const pathOf = (id: string) =>
      isId(id) ? Effect.succeed(state.path(...folder, id)) : Effect.die(new Error("an id of 64 hex digits is needed"))

    const keep = Effect.fn("OutboundFiles.keep")(
      function* (id: string, bytes: Uint8Array) {
        const path = yield* pathOf(id)
        const temporary = `${path}.tmp`
        yield* fs.makeDirectory(directory, { recursive: true, mode: 0o700 })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const file = yield* fs.open(temporary, { flag: "w", mode: 0o600 })
            yield* file.writeAll(bytes)
            yield* file.sync
          })
        )
        yield* fs.rename(temporary, path)
      },
      Effect.mapError(failed("kept"))
    )

    const read = Effect.fn("OutboundFiles.read")(function* (id: string) {
      const path = yield* pathOf(id)
      return yield* fs.readFile(path).pipe(
        Effect.catchIf(missing, () => Effect.undefined),
        Effect.mapError(failed("read"))
      )
    })

    const forget = Effect.fn("OutboundFiles.forget")(function* (id: string) {
      yield* Effect.mapError(fs.remove(yield* pathOf(id), { force: true }), failed("removed"))
    })

    const ids = fs.readDirectory(directory).pipe(
      Effect.catchIf(missing, () => Effect.succeed([])),
      Effect.map((names) => names.filter(isId)),
      Effect.mapError(failed("listed"))
    )

    return { keep, read, forget, ids }
  })
)
