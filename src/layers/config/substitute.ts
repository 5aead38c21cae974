/**
 * Puts environment variables into a configuration, as OpenClaw documents it. Pure.
 *
 * `"${NAME}"` in any text (upper-case names only) is replaced; `"$${NAME}"` is the text `${NAME}`. A reference
 * `{ source: "env", provider, id }` is replaced too where a secret is expected. A name without a value stays visible in
 * ordinary text; a secret with such a name is taken out, so that nobody logs in with the text `${NAME}`.
 */
import type { Path } from "./path.ts"
import { define, formatPath, isTree } from "./path.ts"
import { isSecretPath } from "./redact.ts"

export type Env = Readonly<Record<string, string | undefined>>

export interface Substituted {
  readonly tree: unknown
  /** Where something could not be put in, and why. Contains no values. */
  readonly missing: ReadonlyArray<{ readonly path: string; readonly reason: string }>
}

const VARIABLE = /(\$?)\$\{([A-Z_][A-Z0-9_]*)\}/g

/** The process's own variables go first; `env.vars` of the file fills the gaps. */
const lookup = (tree: unknown, env: Env): ((name: string) => string | undefined) => {
  const section = isTree(tree) ? tree["env"] : undefined
  const vars = isTree(section) ? section["vars"] : undefined
  return (name) => {
    const own = Object.hasOwn(env, name) ? env[name] : undefined
    if (own !== undefined && own !== "") return own
    const inline = isTree(vars) && Object.hasOwn(vars, name) ? vars[name] : undefined
    return typeof inline === "string" && inline !== "" ? inline : undefined
  }
}

/** The variables that a tree names, whether or not they have a value. */
export const variablesIn = (node: unknown): ReadonlyArray<string> => {
  if (typeof node === "string") {
    return [...node.matchAll(VARIABLE)].flatMap(([, escaped, name]) =>
      escaped === "$" || name === undefined ? [] : [name]
    )
  }
  if (Array.isArray(node)) return node.flatMap(variablesIn)
  if (!isTree(node)) return []
  const { id, source } = node
  return source === "env" && typeof id === "string" ? [id] : Object.values(node).flatMap(variablesIn)
}

const GONE = Symbol("gone")

export const substitute = (root: unknown, env: Env): Substituted => {
  const missing: Array<{ path: string; reason: string }> = []
  const value = lookup(root, env)
  const lacks = (path: Path, reason: string) => {
    missing.push({ path: formatPath(path), reason })
  }

  const text = (source: string, path: Path): unknown => {
    let complete = true
    const result = source.replace(VARIABLE, (whole, escaped: string, name: string) => {
      if (escaped === "$") return whole.slice(1)
      const found = value(name)
      if (found !== undefined) return found
      complete = false
      lacks(path, `the environment variable ${name} has no value`)
      return whole
    })
    return complete || !isSecretPath(path) ? result : GONE
  }

  const reference = (source: unknown, id: unknown, path: Path): unknown => {
    if (source !== "env" || typeof id !== "string") {
      lacks(path, `secret references of source ${JSON.stringify(source)} are not supported here; use "env"`)
      return GONE
    }
    const found = value(id)
    if (found === undefined) lacks(path, `the environment variable ${id} has no value`)
    return found ?? GONE
  }

  const walk = (node: unknown, path: Path): unknown => {
    if (typeof node === "string") return text(node, path)
    if (Array.isArray(node))
      return node.map((item, index) => walk(item, [...path, index])).filter((item) => item !== GONE)
    if (!isTree(node)) return node
    if (isSecretPath(path) && "source" in node && "id" in node) return reference(node["source"], node["id"], path)
    const copy: Record<string, unknown> = {}
    for (const [key, own] of Object.entries(node)) {
      const next = walk(own, [...path, key])
      if (next !== GONE) define(copy, key, next)
    }
    return copy
  }

  return { tree: walk(root, []), missing }
}
