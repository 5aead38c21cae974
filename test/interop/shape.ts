/**
 * The shape of a JSON value: which members it has and of which kinds. Pure.
 */

type Kind = "string" | "number" | "boolean" | "null" | "object" | "array"

/** From path to kinds. An element of an array is `[]`, a member whose name is an id `<id>`. */
export type Shape = ReadonlyMap<string, ReadonlySet<Kind>>

/** Ids, session keys, paths, addresses and model references as names of members. */
const isId = (name: string): boolean => /[:/\\]/.test(name) || /^[0-9a-f-]{16,}$/i.test(name) || /^\d+$/.test(name)

const kindOf = (value: unknown): Kind =>
  value === null ? "null" : Array.isArray(value) ? "array" : (typeof value as Kind)

export const shapeOf = (...values: ReadonlyArray<unknown>): Shape => {
  const shape = new Map<string, Set<Kind>>()
  const visit = (path: string, value: unknown): void => {
    if (value === undefined) return
    const kinds = shape.get(path) ?? new Set()
    shape.set(path, kinds.add(kindOf(value)))
    if (Array.isArray(value)) for (const element of value) visit(`${path}[]`, element)
    else if (typeof value === "object" && value !== null) {
      for (const [name, member] of Object.entries(value)) visit(`${path}.${isId(name) ? "<id>" : name}`, member)
    }
  }
  for (const value of values) visit("", value)
  return shape
}

const parentOf = (path: string): string =>
  path.endsWith("[]") ? path.slice(0, -2) : path.slice(0, Math.max(0, path.lastIndexOf(".")))

const words = (kinds: ReadonlySet<Kind>): string => [...kinds].sort().join("|")

/** What differs, topmost path first; what is below a difference is not repeated. `null` goes with every kind. */
export const difference = (theirs: Shape, ours: Shape): ReadonlyArray<string> => {
  const told = new Set<string>()
  const lines: Array<string> = []
  const isBelow = (path: string): boolean => {
    for (let at = parentOf(path); ; at = parentOf(at)) {
      if (told.has(at)) return true
      if (at === "") return false
    }
  }
  const tell = (path: string, line: string): void => {
    if (path !== "" && isBelow(path)) return
    told.add(path)
    lines.push(line)
  }
  for (const path of [...new Set([...theirs.keys(), ...ours.keys()])].sort((a, b) => a.length - b.length)) {
    const there = theirs.get(path)
    const here = ours.get(path)
    const name = path === "" ? "(all)" : path.replace(/^\./, "")
    if (there === undefined) tell(path, `+ ${name}`)
    else if (here === undefined) tell(path, `- ${name}`)
    else {
      const strange = [...here].filter((kind) => kind !== "null" && !there.has(kind))
      if (strange.length > 0 && words(there) !== "null") tell(path, `~ ${name}: ${words(here)} for ${words(there)}`)
      else if (words(here) === "null" || words(there) === "null") told.add(path)
    }
  }
  return lines
}
