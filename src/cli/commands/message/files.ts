/**
 * Files that `message send` takes along.
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { MAX_PAYLOAD } from "../../../protocol/Frame.ts"
import { CommandFailed } from "../../errors.ts"
import { plain } from "../../output.ts"

/** Bytes that still fit into one request, in base64 and with a long text beside them. */
const maxBytes = Math.floor(((MAX_PAYLOAD - 1024 * 1024) * 3) / 4)

const types: Readonly<Record<string, string>> = {
  ".gif": "image/gif",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".json": "application/json",
  ".m4a": "audio/mp4",
  ".mp3": "audio/mpeg",
  ".mp4": "video/mp4",
  ".ogg": "audio/ogg",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".txt": "text/plain",
  ".webp": "image/webp",
  ".zip": "application/zip"
}

export interface FileToSend {
  readonly buffer: string
  readonly filename: string
  readonly contentType: string
}

/** Reads a file as `send` takes it. */
export const read = Effect.fnUntraced(function* (
  file: string
): Effect.fn.Return<FileToSend, CommandFailed, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const named = plain(file)
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(file)) {
    return yield* new CommandFailed({ message: `--media ${named} is a URL.\nFix: download it and give the file.` })
  }
  const unreadable = (why: string) =>
    new CommandFailed({ message: `--media ${named} cannot be read: ${why}.\nFix: give the path of a file.` })
  const info = yield* Effect.mapError(fs.stat(file), (error) => unreadable(error.reason._tag))
  if (info.type !== "File") return yield* unreadable("it is no file")
  if (info.size === 0n)
    return yield* new CommandFailed({ message: `--media ${named} is empty.\nFix: give another file.` })
  if (info.size > BigInt(maxBytes)) {
    return yield* new CommandFailed({
      message: `--media ${named} has ${info.size} bytes; ${maxBytes} go through the Gateway's connection.\nFix: give a smaller file.`
    })
  }
  const bytes = yield* Effect.mapError(fs.readFile(file), (error) => unreadable(error.reason._tag))
  return {
    buffer: Base64.encode(bytes),
    filename: path.basename(file),
    contentType: types[path.extname(file).toLowerCase()] ?? "application/octet-stream"
  }
})
