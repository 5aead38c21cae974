import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Files from "../../../client/tunnel/sharedFiles.ts"
import { Environment } from "../../Environment.ts"
import { Json } from "../../globals.ts"
import { endsByStopping } from "../../lifetime.ts"
import { document } from "../../output.ts"
import * as State from "../../state.ts"
import { parseLine, showLine, type Style } from "../logs/lines.ts"
import { targetOf } from "./spec.ts"

const decodeTarget = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ target: Schema.String })))

interface Line {
  readonly raw: string
  /** Of a line that a tunnel wrote; its process may have written others. */
  readonly target: string | undefined
  readonly time: string
}

/** The lines of a log, each with the time of the one before it where it has none. */
const linesOf = (text: string): ReadonlyArray<Line> => {
  let time = ""
  let target: string | undefined
  return text
    .split("\n")
    .filter((raw) => raw !== "")
    .map((raw) => {
      time = parseLine(raw).time ?? time
      target = Option.getOrUndefined(decodeTarget(raw))?.target ?? target
      return { raw, target, time }
    })
}

const everything = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const texts = yield* Effect.forEach(yield* Files.logs, (file) =>
    Effect.orElseSucceed(fs.readFileString(file), () => "")
  )
  // Stable, so that the lines of one log stay in their order.
  return texts.flatMap(linesOf).toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
})

interface Flags {
  readonly target: Option.Option<string>
  readonly follow: boolean
  readonly lines: number | undefined
  readonly plain: boolean
  readonly utc: boolean
}

/** Prints what is there, in the order of time; with `--json` an object a line. */
export const run = Effect.fn("cli.tunnel.logs")(function* (flags: Flags) {
  const json = yield* Json
  const { terminal, variables } = yield* Environment
  const style: Style = {
    color: !flags.plain && terminal !== undefined && (variables["NO_COLOR"] ?? "") === "",
    utc: flags.utc
  }
  const target = Option.isSome(flags.target) ? yield* targetOf(flags.target) : undefined
  const all = Effect.map(everything, (lines) => lines.filter((line) => target === undefined || line.target === target))
  const show = ({ raw, target: whose }: Line) => {
    const line = parseLine(raw)
    if (json)
      return Console.log(document({ ...line, ...(whose === undefined ? undefined : { target: whose }) }, "line"))
    return Console.log(
      showLine(
        { ...line, message: target === undefined && whose !== undefined ? `${whose}: ${line.message}` : line.message },
        style
      )
    )
  }
  let seen = yield* all
  for (const line of seen.slice(-(flags.lines ?? 100))) yield* show(line)
  if (!flags.follow) {
    if (seen.length === 0 && !json) yield* Console.error("No tunnel was kept here yet.")
    return
  }
  yield* endsByStopping
  for (;;) {
    yield* Effect.sleep("500 millis")
    const now = yield* all
    const old = new Set(seen.map(({ raw }) => raw))
    for (const line of now) if (!old.has(line.raw)) yield* show(line)
    seen = now
  }
}, Effect.provide(State.stateDir))
