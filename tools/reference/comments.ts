/**
 * What the sources' own comments say of a method, an event or a key: the compiler knows which comment belongs to which
 * property, so what is written beside a schema is what the reference shows, and nothing of it is in the program.
 */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))

/** What is known of one place in a schema. */
export interface Place {
  /** Of a named property; empty where nothing is said. */
  readonly says: (name: string) => { readonly doc: string; readonly fallback: string | undefined }
  readonly property: (name: string) => Place
  /** Of a list's items. */
  readonly item: () => Place
  /** Of a record's values. */
  readonly value: () => Place
}

const TABLES = `
import type * as Rpc from "effect/rpc/Rpc"
import type * as Stream from "effect/Stream"
import type { EventName, EventPayload } from "../src/protocol/EventTable.ts"
import type { Method } from "../src/protocol/MethodTable.ts"
import type { OpenClawConfig } from "../src/services/ConfigSchema.ts"
type Answer<Row extends Method> = Rpc.Success<Row> extends Stream.Stream<infer A, infer _E, infer _R> ? A : Rpc.Success<Row>
export declare const params: { [Row in Method as Row["_tag"]]: Rpc.Payload<Row> }
export declare const results: { [Row in Method as Row["_tag"]]: Answer<Row> }
export declare const events: { [Name in EventName]: EventPayload<Name> }
export declare const config: OpenClawConfig
`

const virtual = join(ROOT, "tools", "reference.tables.ts")

const program = () => {
  const { config } = ts.readConfigFile(join(ROOT, "tsconfig.json"), (path) => ts.sys.readFile(path))
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, ROOT)
  const host = ts.createCompilerHost(options)
  const { fileExists, getSourceFile } = host
  host.fileExists = (path) => path === virtual || fileExists(path)
  host.getSourceFile = (path, ...rest) =>
    path === virtual ? ts.createSourceFile(path, TABLES, ts.ScriptTarget.ES2023, true) : getSourceFile(path, ...rest)
  return ts.createProgram([virtual], options, host)
}

const textOf = (parts: ReadonlyArray<ts.SymbolDisplayPart> | undefined) =>
  ts
    .displayPartsToString(parts === undefined ? [] : [...parts])
    .replace(/\s+/g, " ")
    .trim()

const membersOf = (type: ts.Type | undefined): ReadonlyArray<ts.Type> =>
  type === undefined ? [] : type.isUnion() ? type.types.flatMap(membersOf) : [type]

const placeOf = (checker: ts.TypeChecker, types: ReadonlyArray<ts.Type>): Place => {
  const members = types.flatMap(membersOf)
  const at = (next: (type: ts.Type) => ts.Type | undefined) =>
    placeOf(
      checker,
      members.flatMap((member) => next(member) ?? [])
    )
  return {
    says: (name) => {
      for (const member of members) {
        const symbol = member.getProperty(name)
        const doc = textOf(symbol?.getDocumentationComment(checker))
        const tag = symbol?.getJsDocTags(checker).find((one) => one.name === "default")
        if (doc !== "" || tag !== undefined) {
          return { doc, fallback: tag === undefined ? undefined : textOf(tag.text) }
        }
      }
      return { doc: "", fallback: undefined }
    },
    property: (name) =>
      at((member) => {
        const symbol = member.getProperty(name)
        return symbol === undefined ? undefined : checker.getTypeOfSymbol(symbol)
      }),
    item: () => at((member) => (checker.isArrayLikeType(member) ? member.getNumberIndexType() : undefined)),
    value: () => at((member) => (checker.isArrayLikeType(member) ? undefined : member.getStringIndexType()))
  }
}

const plain = (comment: string) =>
  comment
    .replace(/^\/\*\*|\*\/$/g, "")
    .replace(/^\s*\* ?/gm, "")
    .replace(/\s+/g, " ")
    .trim()

/** The comments before `method("name", …)` and `streamMethod("name", …)`. */
const methodComments = (files: ReadonlyArray<ts.SourceFile>) => {
  const found = new Map<string, string>()
  for (const file of files) {
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
        const [name] = node.arguments
        if (/^(stream)?method$/i.test(node.expression.text) && name !== undefined && ts.isStringLiteral(name)) {
          const comments = ts.getLeadingCommentRanges(file.text, node.getFullStart()) ?? []
          found.set(name.text, comments.map(({ end, pos }) => plain(file.text.slice(pos, end))).join(" "))
        }
      }
      ts.forEachChild(node, visit)
    }
    visit(file)
  }
  return found
}

/** The comments before the properties of `EventTable`. */
const eventComments = (file: ts.SourceFile | undefined) => {
  const found = new Map<string, string>()
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.name.text === "EventTable") {
      const table =
        node.initializer !== undefined && ts.isAsExpression(node.initializer) ? node.initializer.expression : undefined
      for (const row of table !== undefined && ts.isObjectLiteralExpression(table) ? table.properties : []) {
        if (row.name === undefined || file === undefined) continue
        const name = ts.isStringLiteral(row.name) || ts.isIdentifier(row.name) ? row.name.text : ""
        const comments = ts.getLeadingCommentRanges(file.text, row.getFullStart()) ?? []
        found.set(name, comments.map(({ end, pos }) => plain(file.text.slice(pos, end))).join(" "))
      }
    }
    ts.forEachChild(node, visit)
  }
  if (file !== undefined) visit(file)
  return found
}

/** Reads the sources, which takes some seconds. */
export const read = () => {
  const compiled = program()
  const checker = compiled.getTypeChecker()
  const file = compiled.getSourceFile(virtual)
  const exported = file === undefined ? undefined : checker.getSymbolAtLocation(file)
  const table = (name: string) => {
    const symbol =
      exported === undefined ? undefined : checker.getExportsOfModule(exported).find((one) => one.name === name)
    return placeOf(checker, symbol === undefined ? [] : [checker.getTypeOfSymbol(symbol)])
  }
  const sources = compiled.getSourceFiles()
  return {
    params: table("params"),
    results: table("results"),
    events: table("events"),
    config: table("config"),
    ofMethods: methodComments(sources.filter(({ fileName }) => fileName.includes("/src/protocol/methods/"))),
    ofEvents: eventComments(sources.find(({ fileName }) => fileName.endsWith("/src/protocol/EventTable.ts")))
  }
}
export type Comments = ReturnType<typeof read>
