/** Values that a JSON schema accepts: one at each of its edges, and each optional property with and without. */

export interface JsonSchema {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: ReadonlyArray<unknown>
  readonly anyOf?: ReadonlyArray<JsonSchema>
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>
  readonly required?: ReadonlyArray<string>
  readonly additionalProperties?: boolean | JsonSchema
  readonly items?: JsonSchema
  readonly minItems?: number
  readonly maxItems?: number
  readonly uniqueItems?: boolean
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
}

/** Longer than what a Gateway of ours takes for a name (`src/protocol/text.ts`). */
const LONGEST_NAME = 256

/** Texts for the patterns that params have. */
const texts = ["main", "a1", "é 名 😀", "0123456789abcdef0123456789abcdef", "a/b.c", "#336699", "1.2.3", "2026-11-21"]

const strings = ({ maxLength = LONGEST_NAME, minLength = 0, pattern }: JsonSchema): ReadonlyArray<string> => {
  const long = "x".repeat(Math.min(maxLength, LONGEST_NAME))
  const fitting = ["x".repeat(minLength), ...texts, long].filter(
    (text) =>
      text.length >= minLength &&
      text.length <= maxLength &&
      (pattern === undefined || new RegExp(pattern, "u").test(text))
  )
  return fitting
}

const numbers = (schema: JsonSchema): ReadonlyArray<number> => {
  const whole = schema.type === "integer"
  const least = schema.minimum ?? (schema.exclusiveMinimum === undefined ? -1 : schema.exclusiveMinimum + 1)
  const most = schema.maximum ?? Number.MAX_SAFE_INTEGER
  return [...new Set([least, Math.max(least, 1), most, ...(whole ? [] : [Math.min(most, least + 0.5)])])]
}

const objects = (schema: JsonSchema): ReadonlyArray<unknown> => {
  const properties = Object.entries(schema.properties ?? {})
  const required = new Set(schema.required)
  const first = (name: string, of: JsonSchema): readonly [string, unknown] => [name, samples(of)[0]]
  const least = Object.fromEntries(
    properties.filter(([name]) => required.has(name)).map(([name, of]) => first(name, of))
  )
  const open = Object.values(schema.patternProperties ?? {})
  const more = typeof schema.additionalProperties === "object" ? [schema.additionalProperties] : open
  return [
    least,
    ...properties.flatMap(([name, of]) => samples(of).map((value) => ({ ...least, [name]: value }))),
    { ...Object.fromEntries(properties.map(([name, of]) => first(name, of))), ...least },
    ...more.flatMap((of) => samples(of).map((value) => ({ ...least, another: value }))),
    ...(schema.additionalProperties === true || (properties.length === 0 && schema.additionalProperties !== false)
      ? [{ ...least, another: [{ deep: null }] }]
      : [])
  ]
}

const arrays = ({ items = {}, maxItems, minItems = 0, uniqueItems }: JsonSchema): ReadonlyArray<unknown> => {
  const each = samples(items)
  const many = uniqueItems === true ? each : [...each, ...each]
  return [
    ...(minItems === 0 ? [[]] : []),
    ...(minItems <= 1 && maxItems !== 0 ? each.map((item) => [item]) : []),
    ...(many.length >= minItems ? [many.slice(0, maxItems)] : [])
  ]
}

/** Never empty for a schema that accepts anything. */
export const samples = (schema: JsonSchema): ReadonlyArray<unknown> => {
  if ("const" in schema) return [schema.const]
  if (schema.enum !== undefined) return schema.enum
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap(samples)
  switch (schema.type) {
    case "string":
      return strings(schema)
    case "integer":
    case "number":
      return numbers(schema)
    case "boolean":
      return [true, false]
    case "null":
      return [null]
    case "array":
      return arrays(schema)
    case "object":
      return objects(schema)
    default:
      return [null, 1.5, "text", [{}], { a: { b: [1] } }]
  }
}
