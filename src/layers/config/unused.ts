/**
 * Keys in a file that the schema does not name: kept, listed, not used. Pure.
 */
import type * as SchemaAST from "effect/SchemaAST"
import type { Path } from "./path.ts"
import { formatPath, isTree } from "./path.ts"

/** Keys that every OpenClaw file may have and that mean nothing to a running Gateway. */
const silent = new Set(["$schema", "meta"])

const walk = (value: unknown, asts: ReadonlyArray<SchemaAST.AST>, path: Path): ReadonlyArray<Path> => {
  const members = asts.flatMap((ast) => (ast._tag === "Union" ? ast.types : [ast]))
  if (Array.isArray(value)) {
    const items = members.flatMap((ast) => (ast._tag === "Arrays" ? ast.rest : []))
    return value.flatMap((item, index) => walk(item, items, [...path, index]))
  }
  if (!isTree(value)) return []
  const objects = members.filter((ast): ast is SchemaAST.Objects => ast._tag === "Objects")
  // A value of another kind than any member is a wrong value, which decoding reports.
  if (objects.length === 0) return []
  return Object.entries(value).flatMap(([key, own]) => {
    const declared = objects.flatMap((ast) => [
      ...ast.propertySignatures.filter(({ name }) => name === key).map(({ type }) => type),
      ...ast.indexSignatures.map(({ type }) => type)
    ])
    const at = [...path, key]
    if (declared.length > 0) return walk(own, declared, at)
    return path.length === 0 && silent.has(key) ? [] : [at]
  })
}

/** Dotted paths of the topmost keys that the schema does not name, in the file's order. */
export const unusedPaths = (value: unknown, ast: SchemaAST.AST): ReadonlyArray<string> =>
  walk(value, [ast], []).map(formatPath)
