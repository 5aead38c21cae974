/** Params of a method's own schema, and what can be wrong with them. */
import type * as Schema from "effect/Schema"
import * as SchemaApi from "effect/Schema"
import { MethodTable } from "../../src/protocol/MethodTable.ts"

export type Json = Readonly<Record<string, unknown>>

/** What travels of a value: without what JSON has no word for. `undefined` when nothing does. */
export const travelling = (value: unknown): Json | undefined => {
  try {
    return JSON.parse(JSON.stringify(value)) as Json
  } catch {
    return undefined
  }
}

export interface Field {
  readonly name: string
  readonly optional: boolean
  readonly accepts: (value: unknown) => boolean
}

type Member = Schema.Codec<unknown, unknown> & {
  readonly ast: { readonly context?: { readonly isOptional: boolean } }
}

export const fieldsOf = (method: string): ReadonlyArray<Field> => {
  const schema = MethodTable.requests.get(method)!.payloadSchema as Schema.Top & {
    readonly fields?: Readonly<Record<string, Member>>
  }
  return Object.entries(schema.fields ?? {}).map(([name, field]) => ({
    name,
    optional: field.ast.context?.isOptional === true,
    accepts: SchemaApi.is(field)
  }))
}

const wrongs: ReadonlyArray<unknown> = [{ x: 1 }, 7.5, -1, "", "no such thing", true, ["x"], null]

/** Params with room for what nobody foresaw, as the published schema has it. */
export const takesMore = (method: string): boolean => {
  const { ast } = MethodTable.requests.get(method)!.payloadSchema as unknown as {
    readonly ast: { readonly indexSignatures?: ReadonlyArray<{ readonly type: { readonly _tag: string } }> }
  }
  return ast.indexSignatures?.some(({ type }) => type._tag !== "Never") === true
}

/** Each with the words that the answer must have. */
export const mutations = (method: string, params: Json): ReadonlyArray<readonly [Json, string]> => [
  ...(takesMore(method) ? [] : [[{ ...params, noSuchProperty: 1 }, "noSuchProperty"] as const]),
  ...fieldsOf(method).flatMap(({ accepts, name, optional }): Array<readonly [Json, string]> => {
    const wrong = wrongs.find((value) => !accepts(value))
    const { [name]: _gone, ...without } = params
    return [
      ...(wrong === undefined ? [] : [[{ ...params, [name]: wrong }, `/${name}`] as const]),
      ...(optional ? [] : [[without, `'${name}'`] as const])
    ]
  })
]
