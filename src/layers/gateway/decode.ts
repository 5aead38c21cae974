/**
 * Untrusted JSON to frames and params, with errors that name the place.
 *
 * The wording follows JSON Schema validators, because that is what OpenClaw's clients and their users read.
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import { ConnectParams } from "../../protocol/Connect.ts"
import { RequestFrame } from "../../protocol/Frame.ts"
import { MethodTable } from "../../protocol/MethodTable.ts"

/** The input, only to tell a list from a text: none of it is told. */
const strict = { onExcessProperty: "error", errors: "first", reportInput: true } as const

interface Finding {
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
  readonly missing: boolean
}

/** Of a number's checks. */
const isInteger = (ast: SchemaAST.AST): boolean =>
  ast.checks?.some(({ annotations }) => annotations?.expected === "an integer") === true

/** How our checks say what JSON Schema validators say, with what changes in it. */
const wordings: ReadonlyArray<readonly [RegExp, string]> = [
  [/^a value with a length of at least (\d+)$/, "must not have fewer than $1 "],
  [/^a value with a length of at most (\d+)$/, "must not have more than $1 "],
  [/^a value greater than or equal to (.+)$/, "must be >= $1"],
  [/^a value less than or equal to (.+)$/, "must be <= $1"],
  [/^an integer$/, "must be integer"]
]

/** What a schema asks for, in the words of JSON Schema. An optional property asks for what it is when it is there. */
const article = (ast: SchemaAST.AST): string => {
  switch (ast._tag) {
    case "String":
      return "must be string"
    case "Number":
      return isInteger(ast) ? "must be integer" : "must be number"
    case "Boolean":
      return "must be boolean"
    case "Arrays":
      return "must be array"
    case "Objects":
      return "must be object"
    case "Null":
      return "must be null"
    case "Literal":
      return "must be equal to constant"
    case "Union": {
      const members = ast.types.filter((type) => type._tag !== "Undefined")
      const [only] = members
      if (members.length === 1 && only !== undefined) return article(only)
      return members.every((type) => type._tag === "Literal")
        ? "must be equal to one of the allowed values"
        : "must match a schema in anyOf"
    }
    default:
      return "must be valid"
  }
}

const expected = (issue: SchemaIssue.Filter): string => {
  const text = issue.filter.annotations?.expected
  if (typeof text !== "string") return "must be valid"
  const found = wordings.find(([pattern]) => pattern.test(text))
  if (found === undefined) return `must be ${text}`
  const said = text.replace(...found)
  return said.endsWith(" ") ? said + (Array.isArray(issue.input) ? "items" : "characters") : said
}

/** The first finding of a decode that stops at the first. Unions are reported by their most specific member. */
const find = (issue: SchemaIssue.Issue, path: ReadonlyArray<PropertyKey>): Finding => {
  switch (issue._tag) {
    case "Pointer":
      return find(issue.issue, [...path, ...issue.path])
    case "Filter":
      return { path, message: expected(issue), missing: false }
    case "Encoding":
      return find(issue.issue, path)
    case "Composite": {
      const [first] = issue.issues
      return find(first, path)
    }
    case "AnyOf": {
      const findings = issue.issues.map((inner) => find(inner, path))
      const deepest = findings.reduce<Finding | undefined>(
        (best, finding) => (best === undefined || finding.path.length > best.path.length ? finding : best),
        undefined
      )
      if (deepest !== undefined && (deepest.path.length > path.length || findings.length === 1)) return deepest
      return { path, message: article(issue.ast), missing: false }
    }
    case "MissingKey":
      return { path, message: `must have required property '${String(path.at(-1))}'`, missing: true }
    case "UnexpectedKey":
      return { path: path.slice(0, -1), message: `unexpected property '${String(path.at(-1))}'`, missing: false }
    case "InvalidType":
      if (issue.ast._tag === "Never") {
        return { path: path.slice(0, -1), message: `unexpected property '${String(path.at(-1))}'`, missing: false }
      }
      return { path, message: article(issue.ast), missing: false }
    default:
      return { path, message: "must be valid", missing: false }
  }
}

/** `at /client/id: must be …`; a missing property at the root is named without a place. */
export const describe = (issue: SchemaIssue.Issue): string => {
  const { message, missing, path } = find(issue, [])
  const place = missing ? path.slice(0, -1) : path
  if (place.length > 0) return `at /${place.map(String).join("/")}: ${message}`.slice(0, 400)
  return (missing || message === "must be object" ? message : `at root: ${message}`).slice(0, 400)
}

/** A decoder whose failure is one line of text. */
const decoder = <S extends Schema.Top & { readonly DecodingServices: never }>(
  schema: S,
  options: SchemaAST.ParseOptions = strict
) => {
  const decode = Schema.decodeUnknownExit(schema, options)
  return (input: unknown): Result.Result<S["Type"], string> => {
    const exit = decode(input)
    if (Exit.isSuccess(exit)) return Result.succeed(exit.value)
    const error = Cause.findError(exit.cause)
    return Result.fail(Result.isSuccess(error) ? describe(error.success.issue) : "must be valid")
  }
}

/** The same for what may have more in it than the schema knows. */
export const lenient = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S) =>
  decoder(schema, { ...strict, onExcessProperty: "ignore" })

export const decodeConnect = decoder(ConnectParams)
export const decodeFrame = decoder(RequestFrame)

const params: ReadonlyMap<string, (input: unknown) => Result.Result<unknown, string>> = new Map(
  Array.from(MethodTable.requests.entries(), ([name, rpc]) => [
    name,
    decoder(rpc.payloadSchema as Schema.Codec<unknown, unknown>)
  ])
)

/** Params of a method of the table; missing, `null` and `{}` are the same. */
export const decodeParams = (method: string, input: unknown): Result.Result<unknown, string> => {
  const decode = params.get(method)
  return decode === undefined ? Result.fail("unknown method") : decode(input ?? {})
}
