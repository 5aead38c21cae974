/**
 * A file in which the Bot API server writes what happens before it happens, one JSON object a line: killed at any
 * instant and started on the same file, it knows everything that it ever answered. Whoever reads the file sees the same.
 *
 * What a test sets by hand (faults, blocked chats, files, a new token) is not in it.
 */
import * as Fs from "node:fs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { methods } from "./Methods.ts"
import { GetUpdates } from "./Params.ts"
import * as People from "./People.ts"
import type { State } from "./State.ts"

const Params = Schema.Record(Schema.String, Schema.Unknown)
const Person = Schema.Struct({
  id: Schema.Int,
  firstName: Schema.optionalKey(Schema.String),
  username: Schema.optionalKey(Schema.String)
})
const Text = Schema.Struct({
  from: Person,
  text: Schema.String,
  group: Schema.optionalKey(
    Schema.Struct({
      id: Schema.Int,
      title: Schema.optionalKey(Schema.String),
      type: Schema.optionalKey(Schema.Literals(["group", "supergroup"])),
      forum: Schema.optionalKey(Schema.Boolean)
    })
  ),
  topic: Schema.optionalKey(Schema.Int),
  mention: Schema.optionalKey(Schema.Boolean),
  replyToBot: Schema.optionalKey(Schema.Int),
  extra: Schema.optionalKey(Params)
})
const at = { at: Schema.Finite }
const Uploads = Schema.Array(
  Schema.Struct({ field: Schema.String, name: Schema.String, bytes: Schema.Uint8ArrayFromBase64 })
)

/** One line. `at`: Unix milliseconds. */
export const Entry = Schema.Union([
  /** A person wrote. */
  Schema.Struct({ ...at, text: Text }),
  /** An update was queued. */
  Schema.Struct({ ...at, update: Params }),
  /** The bot called a method; with `fault` it met one, and was carried out only if the fault says so. */
  Schema.Struct({
    ...at,
    call: Schema.String,
    params: Params,
    uploads: Schema.optionalKey(Uploads),
    fault: Schema.optionalKey(Schema.Struct({ kind: Schema.String, carriedOut: Schema.Boolean }))
  })
])
export type Entry = typeof Entry.Type

const decodeLine = Schema.decodeUnknownEffect(Schema.fromJsonString(Entry))
const encodeLine = Schema.encodeSync(Schema.fromJsonString(Entry))

/** A line of the file. */
export const parse = (line: string) => decodeLine(line)

const decodePoll = Schema.decodeUnknownOption(GetUpdates)

const clockAt = (at: number): Clock.Clock => {
  const nanos = BigInt(Math.floor(at)) * 1_000_000n
  return {
    currentTimeMillisUnsafe: () => at,
    currentTimeMillis: Effect.succeed(at),
    currentTimeNanosUnsafe: () => nanos,
    currentTimeNanos: Effect.succeed(nanos),
    monotonicTimeNanosUnsafe: () => nanos,
    monotonicTimeNanos: Effect.succeed(nanos),
    sleep: () => Effect.void
  }
}

/** Makes a state what it became by this entry. */
export const apply = Effect.fnUntraced(function* (state: State, entry: Entry) {
  if ("text" in entry) {
    People.write(state, entry.text, entry.at)
    return
  }
  if ("update" in entry) {
    state.push(entry.update)
    return
  }
  if (entry.fault?.carriedOut === false) return
  const name = entry.call.toLowerCase()
  if (name === "getupdates") {
    const poll = Option.getOrUndefined(decodePoll(entry.params))
    state.allowedUpdates = poll?.allowed_updates ?? state.allowedUpdates
    state.confirm(poll?.offset ?? 0)
    return
  }
  const call = methods[name]?.(state, entry.params, entry.uploads ?? [])
  // A call that was refused is refused again.
  if (call !== undefined) yield* Effect.ignore(Effect.provideService(call, Clock.Clock, clockAt(entry.at)))
})

/** Reads what a killed server left, and takes further entries. A last line that was cut is no entry. */
export const open = Effect.fnUntraced(function* (file: string, state: State) {
  const content = Fs.existsSync(file) ? Fs.readFileSync(file, "utf8") : ""
  const whole = content.slice(0, content.lastIndexOf("\n") + 1)
  for (const line of whole.split("\n")) {
    if (line !== "") yield* apply(state, yield* Effect.orDie(decodeLine(line)))
  }
  const fd = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const opened = Fs.openSync(file, "a", 0o600)
      Fs.ftruncateSync(opened, Buffer.byteLength(whole))
      return opened
    }),
    (opened) => Effect.sync(() => Fs.closeSync(opened))
  )
  // What the kernel has, a killed process cannot lose; only a power cut could.
  return (entry: Entry) => void Fs.writeSync(fd, `${encodeLine(entry)}\n`)
})
