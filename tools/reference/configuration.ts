/**
 * The page of `openclaw.json`: every key that this Gateway reads.
 */
import { isSecretPath } from "../../src/layers/config/redact.ts"
import { type ReloadKind, reloadKindOf } from "../../src/layers/config/reload.ts"
import { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import type { Comments } from "./comments.ts"
import { page, table } from "./markdown.ts"
import { Names, type Row, rowsOf } from "./shapes.ts"

const APPLIES: Readonly<Record<ReloadKind, string>> = {
  restart: "after a restart",
  hot: "at once: what runs by it starts anew",
  none: "at once"
}

const segments = (path: string): ReadonlyArray<string> =>
  path.split(".").flatMap((key) => (key.endsWith("[]") ? [key.slice(0, -2), "*"] : key === "<name>" ? ["*"] : [key]))

const keys = (comments: Comments): ReadonlyArray<Row> => rowsOf(OpenClawConfig.ast, "", comments.config, new Names([]))

const isSection = ({ type }: Row) => type === "object" || type === "object by name: object" || type === "list of object"

/** Keys of which nothing is said. */
export const undescribedKeys = (comments: Comments): ReadonlyArray<string> =>
  keys(comments)
    .filter((row) => !isSection(row) && row.doc === "")
    .map(({ path }) => path)

const rowOf = ({ doc, fallback, path, type }: Row): ReadonlyArray<string> => {
  const at = segments(path)
  return [
    `\`${path}\``,
    isSecretPath(at) ? `${type}, a secret` : type,
    fallback ?? "",
    APPLIES[reloadKindOf(at.join("."))],
    doc
  ]
}

export const configurationPage = (comments: Comments): string => {
  const all = keys(comments)
  const sections = Map.groupBy(all, ({ path }) => path.split(".")[0] ?? "")
  return page(
    "Configuration",
    'Every key of `openclaw.json` that this Gateway reads. All are optional; others are kept and not used, and `openclaw config validate` lists them. The file is JSON5, `$include` takes in others, and `"${NAME}"` stands for a variable of the environment. `openclaw config set <key> <value>` changes one; `openclaw config schema` prints the same as JSON Schema.',
    'A secret may be written as `"${NAME}"` or as `{ "source": "env", "id": "NAME" }`; it is never shown again. `<name>` is any name, `[]` an item of a list.',
    ...[...sections].map(([name, rows]) => {
      const [section] = rows
      const told = rows.filter((row) => !isSection(row) || row.doc !== "")
      return [
        `## ${name}`,
        section?.path === name && isSection(section) ? section.doc : "",
        table(
          ["key", "type", "when left out", "a change applies", "what it does"],
          told.filter(({ path }) => path !== name).map(rowOf)
        )
      ]
        .filter((part) => part !== "")
        .join("\n\n")
    })
  )
}
