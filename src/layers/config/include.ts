/**
 * `$include`: a configuration in several files, as OpenClaw documents it.
 *
 * `{ $include: "./a.json5" }` is replaced by that file's value; a list of files is merged in order; keys beside `$include`
 * go last and win. Paths are relative to the including file and must stay in the configuration's own directory.
 */
import * as Effect from "effect/Effect"
import type { ConfigInvalid, ConfigUnreadable } from "../../services/Config.ts"
import type { Path } from "./path.ts"
import { define, formatPath, isTree } from "./path.ts"
import type { SourceOptions } from "./source.ts"
import { invalid, parseText, readText } from "./source.ts"

const MAX_NESTING = 10

/** Deep merge: objects key by key, everything else is replaced by what comes later. */
export const merge = (first: unknown, later: unknown): unknown => {
  if (later === undefined) return first
  if (!isTree(first) || !isTree(later)) return later
  const merged: Record<string, unknown> = {}
  for (const [key, own] of Object.entries(first)) define(merged, key, own)
  for (const [key, own] of Object.entries(later)) {
    define(merged, key, Object.hasOwn(first, key) ? merge(first[key], own) : own)
  }
  return merged
}

/** Whether a parsed file includes others. */
export const hasIncludes = (node: unknown): boolean =>
  Array.isArray(node)
    ? node.some(hasIncludes)
    : isTree(node) && (Object.hasOwn(node, "$include") || Object.values(node).some(hasIncludes))

/** A parsed file with all its includes put in. */
export const resolveIncludes = (
  options: SourceOptions,
  root: unknown
): Effect.Effect<unknown, ConfigInvalid | ConfigUnreadable> => {
  const { file: top, fs, path } = options
  const home = path.dirname(top)

  const load = Effect.fnUntraced(function* (name: unknown, from: string, at: Path, nesting: number) {
    const problem = (expected: string) =>
      invalid(top, { path: formatPath([...at, "$include"]), value: JSON.stringify(name) ?? "nothing", expected })
    if (typeof name !== "string" || name === "" || name.includes("\0") || name.length >= 4096) {
      return yield* problem("the path of a file, or an array of paths")
    }
    if (nesting >= MAX_NESTING) return yield* problem(`at most ${MAX_NESTING} includes inside each other`)
    const file = path.resolve(path.dirname(from), name)
    // By real path: a link inside the directory must not lead out of it.
    const [real, bounds] = yield* Effect.all([fs.realPath(file), fs.realPath(home)]).pipe(
      Effect.mapError(() => problem("a file that exists"))
    )
    if (!real.startsWith(bounds.endsWith(path.sep) ? bounds : bounds + path.sep)) {
      return yield* problem(`a file inside ${home}`)
    }
    const text = yield* readText(options, real)
    if (text === undefined) return yield* problem("a file that exists")
    return yield* walk(yield* parseText(file, text), file, at, nesting + 1)
  })

  const walk: (
    node: unknown,
    from: string,
    at: Path,
    nesting: number
  ) => Effect.Effect<unknown, ConfigInvalid | ConfigUnreadable> = Effect.fnUntraced(
    function* (node, from, at, nesting) {
      if (Array.isArray(node)) {
        return yield* Effect.forEach(node, (item, index) => walk(item, from, [...at, index], nesting))
      }
      if (!isTree(node)) return node
      const rest: Record<string, unknown> = {}
      for (const [key, own] of Object.entries(node)) {
        if (key !== "$include") define(rest, key, yield* walk(own, from, [...at, key], nesting))
      }
      if (!Object.hasOwn(node, "$include")) return rest
      const names = node["$include"]
      const parts = yield* Effect.forEach(Array.isArray(names) ? names : [names], (name) =>
        load(name, from, at, nesting)
      )
      const included = parts.reduce(merge, undefined)
      return Object.keys(rest).length === 0 ? included : merge(included, rest)
    }
  )

  return walk(root, top, [], 0)
}
