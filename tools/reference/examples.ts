/**
 * Values that fit a schema, made of what its fields are called. Each is decoded before it is shown.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"

const NOW = 1_798_761_600_000

/** Texts by the name of their field. */
const TEXTS: ReadonlyArray<readonly [RegExp, string]> = [
  [/^(sessionKey|key|keys)$/, "agent:main:main"],
  [/idempotencyKey/, "0b8f5a0e-4d1c-4f1a-9d52-1f6f5d1c9a10"],
  [/nodeId/, "4f1c7a52b0c94a6f"],
  [/deviceId/, "9b2d41e07c35a8f6"],
  [/runId/, "run-7f3a"],
  [/requestId/, "req-51c2"],
  [/^(id|approvalId|messageId|taskId)$/, "8c41f2"],
  [/agentId/, "main"],
  [/channel/, "telegram"],
  [/account/, "default"],
  [/command$/, "device.status"],
  [/message|text/, "Good evening."],
  [/version/i, "1.0.0"],
  [/platform/, "linux"],
  [/(baseHash|hash)$/, "5d41402abc4b2a76b9719d911017c592"],
  [/raw/, "{ gateway: { mode: 'local' } }"],
  [/path/i, "gateway.port"],
  [/url/i, "wss://gateway.example.com"],
  [/token/i, "…"],
  [/role/, "operator"],
  [/name|label/i, "kitchen"],
  [/^to$/, "telegram:4711"]
]

const CANDIDATES = [
  "example",
  "",
  "a",
  "0",
  "main",
  "2027-01-01",
  "2027-01-01T00:00:00.000Z",
  "a".repeat(32),
  "a".repeat(64),
  "AAAA"
]

const fits = (ast: AST.AST, value: unknown) =>
  Option.isSome(Schema.decodeUnknownOption(Schema.make(ast) as Schema.Codec<unknown, unknown>)(value))

const text = (ast: AST.AST, name: string): unknown => {
  const named = TEXTS.find(([pattern]) => pattern.test(name))?.[1]
  const candidates = [...(named === undefined ? [] : [named]), ...CANDIDATES]
  return candidates.find((candidate) => fits(ast, candidate))
}

const number = (ast: AST.AST, name: string): unknown => {
  const candidates = [
    ...(/(ts|AtMs|At)$/.test(name) ? [NOW] : []),
    ...(/timeout/i.test(name) ? [30_000] : []),
    1,
    0,
    20,
    64,
    100,
    1000,
    NOW
  ]
  return candidates.find((candidate) => fits(ast, candidate))
}

/** A value of this schema with what is required only; `undefined` where none was thought of. */
export const exampleOf = (ast: AST.AST, name = ""): unknown => {
  switch (ast._tag) {
    case "String":
      return text(ast, name)
    case "Number":
      return number(ast, name)
    case "Boolean":
      return true
    case "Null":
      return null
    case "Literal":
      return ast.literal
    case "Arrays": {
      const [item] = ast.rest
      if (ast.elements.length > 0) return ast.elements.map((element) => exampleOf(element, name))
      if (item === undefined) return []
      const one = [exampleOf(item, name)]
      return fits(ast, one) ? one : []
    }
    case "Objects":
      return Object.fromEntries(
        ast.propertySignatures
          .filter(({ type }) => type.context?.isOptional !== true)
          .map(({ name: key, type }) => [key, exampleOf(type, String(key))])
      )
    case "Union": {
      const values = ast.types.filter(({ _tag }) => _tag !== "Undefined").map((member) => exampleOf(member, name))
      return values.find((value) => value !== null && fits(ast, value)) ?? values[0]
    }
    case "Suspend":
      return exampleOf(ast.thunk(), name)
    default:
      return {}
  }
}

/** The same, or why there is none. */
export const example = (what: string, ast: AST.AST): unknown => {
  const value = exampleOf(ast)
  if (fits(ast, value)) return value
  throw new Error(
    `no example of ${what} was found (tools/reference/examples.ts): ${JSON.stringify(value)} does not fit`
  )
}
