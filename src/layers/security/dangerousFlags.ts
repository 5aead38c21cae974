/**
 * Switches whose name says that they open something, and that are on. This Gateway knows none of them; whoever wrote one
 * expects what it does elsewhere.
 */
import * as Predicate from "effect/Predicate"
import { formatPath, type Segment } from "../config/path.ts"

const name = /^(?:dangerous|insecure|allowInsecure|allowUnsafe)/i
/** Levels of the file, and switches that are told. */
const DEEPEST = 20
const MOST = 50

export const dangerousFlagsIn = (tree: unknown): ReadonlyArray<string> => {
  const found: Array<string> = []
  const walk = (node: unknown, path: ReadonlyArray<Segment>): void => {
    if (path.length > DEEPEST || found.length >= MOST || !Predicate.isObjectOrArray(node)) return
    for (const [key, value] of Object.entries(node)) {
      const at = [...path, Array.isArray(node) ? Number(key) : key]
      if (value === true && name.test(key)) found.push(formatPath(at))
      else walk(value, at)
    }
  }
  walk(tree, [])
  return found.slice(0, MOST)
}
