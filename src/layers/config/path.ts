/**
 * Dotted paths into a configuration: `gateway.port`, `agents.list[0].id`, `models.providers["a.b"].apiKey`.
 *
 * Pure: the tree that comes in is never changed.
 */
import * as Result from "effect/Result"

/** A key of an object (string) or an index of an array (number). */
export type Segment = string | number
export type Path = ReadonlyArray<Segment>

/** Why a path cannot be used: `at` is the part up to the fault. */
export interface PathProblem {
  readonly at: string
  readonly expected: string
}

export const EXPECTED_PATH = 'a path such as gateway.port, agents.list[0].id or models.providers["my.provider"]'

/** Names that mean something else in JavaScript; no configuration has them. */
const reserved = new Set(["__proto__", "prototype", "constructor"])

const TOKEN = /(?:^|\.)([^.[\]"']+)|\[(\d{1,9})\]|\[("(?:[^"\\]|\\.)*")\]|\[('(?:[^'\\]|\\.)*')\]/y

const unquote = (text: string): string => text.slice(1, -1).replace(/\\(.)/g, "$1")

export const parsePath = (text: string): Result.Result<Path, PathProblem> => {
  const segments: Array<Segment> = []
  const source = text.trim()
  let at = 0
  while (at < source.length) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(source)
    if (match === null) return Result.fail({ at: source, expected: EXPECTED_PATH })
    at = TOKEN.lastIndex
    const [, key, index, double, single] = match
    if (key !== undefined) segments.push(key)
    else if (index !== undefined) segments.push(Number(index))
    else segments.push(unquote(double ?? single ?? ""))
  }
  const wrong = segments.find((segment) => typeof segment === "string" && reserved.has(segment))
  if (wrong !== undefined) return Result.fail({ at: source, expected: `a key other than ${wrong}` })
  return segments.length === 0 ? Result.fail({ at: source, expected: EXPECTED_PATH }) : Result.succeed(segments)
}

/** The text that `parsePath` reads as this path. */
export const formatPath = (path: Path): string =>
  path
    .map((segment, index) => {
      if (typeof segment === "number") return `[${segment}]`
      if (/^[^.[\]"'\s]+$/.test(segment)) return index === 0 ? segment : `.${segment}`
      return `["${segment.replace(/["\\]/g, String.raw`\$&`)}"]`
    })
    .join("")

/** Whether the second of two path texts is the first, or leads to something inside it. */
export const isWithin = (outer: string, inner: string): boolean =>
  inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`)

type Tree = { readonly [key: string]: unknown }

export const isTree = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Own entries only; a key such as `__proto__` stays an ordinary key. */
const withKey = (tree: Tree, key: string, value: unknown): Tree => {
  const copy: Record<string, unknown> = {}
  for (const [name, own] of Object.entries(tree)) define(copy, name, own)
  define(copy, key, value)
  return copy
}

export const define = (target: object, key: string, value: unknown): void => {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
}

/** `agents.list.0` reads like `agents.list[0]`. */
const indexOf = (segment: Segment): number | undefined =>
  typeof segment === "number" ? segment : /^\d{1,9}$/.test(segment) ? Number(segment) : undefined

/** The value at a path; `undefined` when there is none. */
export const getAt = (root: unknown, path: Path): unknown => {
  let value = root
  for (const segment of path) {
    if (Array.isArray(value)) {
      const index = indexOf(segment)
      value = index === undefined ? undefined : value[index]
    } else if (isTree(value)) {
      const key = String(segment)
      value = Object.hasOwn(value, key) ? value[key] : undefined
    } else return undefined
  }
  return value
}

/** The tree with `value` at the path. Objects and arrays on the way are made; an array grows by one place at a time. */
export const setAt = (root: unknown, path: Path, value: unknown): Result.Result<unknown, PathProblem> => {
  const step = (current: unknown, depth: number): Result.Result<unknown, PathProblem> => {
    const segment = path[depth]
    if (segment === undefined) return Result.succeed(value)
    const container = current ?? (typeof segment === "number" ? [] : {})
    const at = formatPath(path.slice(0, depth + 1))
    if (Array.isArray(container)) {
      const index = indexOf(segment)
      if (index === undefined || index > container.length) {
        return Result.fail({ at, expected: `an index from 0 to ${container.length}` })
      }
      return Result.map(step(container[index], depth + 1), (next) =>
        index === container.length ? [...container, next] : container.with(index, next)
      )
    }
    if (!isTree(container)) {
      return Result.fail({ at: formatPath(path.slice(0, depth)), expected: "an object, to set a key in it" })
    }
    const key = String(segment)
    const own = Object.hasOwn(container, key) ? container[key] : undefined
    return Result.map(step(own, depth + 1), (next) => withKey(container, key, next))
  }
  return step(root, 0)
}

/** The tree without what stands at the path, or `undefined` when nothing stands there. Later array items move up. */
export const unsetAt = (root: unknown, path: Path): { readonly tree: unknown } | undefined => {
  const [segment, ...rest] = path
  if (segment === undefined) return undefined
  if (Array.isArray(root)) {
    const index = indexOf(segment)
    if (index === undefined || index >= root.length) return undefined
    if (rest.length === 0) return { tree: root.toSpliced(index, 1) }
    const inner = unsetAt(root[index], rest)
    return inner === undefined ? undefined : { tree: root.with(index, inner.tree) }
  }
  const key = String(segment)
  if (!isTree(root) || !Object.hasOwn(root, key)) return undefined
  if (rest.length === 0) {
    const copy: Record<string, unknown> = {}
    for (const [name, own] of Object.entries(root)) if (name !== key) define(copy, name, own)
    return { tree: copy }
  }
  const inner = unsetAt(root[key], rest)
  return inner === undefined ? undefined : { tree: withKey(root, key, inner.tree) }
}
