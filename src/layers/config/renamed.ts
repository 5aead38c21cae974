/**
 * Older names of keys that are still read, and what they are called now. Pure.
 */
import * as Result from "effect/Result"
import { formatPath, getAt, isTree, type Path, setAt, unsetAt } from "./path.ts"

const RENAMED: ReadonlyArray<readonly [from: Path, to: Path]> = [
  [
    ["tools", "exec", "timeoutSec"],
    ["tools", "exec", "timeoutSeconds"]
  ],
  [
    ["gateway", "nodes", "allowCommands"],
    ["gateway", "nodes", "commands", "allow"]
  ],
  [
    ["gateway", "nodes", "denyCommands"],
    ["gateway", "nodes", "commands", "deny"]
  ]
]

export interface Renamed {
  /** The tree with the newer names. */
  readonly tree: unknown
  /** `older -> newer`. */
  readonly changes: ReadonlyArray<string>
}

/** A value under an older name goes to the newer one, unless that has a value already: then nobody knows which is meant. */
export const renamed = (raw: unknown): Renamed => {
  let tree = raw
  const changes: Array<string> = []
  for (const [from, to] of RENAMED) {
    const value = getAt(tree, from)
    if (value === undefined || getAt(tree, to) !== undefined) continue
    const above = getAt(tree, to.slice(0, -1))
    if (above !== undefined && !isTree(above)) continue
    const moved = Result.map(setAt(tree, to, value), (set) => unsetAt(set, from)?.tree ?? set)
    if (Result.isFailure(moved)) continue
    tree = moved.success
    changes.push(`${formatPath(from)} -> ${formatPath(to)}`)
  }
  return { tree, changes }
}
