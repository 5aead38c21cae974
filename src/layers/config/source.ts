/**
 * The configuration's file: read with its includes, checked for size and depth, replaced at once.
 */
import * as Process from "node:process"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import JSON5 from "json5"
import type { ConfigProblem } from "../../services/Config.ts"
import { ConfigInvalid, ConfigUnreadable } from "../../services/Config.ts"
import { inspect, kindOf, replacePrivateFile, securePrivateDirectory, unusable } from "../state-dir/privateFiles.ts"

/** Bytes of one file and levels of nesting: far beyond what people write, well below what would hurt. */
const MAX_BYTES = 2_000_000
const MAX_DEPTH = 100
/** A file system's clock is coarse: what changed less than this long ago may change again under the same time. */
const SETTLED_MS = 2_000

interface Remembered {
  /** What the file looked like when it was read. */
  readonly look: string
  readonly text: string
}

export interface SourceOptions {
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
  /** Absolute path of `openclaw.json`. */
  readonly file: string
  /** Texts by file. One that looks as it did, and had settled when it was read, is not read again. */
  readonly remembered: Map<string, Remembered>
}

const lookOf = ({ dev, ino, mode, mtime, size, uid }: FileSystem.File.Info): string =>
  [
    dev,
    Option.getOrElse(ino, () => ""),
    mode,
    Option.match(mtime, { onNone: () => "", onSome: Number }),
    size,
    Option.getOrElse(uid, () => "")
  ].join(" ")

const isSettled = ({ mtime }: FileSystem.File.Info, now: number): boolean =>
  Option.isSome(mtime) && now - mtime.value.getTime() > SETTLED_MS

const unreadable = (file: string) => (error: { readonly message: string }) =>
  new ConfigUnreadable({ file, message: error.message })

const refuse = (file: string, message: string) => Effect.fail(new ConfigUnreadable({ file, message }))

export const invalid = (file: string, ...problems: ReadonlyArray<ConfigProblem>): ConfigInvalid =>
  new ConfigInvalid({ file, problems })

/**
 * The text of one file; `undefined` when there is none. Links are followed, pipes and devices are not opened. Rights of
 * other users are taken away where the file is ours; a file that strangers can write is not believed.
 */
export const readText = Effect.fnUntraced(function* (options: SourceOptions, file: string) {
  const { fs, remembered } = options
  const info = yield* fs.stat(file).pipe(
    Effect.asSome,
    Effect.catchIf(
      (error) => error.reason._tag === "NotFound",
      () => Effect.succeedNone
    ),
    Effect.mapError(unusable(file, "looking at it")),
    Effect.mapError(unreadable(file))
  )
  if (Option.isNone(info)) return undefined
  const look = lookOf(info.value)
  const known = remembered.get(file)
  if (known?.look === look) return known.text
  remembered.delete(file)
  const { mode, size, type, uid } = info.value
  if (type !== "File") return yield* refuse(file, `${file} is ${kindOf(info.value)}, not a regular file.`)
  if (Number(size) > MAX_BYTES) return yield* refuse(file, `${file} is larger than ${MAX_BYTES / 1e6} MB.`)
  if (Process.platform !== "win32" && (mode & 0o077) !== 0) {
    const ours = Option.getOrUndefined(uid) === Process.getuid?.()
    const repaired = ours ? yield* Effect.isSuccess(fs.chmod(file, 0o600)) : false
    if (repaired) {
      yield* Effect.logWarning(`${file} could be read or written by other users; its mode is 0600 now.`)
    } else if ((mode & 0o002) !== 0) {
      return yield* refuse(
        file,
        `every user of this machine can write ${file}: take that right away (chmod o-w) first.`
      )
    }
  }
  const now = yield* Clock.currentTimeMillis
  const text = yield* fs
    .readFileString(file)
    .pipe(Effect.mapError(unusable(file, "reading it")), Effect.mapError(unreadable(file)))
  if (isSettled(info.value, now)) remembered.set(file, { look, text })
  return text
})

/** Nesting is counted without recursion, so that a hostile file cannot exhaust the stack of whoever walks it later. */
export const isTooDeep = (root: unknown): boolean => {
  const stack: Array<readonly [value: unknown, depth: number]> = [[root, 0]]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [value, depth] = next
    if (typeof value !== "object" || value === null) continue
    if (depth >= MAX_DEPTH) return true
    for (const inner of Object.values(value)) stack.push([inner, depth + 1])
  }
  return false
}

const inWords = (message: string): string =>
  message.replace(/^JSON5: /, "").replace(/ at (\d+):(\d+)$/, " at line $1, column $2")

/** JSON5's messages name the place and at most one character of the text, so no secret is in them. */
const parseJson5 = (file: string, text: string) =>
  Effect.try({
    try: (): unknown => JSON5.parse(text),
    catch: (error) =>
      invalid(file, {
        path: "",
        value: "text that is not JSON5",
        expected: `valid JSON5 (${error instanceof Error ? inWords(error.message) : "unreadable"})`
      })
  })

/** What this program writes is plain JSON, and the program loads the other parser only for what is not. */
export const parseText = (file: string, text: string): Effect.Effect<unknown, ConfigInvalid> =>
  Effect.suspend(() =>
    Result.match(
      Result.try((): unknown => JSON.parse(text)),
      { onFailure: () => parseJson5(file, text), onSuccess: (value) => Effect.succeed(value) }
    )
  ).pipe(
    Effect.filterOrFail(
      (value) => !isTooDeep(value),
      () => invalid(file, { path: "", value: "deeper nesting", expected: `at most ${MAX_DEPTH} levels of nesting` })
    )
  )

/** Whether a rewrite would lose something: comments, or a way of writing that is not ours. */
const isRewritten = (text: string, value: unknown): boolean => text.trim() !== print(value).trim()

const hasNonFinite = (value: unknown): boolean =>
  typeof value === "number"
    ? !Number.isFinite(value)
    : typeof value === "object" && value !== null && Object.values(value).some(hasNonFinite)

/** Two-space JSON; JSON5 only where a value needs it (`Infinity`, `NaN`). */
export const print = (value: unknown): string =>
  hasNonFinite(value) ? JSON5.stringify(value, null, 2) : JSON.stringify(value, null, 2)

/** Replaces the file. What its author wrote by hand stays beside it as `.bak`, since comments do not survive. */
export const writeTree = Effect.fnUntraced(
  function* (
    options: SourceOptions,
    tree: unknown,
    before: { readonly text: string | undefined; readonly raw: unknown }
  ) {
    const { file, fs, path } = options
    const text = `${print(tree)}\n`
    if (Buffer.byteLength(text) > MAX_BYTES) {
      return yield* invalid(file, { path: "", value: "a larger text", expected: `at most ${MAX_BYTES / 1e6} MB` })
    }
    const found = yield* inspect(fs, file)
    if (Option.isSome(found) && found.value.type === "SymbolicLink") {
      return yield* refuse(
        file,
        `${file} is a symbolic link, and writing would replace the link. Set OPENCLAW_CONFIG_PATH to the file that it points to.`
      )
    }
    const folder = yield* inspect(fs, path.dirname(file))
    if (Option.isNone(folder)) yield* securePrivateDirectory(fs, path.dirname(file))
    if (before.text !== undefined && isRewritten(before.text, before.raw)) {
      yield* replacePrivateFile(fs, `${file}.bak`, before.text)
      yield* Effect.logWarning(`${file} is written anew, without its comments; ${file}.bak keeps the file as it was.`)
    }
    yield* replacePrivateFile(fs, file, text)
  },
  (effect, { file }) =>
    Effect.catchTag(effect, "StateDirUnusable", (error) =>
      Effect.fail(new ConfigUnreadable({ file, message: error.message }))
    )
)
