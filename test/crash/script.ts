/**
 * The play that is performed while the nemesis works: what people write, what the model answers to it, and how a reply is
 * recognized. Everything follows from a message's text, so that a model that was killed has forgotten nothing.
 *
 * A message is `#<id> <kind>`. Its answer consists of words that all carry the id: `a17`, one word for each call with what
 * became of it (`a17.desk:17a=done`), and numbered ones (`a17.1` to `a17.60`), so that each part of a reply, whole or cut,
 * tells where it belongs.
 */

export type Kind = "short" | "long" | "longest" | "run" | "twice" | "count" | "both"

/** `desk` is a node of ours, which remembers what it was asked; `attic` is one that does not. */
export type NodeName = "desk" | "attic"

/** One side effect: `effect` is what the node writes down. */
export interface Call {
  readonly node: NodeName
  readonly effect: string
}

interface Part {
  /** Calls of each step of the turn, before its answer. */
  readonly steps: ReadonlyArray<ReadonlyArray<NodeName>>
  /** Numbered words of the answer. */
  readonly words: number
}

/** Telegram takes 4,096 characters a message. */
const parts: Readonly<Record<Kind, Part>> = {
  short: { steps: [], words: 8 },
  long: { steps: [], words: 600 },
  longest: { steps: [], words: 1_100 },
  run: { steps: [["desk"]], words: 10 },
  twice: { steps: [["desk"], ["desk"]], words: 10 },
  count: { steps: [["attic"]], words: 10 },
  both: { steps: [["desk", "attic"]], words: 500 }
}

export const kinds = Object.keys(parts) as ReadonlyArray<Kind>

const letters = "abcdefgh"

/** The calls of each step. */
export const stepsOf = (id: number, kind: Kind): ReadonlyArray<ReadonlyArray<Call>> => {
  let taken = 0
  return parts[kind].steps.map((nodes) => nodes.map((node) => ({ node, effect: `${id}${letters[taken++]}` })))
}

export const textOf = (id: number, kind: Kind): string => `#${id} ${kind}`

/** A message of the play in a text; people's names may stand before it. */
export const messageIn = (text: string): { readonly id: number; readonly kind: Kind } | undefined => {
  const found = /#(\d+) (\w+)/.exec(text)
  const kind = kinds.find((known) => known === found?.[2])
  return found === null || kind === undefined ? undefined : { id: Number(found[1]), kind }
}

/** What became of a call, as the model read it in the call's result. */
export type Told = "done" | "unknown" | "failed"

export const toldBy = (result: string, effect: string): Told =>
  result.includes(`wrote ${effect}.`) ? "done" : /outcome unknown/.test(result) ? "unknown" : "failed"

/** The whole answer, in Markdown. */
export const answerOf = (id: number, kind: Kind, told: ReadonlyArray<Told>): string => {
  const calls = stepsOf(id, kind).flat()
  const head = [`**a${id}**`, ...calls.map(({ effect, node }, index) => `a${id}.${node}:${effect}=${told[index]}`)]
  const words = Array.from({ length: parts[kind].words }, (_, index) => `a${id}.${index + 1}`)
  const lines = Array.from({ length: Math.ceil(words.length / 12) }, (_, line) =>
    words.slice(line * 12, line * 12 + 12).join(" ")
  )
  return [head.join(" "), ...lines].join("\n")
}

/** How many words an answer has. */
export const lengthOf = (id: number, kind: Kind): number => 1 + stepsOf(id, kind).flat().length + parts[kind].words

/** Words of an answer as a person saw them: whose they are, and from which to which (exclusive) they reach. */
export interface Piece {
  readonly id: number
  readonly from: number
  readonly to: number
  readonly told: ReadonlyArray<Call & { readonly told: Told }>
}

const indexOf = (id: number, kind: Kind, rest: string | undefined): number | undefined => {
  if (rest === undefined) return 0
  const calls = stepsOf(id, kind).flat()
  const called = /^(\w+):(\w+)=(done|unknown|failed)$/.exec(rest)
  if (called !== null) {
    const at = calls.findIndex(({ effect, node }) => node === called[1] && effect === called[2])
    return at < 0 ? undefined : 1 + at
  }
  return /^\d+$/.test(rest) ? calls.length + Number(rest) : undefined
}

/** Reads words of one answer, without a gap; `undefined` when they are anything else. */
export const readPiece = (text: string, kindOf: (id: number) => Kind | undefined): Piece | undefined => {
  const words = text.trim().split(/\s+/)
  const told: Array<Call & { readonly told: Told }> = []
  let id: number | undefined
  let from: number | undefined
  let next = 0
  for (const word of words) {
    const found = /^a(\d+)(?:\.(.+))?$/.exec(word)
    if (found === null) return undefined
    const kind = kindOf(Number(found[1]))
    if (kind === undefined || (id !== undefined && id !== Number(found[1]))) return undefined
    id = Number(found[1])
    const index = indexOf(id, kind, found[2])
    if (index === undefined || (from !== undefined && index !== next)) return undefined
    from ??= index
    next = index + 1
    const called = /^(desk|attic):(\w+)=(done|unknown|failed)$/.exec(found[2] ?? "")
    if (called !== null) told.push({ node: called[1] as NodeName, effect: called[2]!, told: called[3] as Told })
  }
  return id === undefined || from === undefined ? undefined : { id, from, to: next, told }
}
