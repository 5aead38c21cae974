/**
 * Merge patches of a configuration, and what a change changes. Pure.
 *
 * Objects merge, `null` deletes, everything else replaces. Arrays of objects with an `id` merge by it. What would take entries
 * out of an array must be named, because clients send back arrays that they saw only in part.
 */
import { isDeepStrictEqual } from "node:util"
import { define, formatPath, isTree, type Path } from "../path.ts"

/** `models.providers.custom.models[].input`: how `replacePaths` names an array. */
const nameOf = (path: Path): string =>
  path.map((segment, index) => (typeof segment === "number" ? "[]" : index === 0 ? segment : `.${segment}`)).join("")

const idsOf = (items: ReadonlyArray<unknown>): ReadonlyArray<string> | undefined => {
  const ids = items.map((item) => (isTree(item) && Object.hasOwn(item, "id") ? item["id"] : undefined))
  return ids.every((id) => typeof id === "string") && new Set(ids).size === ids.length
    ? (ids as ReadonlyArray<string>)
    : undefined
}

/** The arrays of a value, the outermost ones. */
const arraysIn = (value: unknown, path: Path): ReadonlyArray<Path> =>
  Array.isArray(value)
    ? [path]
    : isTree(value)
      ? Object.entries(value).flatMap(([key, own]) => arraysIn(own, [...path, key]))
      : []

/** All arrays that a patch gives, so that each replaces the one that is there. */
export const namesOfArrays = (patch: unknown): ReadonlyArray<string> => arraysIn(patch, []).map(nameOf)

/** Whether every item of `before` is in `after` too, as often. */
const keepsAll = (before: ReadonlyArray<unknown>, after: ReadonlyArray<unknown>): boolean => {
  const left = [...after]
  return before.every((item) => {
    const index = left.findIndex((candidate) => isDeepStrictEqual(candidate, item))
    if (index !== -1) left.splice(index, 1)
    return index !== -1
  })
}

export interface Merged {
  readonly tree: unknown
  /** Arrays that would lose entries without being named, as `replacePaths` names them. */
  readonly losing: ReadonlyArray<string>
}

export const mergePatch = (base: unknown, patch: unknown, replacePaths: ReadonlyArray<string> = []): Merged => {
  const losing = new Set<string>()
  const isNamed = (path: Path) => replacePaths.includes(nameOf(path)) || replacePaths.includes(formatPath(path))
  const lose = (value: unknown, path: Path): void => {
    for (const array of arraysIn(value, path)) if (!isNamed(array)) losing.add(nameOf(array))
  }

  const mergeArrays = (own: ReadonlyArray<unknown>, given: ReadonlyArray<unknown>, path: Path): unknown => {
    if (isNamed(path)) return given
    const ids = idsOf(given)
    const ownIds = idsOf(own)
    if (ids === undefined || ownIds === undefined || own.length === 0) {
      if (!keepsAll(own, given)) losing.add(nameOf(path))
      return given
    }
    const merged = own.map((item, index) => {
      const at = ids.indexOf(ownIds[index] ?? "")
      return at === -1 ? item : merge(item, given[at], [...path, index])
    })
    return [...merged, ...given.filter((_, index) => !ownIds.includes(ids[index] ?? ""))]
  }

  const merge = (own: unknown, given: unknown, path: Path): unknown => {
    if (Array.isArray(own) && Array.isArray(given)) return mergeArrays(own, given, path)
    if (!isTree(given)) {
      lose(own, path)
      return given
    }
    if (!isTree(own)) lose(own, path)
    const present = isTree(own) ? own : {}
    const copy: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(present)) {
      if (Object.hasOwn(given, key) && given[key] === null) lose(value, [...path, key])
      else define(copy, key, Object.hasOwn(given, key) ? merge(value, given[key], [...path, key]) : value)
    }
    for (const [key, value] of Object.entries(given)) {
      if (!Object.hasOwn(present, key) && value !== null) define(copy, key, merge(undefined, value, [...path, key]))
    }
    return copy
  }

  return { tree: merge(base, patch, []), losing: [...losing] }
}

/** Dotted paths at which two trees differ; an array counts as a whole. */
export const changedPaths = (before: unknown, after: unknown, path: Path = []): ReadonlyArray<string> => {
  if (isDeepStrictEqual(before, after)) return []
  if (path.length > 0 && !isTree(before) && !isTree(after)) return [formatPath(path)]
  const from = isTree(before) ? before : {}
  const to = isTree(after) ? after : {}
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])]
  const inner = keys.flatMap((key) =>
    changedPaths(Object.hasOwn(from, key) ? from[key] : undefined, Object.hasOwn(to, key) ? to[key] : undefined, [
      ...path,
      key
    ])
  )
  // An empty object that came or went, or that took the place of another value.
  return inner.length === 0 ? [formatPath(path)] : inner
}

/** Keys that mean something else in JavaScript; no configuration has them. */
const RESERVED = new Set(["__proto__", "prototype", "constructor"])

/** The first place in a tree whose key no configuration may have. */
export const reservedKeyIn = (value: unknown, path: Path = []): string | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  for (const [key, own] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(key) : key]
    const found = RESERVED.has(key) ? formatPath(at) : reservedKeyIn(own, at)
    if (found !== undefined) return found
  }
  return undefined
}
