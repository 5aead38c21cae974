/**
 * The little Markdown that the reference is written in.
 */
import type { Row } from "./shapes.ts"

const cell = (text: string) => text.replaceAll("|", "\\|").replace(/\s+/g, " ").trim()

export const table = (heads: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.map(cell).join(" | ")} |`).join("\n")

/** Fields with their types; the column of words is left out where nothing has any. */
export const fields = (rows: ReadonlyArray<Row>): string => {
  const hasDocs = rows.some(({ doc }) => doc !== "")
  return table(
    ["field", "type", "", ...(hasDocs ? ["what it says"] : [])],
    rows.map(({ doc, path, required, type }) => [
      `\`${path}\``,
      type,
      required ? "required" : "",
      ...(hasDocs ? [doc] : [])
    ])
  )
}

export const anchor = (title: string) =>
  title
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-")

export const json = (value: unknown): string => `\`\`\`json\n${JSON.stringify(value, undefined, 2)}\n\`\`\``

export const page = (title: string, intro: string, ...parts: ReadonlyArray<string>): string =>
  `${[`# ${title}`, intro, ...parts].filter((part) => part !== "").join("\n\n")}\n`
