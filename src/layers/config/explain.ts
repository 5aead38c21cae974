/**
 * Schema issues in words: every wrong value with its path, what it is (secrets are not shown), and what is expected there.
 */
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import type { ConfigProblem } from "../../services/Config.ts"
import type { Path } from "./path.ts"
import { formatPath, getAt, isTree, isWithin } from "./path.ts"
import { redactConfig } from "./redact.ts"

const MAX_SHOWN = 80

/** A value as a problem shows it: JSON, redacted, cut at 80 characters; big ones by their kind. */
export const showValue = (value: unknown, path: Path): string => {
  if (value === undefined) return "nothing"
  if (typeof value === "number" && !Number.isFinite(value)) return String(value)
  const json = JSON.stringify(redactConfig(value, path)) ?? typeof value
  if (json.length <= MAX_SHOWN) return json
  if (Array.isArray(value)) return `an array of ${value.length}`
  return isTree(value) ? `an object with ${Object.keys(value).length} keys` : `${json.slice(0, MAX_SHOWN)}…`
}

const checksOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  (ast.checks ?? []).flatMap((check) => {
    const expected = check.annotations?.["expected"]
    return typeof expected === "string" ? [expected] : []
  })

const base = (ast: SchemaAST.AST): string => {
  switch (ast._tag) {
    case "String":
      return "text"
    case "Number":
      return "a number"
    case "Boolean":
      return "true or false"
    case "Null":
      return "null"
    case "Literal":
      return JSON.stringify(ast.literal) ?? String(ast.literal)
    case "Arrays":
      return `an array of ${plural(ast.rest[0])}`
    case "Objects":
      return "an object"
    case "Undefined":
      return "nothing"
    default:
      return ast._tag
  }
}

const plural = (ast: SchemaAST.AST | undefined): string => {
  switch (ast?._tag) {
    case "String":
      return "texts"
    case "Number":
      return "numbers"
    case "Objects":
      return "objects"
    case "Union":
      return ast.types.map(plural).join(" or ")
    default:
      return "values"
  }
}

/** What a schema accepts, in words: `an integer, a value between 1 and 65535`, `one of "a", "b"`. */
export const describe = (ast: SchemaAST.AST): string => {
  if (ast._tag === "Union") {
    // An optional key is a union with `undefined`, which nobody writes in a file.
    const members = ast.types.filter((member) => member._tag !== "Undefined")
    const [only] = members
    if (only !== undefined && members.length === 1) return describe(only)
    return members.every((member) => member._tag === "Literal")
      ? `one of ${members.map(describe).join(", ")}`
      : members.map(describe).join(" or ")
  }
  const checks = checksOf(ast)
  if (checks.length === 0) return base(ast)
  return ast._tag === "Number" ? checks.join(", ") : `${base(ast)}, ${checks.join(", ")}`
}

const isOptional = (ast: SchemaAST.Union): boolean =>
  ast.types.length === 2 && ast.types.some((member) => member._tag === "Undefined")

interface Found {
  readonly path: Path
  readonly expected: string
}

const collect = (issue: SchemaIssue.Issue, path: Path, ast: SchemaAST.AST | undefined): ReadonlyArray<Found> => {
  switch (issue._tag) {
    case "Pointer":
      return collect(
        issue.issue,
        [...path, ...issue.path.map((key) => (typeof key === "symbol" ? key.toString() : key))],
        undefined
      )
    case "Composite":
      return issue.issues.flatMap((inner) => collect(inner, path, issue.ast))
    case "Filter":
      return [{ path, expected: expectedOf(issue.filter) ?? "another value" }]
    case "Encoding":
      return collect(issue.issue, path, issue.ast)
    case "AnyOf": {
      // An optional key is a union with `undefined`; its one real member says it all.
      const real = issue.issues.filter((inner) => !(inner._tag === "InvalidType" && inner.ast._tag === "Undefined"))
      const [only] = real
      if (only !== undefined && real.length === 1 && isOptional(issue.ast)) return collect(only, path, undefined)
      // A member that fits in kind but not inside says more than the list of members.
      const inside = real
        .flatMap((inner) => collect(inner, path, undefined))
        .filter((found) => found.path.length > path.length)
      return inside.length > 0 ? inside : [{ path, expected: describe(issue.ast) }]
    }
    case "InvalidType":
    case "OneOf":
      return [{ path, expected: describe(issue.ast) }]
    case "MissingKey":
      return [{ path, expected: "a value: the key is required" }]
    case "UnexpectedKey":
      return [{ path, expected: "no such key" }]
    case "InvalidValue":
    case "Forbidden":
      return [{ path, expected: ast === undefined ? "another value" : describe(ast) }]
  }
}

const expectedOf = (filter: SchemaAST.Filter<unknown>): string | undefined => {
  const expected = filter.annotations?.["expected"]
  return typeof expected === "string" ? expected : undefined
}

/** All problems of one decoding, in the file's order, each path once per expectation. */
export const explain = (issue: SchemaIssue.Issue, input: unknown): ReadonlyArray<ConfigProblem> => {
  const seen = new Set<string>()
  return collect(issue, [], undefined).flatMap(({ path, expected }) => {
    const at = formatPath(path)
    const key = `${at}\0${expected}`
    if (seen.has(key)) return []
    seen.add(key)
    const value = getAt(input, path)
    // It may be the secret that belongs inside: `auth: "…"` for `auth: { password: "…" }`.
    const isMisplaced = typeof value === "string" && expected === "an object"
    return [{ path: at, value: isMisplaced ? "a text" : showValue(value, path), expected }]
  })
}

/** The same problem may stand one place further up once an item of an array is gone. */
const kindOf = ({ expected, path }: ConfigProblem): string => `${path.replace(/\[\d+\]/g, "[]")}\0${expected}`

/** The problems that a change made: those that were not there before, and all that are in what was `set`. */
export const madeBy = (
  set: Path | undefined,
  before: ReadonlyArray<ConfigProblem>,
  after: ReadonlyArray<ConfigProblem>
): ReadonlyArray<ConfigProblem> => {
  const known = before.map(kindOf)
  return after.filter((problem) => {
    if (set !== undefined && isWithin(formatPath(set), problem.path)) return true
    const index = known.indexOf(kindOf(problem))
    if (index !== -1) known.splice(index, 1)
    return index === -1
  })
}
