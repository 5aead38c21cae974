/**
 * The configuration's schema as JSON Schema, for editors and pages: what may stand where, what is a secret, and what a change
 * of it takes. Pure.
 */
import * as Schema from "effect/Schema"
import type { ConfigHint, ConfigSchemaLookup } from "../../protocol/methods/config.ts"
import { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { isTree } from "./path.ts"
import { isSecretPath } from "./redact.ts"
import { reloadKindOf } from "./reload.ts"

type Node = { readonly [key: string]: unknown }

/** In JSON an optional key would be `null`; in this file it is left out. */
const withoutNull = (node: unknown): unknown => {
  if (Array.isArray(node)) return node.map(withoutNull)
  if (!isTree(node)) return node
  const { anyOf } = node
  if (Array.isArray(anyOf)) {
    const members = anyOf.filter((member) => !(isTree(member) && member["type"] === "null"))
    const { anyOf: _all, ...rest } = node
    const [only] = members
    return members.length === 1 && isTree(only)
      ? { ...(withoutNull(only) as Node), ...rest }
      : { ...rest, anyOf: members.map(withoutNull) }
  }
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, withoutNull(value)]))
}

const made: { root?: Node } = {}

/** The whole, with a title. Every object takes other keys too: they are kept and not used. */
export const configJsonSchema = (): Node =>
  (made.root ??= {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "OpenClawConfig",
    ...(withoutNull(Schema.toJsonSchemaDocument(OpenClawConfig).schema) as Node)
  })

const membersOf = (node: Node): ReadonlyArray<Node> =>
  Array.isArray(node["anyOf"]) ? (node["anyOf"] as ReadonlyArray<Node>).flatMap(membersOf) : [node]

interface Child {
  readonly key: string
  readonly node: Node
  readonly required: boolean
}

/** What a node names inside itself; `*` is any key and any item. */
const childrenOf = (node: Node): ReadonlyArray<Child> =>
  membersOf(node).flatMap((member): ReadonlyArray<Child> => {
    const properties = isTree(member["properties"]) ? member["properties"] : {}
    const required = Array.isArray(member["required"]) ? member["required"] : []
    const named = Object.entries(properties).map(([key, inner]) => ({
      key,
      node: inner as Node,
      required: required.includes(key)
    }))
    const others = isTree(member["additionalProperties"]) ? member["additionalProperties"] : member["items"]
    return isTree(others) ? [...named, { key: "*", node: others, required: false }] : named
  })

const hintOf = (path: ReadonlyArray<string>): ConfigHint => (isSecretPath(path) ? { sensitive: true } : {})

/** Hints by path, `*` for any key: which values are secrets. */
export const configHints = (): { readonly [path: string]: ConfigHint } => {
  const found: Array<readonly [string, ConfigHint]> = []
  const walk = (node: Node, path: ReadonlyArray<string>): void => {
    for (const child of childrenOf(node)) {
      const at = [...path, child.key]
      const inner = childrenOf(child.node)
      if (inner.length > 0) walk(child.node, at)
      else if (isSecretPath(at)) found.push([at.join("."), hintOf(at)])
    }
  }
  walk(configJsonSchema(), [])
  return Object.fromEntries(found)
}

const STRUCTURE = new Set(["properties", "items", "required", "definitions"])

/** A node without what is inside it. */
const shallow = (node: Node): Node => {
  const own = Object.entries(node).filter(([key]) => !STRUCTURE.has(key))
  return Object.fromEntries(
    own.map(([key, value]) => {
      if (key === "anyOf" && Array.isArray(value)) return [key, value.map((member) => shallow(member as Node))]
      return key === "additionalProperties" && isTree(value) && childrenOf(value as Node).length > 0
        ? [key, shallow(value as Node)]
        : [key, value]
    })
  )
}

const typeOf = (node: Node): { readonly type?: string | ReadonlyArray<string> } => {
  const types = [...new Set(membersOf(node).map((member) => member["type"]))].filter((type) => typeof type === "string")
  const [first] = types
  return first === undefined ? {} : { type: types.length === 1 ? first : types }
}

const withHint = (path: ReadonlyArray<string>) => {
  const hint = hintOf(path)
  return Object.keys(hint).length === 0 ? {} : { hint, hintPath: path.join(".") }
}

/** `a.b[0].c`, `a.b[].c`, `a/b`: the segments; `.` is the root. */
const segmentsOf = (path: string): ReadonlyArray<string> =>
  path
    .replace(/\[(\d*|\*)\]/g, (_, index: string) => `.${index === "" ? "*" : index}`)
    .split(/[./]/)
    .filter((segment) => segment !== "")

/** One node and what is directly inside it; `undefined` where the schema names nothing. */
export const lookupSchema = (path: string): ConfigSchemaLookup | undefined => {
  let node: Node = configJsonSchema()
  const at: Array<string> = []
  for (const segment of segmentsOf(path)) {
    const children = childrenOf(node)
    const child = children.find(({ key }) => key === segment) ?? children.find(({ key }) => key === "*")
    if (child === undefined) return undefined
    node = child.node
    at.push(/^\d+$/.test(segment) ? "*" : segment)
  }
  return {
    path: at.length === 0 ? "." : at.join("."),
    schema: shallow(node),
    reloadKind: reloadKindOf(at.join(".")),
    ...withHint(at),
    children: childrenOf(node).map((child) => {
      const inner = [...at, child.key]
      return {
        key: child.key,
        path: inner.join("."),
        ...typeOf(child.node),
        required: child.required,
        hasChildren: childrenOf(child.node).length > 0,
        reloadKind: reloadKindOf(inner.join(".")),
        ...withHint(inner)
      }
    })
  }
}
