/**
 * The end of the log file, or what came to it since a place that is known.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type { LogsTail } from "../../protocol/methods/host.ts"

export const DEFAULT_LINES = 500
export const DEFAULT_BYTES = 250_000

export interface TailOptions {
  readonly fs: FileSystem.FileSystem
  readonly file: string
  readonly cursor?: number | undefined
  readonly limit?: number | undefined
  readonly maxBytes?: number | undefined
}

const NEWLINE = 0x0a

/** A line of our own, with the names that OpenClaw's clients look for beside ours. */
const decodeRecord = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.StructWithRest(
      Schema.Struct({
        time: Schema.String,
        level: Schema.String,
        message: Schema.String,
        cause: Schema.optional(Schema.String)
      }),
      [Schema.Record(Schema.String, Schema.Unknown)]
    )
  )
)

/** A line as clients read it: one that is no record is shown as it is. */
export const lineForClients = (line: string): string =>
  Option.match(decodeRecord(line), {
    onNone: () => line,
    onSome: (record) =>
      JSON.stringify({
        ...record,
        0: record.cause === undefined ? record.message : `${record.message}\n${record.cause}`,
        _meta: { date: record.time, logLevelName: record.level.toUpperCase() }
      })
  })

const none = (file: string, reset: boolean): LogsTail => ({
  file,
  cursor: 0,
  size: 0,
  lines: [],
  truncated: false,
  reset
})

const tailOf = Effect.fnUntraced(function* (options: TailOptions): Effect.fn.Return<LogsTail, PlatformError> {
  const { cursor, file, fs, limit = DEFAULT_LINES, maxBytes = DEFAULT_BYTES } = options
  const found = yield* fs.stat(file).pipe(
    Effect.map(Option.some),
    Effect.catchIf(
      ({ reason }) => reason._tag === "NotFound",
      () => Effect.succeedNone
    )
  )
  if (Option.isNone(found)) return none(file, cursor !== undefined && cursor > 0)
  const size = Number(found.value.size)
  // A shorter file is another one; of a gap that is too long only the end is read.
  const isOther = cursor !== undefined && cursor > size
  const known = isOther ? undefined : cursor
  const least = Math.max(0, size - maxBytes)
  const start = Math.max(known ?? least, least)
  const skipped = known !== undefined && start > known
  const bytes = yield* Effect.scoped(
    Effect.gen(function* () {
      const handle = yield* fs.open(file, { flag: "r" })
      // One byte more tells whether a line begins at the start.
      const from = start > 0 ? start - 1 : 0
      const buffer = new Uint8Array(size - from)
      let read = 0
      while (read < buffer.length) {
        const count = Number(yield* handle.read(buffer.subarray(read), { position: BigInt(from + read) }))
        if (count === 0) break
        read += count
      }
      return { from, buffer: buffer.subarray(0, read) }
    })
  )
  const { buffer, from } = bytes
  const first = start === 0 ? 0 : buffer.indexOf(NEWLINE) + 1
  const end = buffer.lastIndexOf(NEWLINE) + 1
  const isCut = start > 0 && first === 0
  if (isCut || end <= first) {
    // Not one whole line: a known cursor waits for its end, unless that line is longer than what is read at once.
    const waits = known !== undefined && !skipped
    return {
      file,
      cursor: waits ? start : size,
      size,
      lines: [],
      truncated: start > 0 && !waits,
      reset: isOther || skipped
    }
  }
  const text = new TextDecoder().decode(buffer.subarray(first, end))
  const lines = text.split("\n").slice(0, -1)
  const kept = lines.slice(-limit)
  return {
    file,
    cursor: from + end,
    size,
    lines: kept,
    truncated: skipped || kept.length < lines.length || (known === undefined && start > 0),
    reset: isOther || skipped
  }
})

/**
 * Reads only whole lines; the cursor stands behind the last one. A file that is not there is empty. Of a file that was turned over
 * since, what came to it before that is read first.
 */
export const tail = Effect.fnUntraced(function* (options: TailOptions): Effect.fn.Return<LogsTail, PlatformError> {
  const { cursor, limit = DEFAULT_LINES } = options
  const now = yield* tailOf(options)
  if (now.reset !== true || cursor === undefined || now.size >= cursor) return now
  const before = yield* tailOf({ ...options, file: `${options.file}.1` })
  if (before.reset === true) return now
  const lines = [...before.lines, ...now.lines]
  return { ...now, lines: lines.slice(-limit), truncated: now.truncated === true || lines.length > limit }
})
