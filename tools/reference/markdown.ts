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

export const firstSentence = (text: string): string => text.replace(/^(.*?[.])(\s.*)?$/, "$1")

export const anchor = (title: string) =>
  title
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-")

export const json = (value: unknown): string => `\`\`\`json\n${JSON.stringify(value, undefined, 2)}\n\`\`\``

export const page = (title: string, intro: string, ...parts: ReadonlyArray<string>): string =>
  `${[`# ${title}`, intro, ...parts].filter((part) => part !== "").join("\n\n")}\n`

/** What leads to the pages: the title of each, and how its introduction begins. */
export const indexPage = (pages: ReadonlyArray<readonly [name: string, text: string]>): string =>
  page(
    "Reference",
    "Written by `npm run reference` from the tables, schemas and commands that the program itself runs by; CI fails where a page is not as the sources are. The guides are a folder above.",
    table(
      ["page", "what is in it"],
      pages.map(([name, text]) => {
        const [title = "", , intro = ""] = text.split("\n")
        return [`[${title.replace(/^# /, "")}](${name})`, firstSentence(intro)]
      })
    )
  )
