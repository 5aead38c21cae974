/**
 * How commands print: one JSON document with `--json`, lines for people without it. Whatever came from outside (names,
 * chat texts, a Gateway's own sentences) is made safe for a terminal on the way.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Json } from "./globals.ts"
import { document, lines, plain } from "./text.ts"
import { displayWidth } from "./width.ts"

export { document, lines, plain }

/** Of a display name, a list shows this much. */
const MAX_NAME = 40

/** A display name for a column: whoever chose it shall not push the other columns off the screen. */
export const shortName = (text: string): string => {
  const characters = [...plain(text)]
  return characters.length <= MAX_NAME ? characters.join("") : `${characters.slice(0, MAX_NAME - 1).join("")}…`
}

/** Prints a result. `human` is built only when it is shown. */
export const print = Effect.fnUntraced(function* (json: unknown, human: () => string) {
  const text = (yield* Json) ? document(json) : human()
  if (text !== "") yield* Console.log(text)
})

const pad = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - displayWidth(text)))

/** Columns padded to the widest cell; the last column is not padded. Cells are made safe here. */
export const table = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [header, ...rows.map((row) => row.map(plain))]
  const widths = header.map((_, column) => Math.max(...all.map((row) => displayWidth(row[column] ?? ""))))
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : pad(cell, widths[column] ?? 0)))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

/** `Name:  value` lines with the values under each other; rows without a value are left out. Values are made safe here. */
export const fields = (rows: ReadonlyArray<readonly [name: string, value: string | undefined]>): string => {
  const shown = rows.flatMap(([name, value]) => (value === undefined || value === "" ? [] : [[name, value] as const]))
  const width = Math.max(0, ...shown.map(([name]) => name.length + 1))
  return shown.map(([name, value]) => `${`${name}:`.padEnd(width)}  ${plain(value)}`).join("\n")
}

const units = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"]
] as const

/** Milliseconds in the largest fitting unit: `3m`, `2h`, `850ms`. */
export const duration = (ms: number): string => {
  for (const [size, name] of units) if (ms >= size) return `${Math.floor(ms / size)}${name}`
  return `${Math.max(0, Math.round(ms))}ms`
}

/** How long ago a time was: `3m ago`; `never` without one. Both are Unix milliseconds. */
export const ago = (now: number, then: number | null | undefined): string => {
  if (then === null || then === undefined) return "never"
  return now - then < 1000 ? "just now" : `${duration(now - then)} ago`
}

/** `1 node`, `2 nodes`. */
export const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`

/** The first 12 characters of an id: enough to tell devices apart, and accepted wherever a node is named. */
export const shortId = (id: string): string => id.slice(0, 12)

/** A path under the home directory as `~/…`. */
export const tilde = (path: string, home: string): string =>
  path === home ? "~" : path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path
