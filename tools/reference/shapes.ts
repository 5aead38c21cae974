/**
 * Schemas as rows that people read. A schema that `src/protocol` exports by name has a section of its own, to which the rest
 * links.
 */
import * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"
import type { Place } from "./comments.ts"

export interface Row {
  readonly path: string
  readonly type: string
  readonly required: boolean
  readonly doc: string
  readonly fallback: string | undefined
}

/** What stays the same when a schema is made optional. */
const identityOf = (ast: AST.AST): unknown =>
  ast._tag === "Objects" ? ast.propertySignatures : ast._tag === "Union" ? ast.types : ast

const isShape = (ast: AST.AST): boolean =>
  (ast._tag === "Objects" && ast.propertySignatures.length > 1) ||
  (ast._tag === "Union" && ast.types.length > 1 && ast.types.every((member) => member._tag === "Objects"))

/** The shapes with names, and those of them that were linked to. */
export class Names {
  readonly #names = new Map<unknown, string>()
  readonly #linked = new Map<string, { readonly ast: AST.AST; readonly place: Place }>()

  constructor(modules: ReadonlyArray<Readonly<Record<string, unknown>>>) {
    for (const [name, value] of modules.flatMap((module) => Object.entries(module))) {
      if (!Schema.isSchema(value) || !isShape(value.ast)) continue
      const identity = identityOf(value.ast)
      if (!this.#names.has(identity)) this.#names.set(identity, name)
    }
  }

  /** A link, where the shape has a name. */
  link(ast: AST.AST, place: Place): string | undefined {
    const name = this.#names.get(identityOf(ast))
    if (name === undefined) return undefined
    if (!this.#linked.has(name)) this.#linked.set(name, { ast, place })
    return `[${name}](shapes.md#${name.toLowerCase()})`
  }

  /** By name. Rendering one may link to others, so ask until there is no new one. */
  get linked(): ReadonlyArray<readonly [string, { readonly ast: AST.AST; readonly place: Place }]> {
    return [...this.#linked].toSorted(([left], [right]) => (left < right ? -1 : 1))
  }
}

interface Limits {
  readonly type?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly allOf?: ReadonlyArray<Limits>
}

const limitsOf = (ast: AST.AST): Limits => {
  const found = Schema.toJsonSchemaDocument(Schema.make(ast)).schema as Limits
  return (found.allOf ?? []).reduce((all, more) => ({ ...all, ...more }), found)
}

const range = (from: number | undefined, to: number | undefined, unit: string): string => {
  if (from !== undefined && to !== undefined)
    return `, ${from.toLocaleString("en")} to ${to.toLocaleString("en")}${unit}`
  if (from !== undefined) return `, at least ${from.toLocaleString("en")}${unit}`
  return to === undefined ? "" : `, at most ${to.toLocaleString("en")}${unit}`
}

const HUGE = Number.MAX_SAFE_INTEGER

const textType = (ast: AST.AST): string => {
  const { maxLength, minLength } = limitsOf(ast)
  if (minLength === 1 && maxLength === undefined) return "text, not empty"
  return `text${range(minLength, maxLength, " characters")}`
}

const numberType = (ast: AST.AST): string => {
  const { exclusiveMinimum, maximum, minimum, type } = limitsOf(ast)
  const to = maximum === HUGE ? undefined : maximum
  const from = exclusiveMinimum === undefined ? minimum : undefined
  return `${type === "integer" ? "whole number" : "number"}${range(from === -HUGE ? undefined : from, to, "")}${exclusiveMinimum === undefined ? "" : `, more than ${exclusiveMinimum}`}`
}

const union = (types: ReadonlyArray<string>): string => [...new Set(types)].join(" or ")

const withoutUndefined = (ast: AST.AST): ReadonlyArray<AST.AST> =>
  ast._tag === "Union" ? ast.types.flatMap(withoutUndefined) : ast._tag === "Undefined" ? [] : [ast]

/** In words; what is inside an object comes in rows of its own. */
export const typeOf = (ast: AST.AST, names: Names, place: Place): string => {
  const link = names.link(ast, place)
  if (link !== undefined) return link
  switch (ast._tag) {
    case "String":
      return textType(ast)
    case "Number":
      return numberType(ast)
    case "Boolean":
      return "`true` or `false`"
    case "Null":
      return "`null`"
    case "Literal":
      return `\`${JSON.stringify(ast.literal)}\``
    case "Arrays":
      return ast.rest.length === 0
        ? `list of ${ast.elements.length}: ${ast.elements.map((item) => typeOf(item, names, place.item())).join("; ")}`
        : `list of ${typeOf(ast.rest[0] ?? ast, names, place.item())}`
    case "Objects": {
      const [values] = ast.indexSignatures
      if (ast.propertySignatures.length > 0) return "object"
      if (values === undefined || values.type._tag === "Never") return "empty object"
      return values.type._tag === "Unknown" || values.type._tag === "Any"
        ? "object with any keys"
        : `object by name: ${typeOf(values.type, names, place.value())}`
    }
    case "Union":
      return union(ast.types.filter(({ _tag }) => _tag !== "Undefined").map((member) => typeOf(member, names, place)))
    case "Suspend":
      return typeOf(ast.thunk(), names, place)
    case "TemplateLiteral":
      return "text"
    default:
      return "anything"
  }
}

/** The objects of which a place consists, each with what leads to it. */
const inside = (ast: AST.AST, path: string, place: Place, names: Names): ReadonlyArray<Row> => {
  if (names.link(ast, place) !== undefined) return []
  switch (ast._tag) {
    case "Arrays":
      return ast.rest.flatMap((item) => inside(item, `${path}[]`, place.item(), names))
    case "Objects":
      return [
        ...rowsOf(ast, `${path}.`, place, names),
        ...ast.indexSignatures.flatMap(({ type }) => inside(type, `${path}.<name>`, place.value(), names))
      ]
    case "Union":
      return joined(ast.types.map((member) => inside(member, path, place, names)))
    default:
      return []
  }
}

/** Of a union's members: rows of one path become one, which is required where every member requires it. */
const joined = (members: ReadonlyArray<ReadonlyArray<Row>>): ReadonlyArray<Row> => {
  const objects = members.filter((rows) => rows.length > 0)
  return [...Map.groupBy(objects.flat(), ({ path }) => path).values()].flatMap((same) =>
    same.slice(0, 1).map((first) => ({
      ...first,
      type: union(same.map(({ type }) => type)),
      required: same.length >= objects.length && same.every(({ required }) => required),
      doc: same.find(({ doc }) => doc !== "")?.doc ?? ""
    }))
  )
}

/** The fields of an object, those of the objects in it after it. */
export const rowsOf = (ast: AST.AST, prefix: string, place: Place, names: Names): ReadonlyArray<Row> => {
  if (ast._tag === "Union") return joined(ast.types.map((member) => rowsOf(member, prefix, place, names)))
  if (ast._tag !== "Objects") return []
  return ast.propertySignatures.flatMap(({ name, type }) => {
    const key = String(name)
    const here = place.property(key)
    const { doc, fallback } = place.says(key)
    const path = `${prefix}${key}`
    const known = withoutUndefined(type)
    const row: Row = {
      path,
      type: typeOf(type, names, here),
      required: type.context?.isOptional !== true && known.length > 0,
      doc,
      fallback
    }
    return [row, ...joined(known.map((member) => inside(member, path, here, names)))]
  })
}
