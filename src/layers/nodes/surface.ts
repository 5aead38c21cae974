/**
 * A node's surface: what it declares, cleaned; and whether that needs an operator.
 */
import type { Surface } from "./store.ts"

/** More than any real node declares; a flood must not become rows and events. */
const MOST = 256
const LONGEST = 128

/** Printable ASCII without spaces: names appear in terminals, logs and approval prompts. */
const name = /^[\x21-\x7e]+$/

/** Names as declared, in order: trimmed, each once; what cannot be a name is dropped. */
export const clean = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const kept = new Set<string>()
  for (const raw of names) {
    const text = raw.trim()
    if (text.length <= LONGEST && name.test(text)) kept.add(text)
    if (kept.size === MOST) break
  }
  return [...kept]
}

const within = (inner: ReadonlyArray<string>, outer: ReadonlyArray<string>) =>
  inner.every((entry) => outer.includes(entry))
const covers = (outer: Surface, inner: Surface) =>
  within(inner.commands, outer.commands) && within(inner.caps, outer.caps)

/** What a connection's declaration calls for. */
export type Verdict =
  /** Nothing beyond what was approved; a request that waits is pointless now. */
  | "covered"
  /** Exactly what already waits for an operator: the same request goes on. */
  | "waiting"
  /** Something new: asked under a new id, so that nobody approves what they did not read. */
  | "ask"

export const judge = (declared: Surface, approved: Surface | undefined, waiting: Surface | undefined): Verdict => {
  if (covers(approved ?? { caps: [], commands: [] }, declared)) return "covered"
  return waiting !== undefined && covers(waiting, declared) && covers(declared, waiting) ? "waiting" : "ask"
}

/** What may be used now: declared on this connection and approved. */
export const usable = (declared: ReadonlyArray<string>, approved: ReadonlyArray<string>): ReadonlyArray<string> =>
  declared.filter((entry) => approved.includes(entry))
