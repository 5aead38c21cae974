/**
 * `npm run reference`: writes `docs/reference` from the method table, the event table, the configuration's schema, the command
 * tree and the errors, with the words that stand beside them in the sources. `--check` writes nothing and ends with 1 when a
 * page is not what it would write, or when a method, an event, a key or an error has no words.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { read } from "./reference/comments.ts"
import { configurationPage, undescribedKeys } from "./reference/configuration.ts"
import {
  eventsPage,
  methodsPage,
  namesOfProtocol,
  shapesPage,
  undescribedEvents,
  undescribedMethods
} from "./reference/pages.ts"
import { indexPage } from "./reference/markdown.ts"
import { cliPage, errorsPage, exitCodesPage, undescribedErrors } from "./reference/program.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = join(root, "docs", "reference")
const { values: flags } = parseArgs({ options: { check: { type: "boolean", default: false } } })

const comments = read()
const names = await namesOfProtocol()
const methods = methodsPage(comments, names)
const events = eventsPage(comments, names)

const content = [
  ["methods.md", methods],
  ["events.md", events],
  ["shapes.md", shapesPage(names)],
  ["configuration.md", configurationPage(comments)],
  ["cli.md", await cliPage()],
  ["exit-codes.md", exitCodesPage()],
  ["errors.md", errorsPage()]
] as const
const pages: ReadonlyMap<string, string> = new Map([["README.md", indexPage(content)], ...content])

const wordless = [
  ["methods", undescribedMethods(comments)],
  ["events", undescribedEvents(comments)],
  ["keys of the configuration", undescribedKeys(comments)],
  ["errors", undescribedErrors()]
] as const

const before = (name: string) => {
  try {
    return readFileSync(join(folder, name), "utf8")
  } catch {
    return undefined
  }
}

mkdirSync(folder, { recursive: true })
const stale = [...pages].filter(([name, text]) => before(name) !== text).map(([name]) => name)
const gone = readdirSync(folder).filter((name) => !pages.has(name))

if (!flags.check) {
  for (const name of stale) writeFileSync(join(folder, name), pages.get(name) ?? "")
  for (const name of gone) rmSync(join(folder, name))
}

const problems = [
  ...wordless
    .filter(([, missing]) => missing.length > 0)
    .map(([what, missing]) => `${what} without a comment that says what they do: ${missing.join(", ")}`),
  ...(flags.check && stale.length + gone.length > 0
    ? [
        `not as the sources are: ${[...stale, ...gone].map((name) => relative(root, join(folder, name))).join(", ")}\nFix: run \`npm run reference\` and commit what it writes.`
      ]
    : [])
]
process.stdout.write(
  problems.length > 0
    ? `${problems.join("\n")}\n`
    : `docs/reference: ${pages.size} pages${flags.check ? " are" : ","} as the sources say\n`
)
process.exitCode = problems.length > 0 ? 1 : 0
