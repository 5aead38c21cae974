/**
 * Keys in a file that the schema does not name: kept, listed, not used. Pure.
 */
import type * as SchemaAST from "effect/SchemaAST"
import type { Path, Segment } from "./path.ts"
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

/** The least number of letters that are added, left out or replaced between two words. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** The key that was probably meant: another case, or one or two letters off. */
const nearest = (key: string, known: ReadonlyArray<string>): string | undefined => {
  const allowed = key.length < 5 ? 1 : 2
  const [best] = known
    .map((name) => ({ name, off: distance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.off - b.off)
  return best !== undefined && best.off <= allowed ? best.name : undefined
}

const membersOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> =>
  ast._tag === "Union" ? ast.types.flatMap(membersOf) : [ast]

/** The path that somebody who wrote this one probably meant; `undefined` when nothing the schema names is near. */
export const suggestPath = (path: Path, ast: SchemaAST.AST): Path | undefined => {
  const [segment, ...rest] = path
  if (segment === undefined) return []
  const members = membersOf(ast)
  const step = (key: Segment, into: SchemaAST.AST): Path | undefined => {
    const further = suggestPath(rest, into)
    return further === undefined ? undefined : [key, ...further]
  }
  const items = members.flatMap((member) => (member._tag === "Arrays" ? member.rest : []))
  const objects = members.filter((member): member is SchemaAST.Objects => member._tag === "Objects")
  if (typeof segment === "number") return items[0] === undefined ? undefined : step(segment, items[0])
  const properties = objects.flatMap((object) => object.propertySignatures)
  const free = objects.flatMap((object) => object.indexSignatures)[0]
  if (free !== undefined && properties.length === 0) return step(segment, free.type)
  const key = nearest(
    segment,
    properties.flatMap(({ name }) => (typeof name === "string" ? [name] : []))
  )
  const property = properties.find(({ name }) => name === key)
  return key === undefined || property === undefined ? undefined : step(key, property.type)
}
