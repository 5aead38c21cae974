/**
 * How commands print: one JSON document with `--json`, lines for people without it.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Json } from "./globals.ts"

/** Prints a result. `human` is built only when it is shown. */
export const print = Effect.fnUntraced(function* (json: unknown, human: () => string) {
  const text = (yield* Json) ? JSON.stringify(json, null, 2) : human()
  yield* Console.log(text)
})

// Control and format characters (bidirectional marks among them): a name must not move the cursor or reorder a line.
const unsafe = /[\p{Cc}\p{Cf}]/gu

/** Text from outside (names, chat texts) made safe for a terminal: one line, control characters shown as escapes. */
export const plain = (text: string): string =>
  text.replace(unsafe, (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`)

/** Columns padded to the widest cell; the last column is not padded. */
export const table = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [header, ...rows.map((row) => row.map(plain))]
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)))
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
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
