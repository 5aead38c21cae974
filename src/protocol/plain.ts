/**
 * Whether a value is its own encoding. Almost everything on the wire is: plain JSON that a schema describes. Telling so takes a
 * tenth of what walking through the schema takes, which copies whatever it encodes.
 */
import type * as SchemaAST from "effect/SchemaAST"
import type * as Schema from "effect/Schema"

/** `true`: encoding or decoding this would give the same. `false` says nothing. */
export type IsPlain = (value: unknown) => boolean

const unsure: IsPlain = () => false
const anything: IsPlain = () => true

const options: SchemaAST.ParseOptions = {}

const passes = (check: SchemaAST.Check<unknown>, value: unknown, ast: SchemaAST.AST): boolean =>
  check._tag === "Filter"
    ? check.run(value, ast, options) === undefined
    : check.checks.every((inner) => passes(inner, value, ast))

/** Goes out as something else than what it holds. */
const isOther = (value: object): boolean => "toJSON" in value && typeof value.toJSON === "function"

const isRecord = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && !isOther(value)
}

const isEvery = (value: ReadonlyArray<unknown>, isPlain: IsPlain): boolean => {
  for (const item of value) if (!isPlain(item)) return false
  return true
}

const ofArray = ({ elements, rest }: SchemaAST.Arrays): IsPlain => {
  const [only] = rest
  if (elements.length > 0 || rest.length !== 1 || only === undefined) return unsure
  const isItem = of(only)
  return (value) => Array.isArray(value) && !isOther(value) && isEvery(value, isItem)
}

/** What a schema does not name is left out when it is encoded, so an object that has it is not its own encoding. */
const ofStruct = ({ propertySignatures }: SchemaAST.Objects): IsPlain => {
  const fields = new Map<string, IsPlain>()
  const needed = new Set<string>()
  for (const { name, type } of propertySignatures) {
    if (typeof name !== "string") return unsure
    fields.set(name, of(type))
    if (type.context?.isOptional !== true) needed.add(name)
  }
  return (value) => {
    if (!isRecord(value)) return false
    let found = 0
    for (const key in value) {
      const isField = fields.get(key)
      if (isField === undefined || !isField(value[key])) return false
      if (needed.has(key)) found++
    }
    return found === needed.size
  }
}

const ofRecord = ({ indexSignatures }: SchemaAST.Objects): IsPlain => {
  const [only] = indexSignatures
  const { parameter, type } = only!
  const isText = parameter._tag === "String" && parameter.checks === undefined && parameter.encoding === undefined
  if (indexSignatures.length !== 1 || !isText) return unsure
  const isValue = of(type)
  return (value) => {
    if (!isRecord(value)) return false
    for (const key in value) if (!isValue(value[key])) return false
    return true
  }
}

const ofObjects = (ast: SchemaAST.Objects): IsPlain => {
  if (ast.propertySignatures.length === 0) return ast.indexSignatures.length === 0 ? unsure : ofRecord(ast)
  return ast.indexSignatures.length === 0 ? ofStruct(ast) : unsure
}

/** The properties by which an object is known not to be meant. */
const marksOf = (ast: SchemaAST.Objects): ReadonlyArray<readonly [name: string, literal: unknown]> =>
  ast.propertySignatures.flatMap(({ name, type }) =>
    typeof name === "string" &&
    type._tag === "Literal" &&
    type.encoding === undefined &&
    type.context?.isOptional !== true
      ? [[name, type.literal] as const]
      : []
  )

const leaves: ReadonlySet<SchemaAST.AST["_tag"]> = new Set([
  "Null",
  "Undefined",
  "String",
  "Number",
  "Boolean",
  "Literal"
])

const membersOf = ({ types }: SchemaAST.Union): ReadonlyArray<SchemaAST.AST> =>
  types.flatMap((type) => (type._tag === "Union" && isAlone(type) ? membersOf(type) : [type]))

/** A union with nothing to it but its members. */
const isAlone = (ast: SchemaAST.Union): boolean =>
  ast.options?.mode !== "oneOf" &&
  ast.checks === undefined &&
  ast.encoding === undefined &&
  ast.encodingChecks === undefined

/** What can be said of values that are not plain for a member: some cannot be meant for it. */
const mayMean = (ast: SchemaAST.AST): IsPlain => {
  if (ast.encoding !== undefined) return anything
  if (leaves.has(ast._tag)) return unsure
  const isThing: IsPlain = (value) => typeof value === "object" && value !== null
  if (ast._tag === "Arrays") return isThing
  // One without a field takes texts and numbers too.
  if (ast._tag !== "Objects" || ast.propertySignatures.length === 0) return anything
  const marks = marksOf(ast)
  return (value) => isThing(value) && !(isRecord(value) && marks.some(([name, literal]) => value[name] !== literal))
}

/**
 * The first member that takes a value encodes it, and may take less than all of it. So the first that might be meant decides: an
 * object that is not plain for it is not plain.
 */
const ofUnion = (ast: SchemaAST.Union): IsPlain => {
  if (ast.options?.mode === "oneOf") return unsure
  const members = membersOf(ast).map((type) => ({ isPlain: of(type), mayMean: mayMean(type) }))
  return (value) => {
    for (const { isPlain, mayMean } of members) {
      if (isPlain(value)) return true
      if (mayMean(value)) return false
    }
    return false
  }
}

const ofShape = (ast: SchemaAST.AST): IsPlain => {
  switch (ast._tag) {
    case "Unknown":
    case "Any":
      return anything
    case "Null":
      return (value) => value === null
    case "Undefined":
    case "Void":
      return (value) => value === undefined
    case "String":
      return (value) => typeof value === "string"
    case "Number":
      return (value) => typeof value === "number"
    case "Boolean":
      return (value) => typeof value === "boolean"
    case "Literal":
      return (value) => value === ast.literal
    case "Arrays":
      return ofArray(ast)
    case "Objects":
      return ofObjects(ast)
    case "Union":
      return ofUnion(ast)
    default:
      return unsure
  }
}

const of = (ast: SchemaAST.AST): IsPlain => {
  if (ast.encoding !== undefined) return unsure
  if ("encodingChecks" in ast && ast.encodingChecks !== undefined) return unsure
  const isShape = ofShape(ast)
  const { checks } = ast
  if (checks === undefined || isShape === unsure) return isShape
  return (value) => isShape(value) && checks.every((check) => passes(check, value, ast))
}

/** Made at the first value: most schemas of a table never see one. */
export const isPlain = (schema: Schema.Top): IsPlain => {
  let made: IsPlain | undefined
  return (value) => (made ??= of(schema.ast))(value)
}
