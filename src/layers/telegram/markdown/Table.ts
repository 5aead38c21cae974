/**
 * Tables: Telegram has none, so they become aligned text in a code block.
 */
import { parseInline } from "./Inline.ts"

/** Wider cells are written whole and push the rest of their row aside. */
const maxWidth = 40

/** Cells of a row; `\|` is a bar inside a cell. */
export const splitRow = (line: string): ReadonlyArray<string> => {
  const row = line.trim()
  const cells: Array<string> = []
  let cell = ""
  for (let at = row.startsWith("|") ? 1 : 0; at < row.length; at++) {
    const char = row[at]!
    if (char === "\\" && row[at + 1] === "|") {
      cell += "|"
      at += 1
    } else if (char === "|") {
      cells.push(cell.trim())
      cell = ""
    } else cell += char
  }
  if (cell.trim() !== "" || cells.length === 0) cells.push(cell.trim())
  return cells
}

/** A header row with the line of dashes under it. */
export const isTableStart = (line: string, next: string | undefined): boolean =>
  next !== undefined &&
  line.includes("|") &&
  next.includes("-") &&
  next.includes("|") &&
  splitRow(next).every((cell) => /^:?-+:?$/.test(cell))

const width = (text: string): number => [...text].length

const pad = (text: string, to: number): string => text + " ".repeat(Math.max(0, to - width(text)))

/** The rows as aligned text, the first one underlined. */
export const renderTable = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const cells = rows.map((row) => row.map((cell) => parseInline(cell).text.replaceAll("\n", " ")))
  const columns = cells.reduce((most, row) => Math.max(most, row.length), 0)
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.min(
      maxWidth,
      cells.reduce((most, row) => Math.max(most, width(row[column] ?? "")), 1)
    )
  )
  const lines = cells.map((row) =>
    row
      .map((cell, column) => pad(cell, widths[column]!))
      .join(" | ")
      .trimEnd()
  )
  const underline = widths.map((size) => "-".repeat(size)).join("-+-")
  return [lines[0]!, underline, ...lines.slice(1)].join("\n")
}
