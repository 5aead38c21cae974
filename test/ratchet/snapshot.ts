/**
 * What a heap snapshot of V8 tells of an Effect program: its live fibers and its open scopes.
 */
import { readFileSync } from "node:fs"

interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: ReadonlyArray<string>
      readonly edge_fields: ReadonlyArray<string>
      readonly edge_types: readonly [ReadonlyArray<string>, ...ReadonlyArray<unknown>]
    }
  }
  readonly nodes: ReadonlyArray<number>
  readonly edges: ReadonlyArray<number>
  readonly strings: ReadonlyArray<string>
}

/** Counts what has the marks that Effect gives its fibers and scopes, less fibers that ended and scopes that were closed. */
export const count = (file: string): { readonly fibers: number; readonly scopes: number } => {
  const { edges, nodes, snapshot, strings } = JSON.parse(readFileSync(file, "utf8")) as Snapshot
  const { edge_fields, edge_types, node_fields } = snapshot.meta
  const nodeSize = node_fields.length
  const edgeSize = edge_fields.length
  const nameAt = node_fields.indexOf("name")
  const edgesAt = node_fields.indexOf("edge_count")
  const property = edge_types[0].indexOf("property")
  const nameOf = (node: number) => strings[nodes[node + nameAt]!]!

  let next = 0
  const firstEdge = new Map<number, number>()
  for (let node = 0; node < nodes.length; node += nodeSize) {
    firstEdge.set(node, next)
    next += nodes[node + edgesAt]! * edgeSize
  }
  const properties = (node: number): ReadonlyMap<string, number> => {
    const first = firstEdge.get(node)!
    const found = new Map<string, number>()
    for (let edge = first; edge < first + nodes[node + edgesAt]! * edgeSize; edge += edgeSize) {
      if (edges[edge] === property) found.set(strings[edges[edge + 1]!]!, edges[edge + 2]!)
    }
    return found
  }
  const isOpen = (scope: ReadonlyMap<string, number>) => {
    const state = scope.get("state")
    const tag = state === undefined ? undefined : properties(state).get("_tag")
    return tag !== undefined && nameOf(tag) !== "Closed"
  }

  let fibers = 0
  let scopes = 0
  for (let node = 0; node < nodes.length; node += nodeSize) {
    const isFiber = nameOf(node) === "FiberImpl"
    if (!isFiber && nameOf(node) !== "Object") continue
    const own = properties(node)
    if (isFiber && own.has("_stack")) {
      const exit = own.get("_exit")
      if (exit === undefined || nameOf(exit) === "undefined") fibers++
    } else if (own.has("~effect/Scope") && isOpen(own)) scopes++
  }
  return { fibers, scopes }
}
