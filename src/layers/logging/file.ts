/**
 * The log file: private, appended in batches, turned over by size. A log that cannot be written stops nothing.
 */
import * as NodePath from "node:path"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { inspect, securePrivateDirectory, securePrivateFile } from "../state-dir/privateFiles.ts"

export interface LogFileOptions {
  readonly fs: FileSystem.FileSystem
  /** Absolute path. */
  readonly file: string
  /** Beyond this the file becomes `<file>.1`, replacing the one before. */
  readonly maxBytes: number
  /** Told once when writing starts to fail, with the reason. */
  readonly onFailure: (reason: string) => void
}

/** Appends lines. Lines that cannot be written are dropped; when writing works again, the file says how many. */
export const makeAppend = (options: LogFileOptions): ((lines: ReadonlyArray<string>) => Effect.Effect<void>) => {
  const { file, fs } = options
  let size: number | undefined
  let dropped = 0
  const encoder = new TextEncoder()

  const open = Effect.fnUntraced(function* () {
    yield* securePrivateDirectory(fs, NodePath.dirname(file))
    yield* securePrivateFile(fs, file)
    const info = yield* inspect(fs, file)
    return Option.match(info, { onNone: () => 0, onSome: (found) => Number(found.size) })
  })

  const append = Effect.fnUntraced(function* (lines: ReadonlyArray<string>) {
    size ??= yield* open()
    if (size > options.maxBytes) {
      yield* fs.rename(file, `${file}.1`)
      size = 0
    }
    const loss =
      dropped === 0 ? "" : `${JSON.stringify({ level: "warn", message: `${dropped} lines were lost here` })}\n`
    const bytes = encoder.encode(loss + lines.join(""))
    yield* Effect.scoped(Effect.flatMap(fs.open(file, { flag: "a", mode: 0o600 }), (handle) => handle.writeAll(bytes)))
    size += bytes.length
    dropped = 0
  })

  return (lines) =>
    Effect.catch(append(lines), (error) =>
      Effect.sync(() => {
        if (dropped === 0) options.onFailure(error.message)
        dropped += lines.length
        // Looked at anew next time: the file may have been taken away.
        size = undefined
      })
    )
}
