/**
 * The pages of the program: its commands, its exit codes and its errors.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { exitCodeOfError, exitCodes } from "../../src/cli/exitCodes.ts"
import { ErrorCode } from "../../src/protocol/GatewayError.ts"
import { helpTexts } from "../grammar.ts"
import { page, table } from "./markdown.ts"

// oxlint-disable-next-line no-control-regex -- a terminal's colors are such characters
const COLORS = /\u001b\[[0-9;]*m/g

/** What every command understands is said once, with the first one. */
const GLOBALS = /\nGLOBAL FLAGS\n(?:  .*\n?)+(\n|$)/

const indented = (path: string) =>
  `${"  ".repeat(path.split(" ").length - 1)}- [\`${path}\`](#${path.replaceAll(" ", "-")})`

const shortened = (help: string, index: number) => (index === 0 ? help : help.replace(GLOBALS, "$1"))

export const cliPage = async (): Promise<string> => {
  const texts = Object.entries(await helpTexts())
  return page(
    "Commands",
    `What \`openclaw <command> --help\` prints, of all ${texts.length} commands. The global flags of the first are understood by all. [Exit codes](exit-codes.md) are the same for all of them.`,
    texts.map(([path]) => indented(path)).join("\n"),
    ...texts.map(
      ([path, help], index) => `## ${path}\n\n\`\`\`text\n${shortened(help.replace(COLORS, ""), index).trim()}\n\`\`\``
    )
  )
}

export const exitCodesPage = (): string =>
  page(
    "Exit codes",
    'What the program ends with. With `--json` a failure is `{ "ok": false, "error": { "type", "name", "message", "fix", "exitCode" } }`; scripts branch on `error.name`.',
    table(
      ["code", "means", "what to do", "errors that end with it"],
      exitCodes.map(({ code, errors, fix, means }) => [
        `\`${code}\``,
        means,
        fix,
        errors.map((name) => `[\`${name}\`](errors.md#${name.toLowerCase()})`).join(", ")
      ])
    )
  )

const CODES: Readonly<Record<typeof ErrorCode.Type, string>> = {
  INVALID_REQUEST: "The params do not fit the method, or what they ask cannot be done. The message names the field.",
  FORBIDDEN: "The connection lacks a scope: `details.missingScope` names it.",
  NOT_PAIRED: "The device is not paired, or not for what it asks. `details` says which request waits for approval.",
  NOT_LINKED: "The channel's account is not linked.",
  NOT_FOUND: "What the request names is not there.",
  AGENT_TIMEOUT: "The turn did not end in the time that it had.",
  TIMEOUT: "Whoever was asked on the way did not answer in time. What was asked may still happen.",
  CONFLICT: "It was changed meanwhile, or the `idempotencyKey` belongs to another request.",
  UNAVAILABLE: "It cannot be done now. With `retryable` the same request may succeed later, after `retryAfterMs`.",
  INTERNAL: "A fault of the Gateway; its log has the cause."
}

interface Failure {
  readonly name: string
  readonly fields: ReadonlyArray<string>
  readonly doc: string
  readonly file: string
}

const source = fileURLToPath(new URL("../../src", import.meta.url))

/** Where an app meets the errors that are declared there. */
const PUBLIC = ["services", "client", "protocol", "domain"]

const failuresIn = (path: string): ReadonlyArray<Failure> => {
  const file = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ES2023, true)
  const found: Array<Failure> = []
  const visit = (node: ts.Node): void => {
    const heritage = ts.isClassDeclaration(node) ? node.heritageClauses?.[0]?.types[0]?.expression : undefined
    if (ts.isClassDeclaration(node) && heritage !== undefined && ts.isCallExpression(heritage)) {
      const [, shape] = heritage.arguments
      if (heritage.expression.getText(file).startsWith("Schema.TaggedError<")) {
        found.push({
          name: node.name?.text ?? "",
          fields:
            shape !== undefined && ts.isObjectLiteralExpression(shape)
              ? shape.properties.map((property) => property.name?.getText(file) ?? property.getText(file))
              : [],
          doc: ts
            .getJSDocCommentsAndTags(node)
            .map((doc) => ts.getTextOfJSDocComment(doc.comment) ?? "")
            .join(" ")
            .replace(/\s+/g, " ")
            .trim(),
          file: relative(source, path)
        })
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

const failures = (): ReadonlyArray<Failure> =>
  PUBLIC.flatMap((folder) =>
    readdirSync(join(source, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) => failuresIn(join(source, folder, file)))
  ).toSorted((left, right) => (left.name < right.name ? -1 : 1))

/** Errors of which nothing is said. */
export const undescribedErrors = (): ReadonlyArray<string> =>
  failures()
    .filter(({ doc }) => doc === "")
    .map(({ name }) => name)

export const errorsPage = (): string =>
  page(
    "Errors",
    "How a request fails on the wire, and the errors that the library's Effects fail with.",
    "## On the wire",
    'A request that failed is answered `{ "type": "res", "id", "ok": false, "error": { "code", "message", "details"?, "retryable"?, "retryAfterMs"? } }`. Programs branch on `code`, and on `details.code` where there is one; `message` is for people.',
    table(
      ["code", "means"],
      ErrorCode.literals.map((code) => [`\`${code}\``, CODES[code]])
    ),
    "## In the library",
    "Errors are values with a `_tag`; `Effect.catchTag` takes one apart. Each has a `message` that says what to do, or, on the command line, a line `Fix:` after it. The last column is the program's exit code where a command ends with it.",
    table(
      ["error", "declared in", "fields", "when", "exit"],
      failures().map(({ doc, fields, file, name }) => [
        `<a id="${name.toLowerCase()}"></a>\`${name}\``,
        `\`${file}\``,
        fields.map((field) => `\`${field}\``).join(", "),
        doc,
        String(exitCodeOfError(name))
      ])
    )
  )
