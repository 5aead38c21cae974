/**
 * Which node a text means, among those that are there: by name, by id, by platform, and by what they can do.
 */
import * as Schema from "effect/Schema"

const Node = Schema.Struct({
  nodeId: Schema.NonEmptyString,
  name: Schema.optional(Schema.String),
  platform: Schema.optional(Schema.String),
  connected: Schema.optional(Schema.Boolean),
  commands: Schema.optional(Schema.Array(Schema.String))
})
export type Node = typeof Node.Type

/** The `nodes` tool's answer to `list`. */
export const decodeNodeList = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ nodes: Schema.Array(Node) }))
)

export type Choice =
  | { readonly kind: "node"; readonly node: Node }
  | { readonly kind: "ambiguous"; readonly nodes: ReadonlyArray<Node> }
  | { readonly kind: "away"; readonly node: Node }
  | { readonly kind: "unknown"; readonly name: string }
  | { readonly kind: "none" }
  | { readonly kind: "incapable"; readonly nodes: ReadonlyArray<Node> }

export const nameOf = (node: Node): string => node.name ?? node.nodeId.slice(0, 12)

const platformWords: ReadonlyArray<readonly [RegExp, RegExp]> = [
  [/linux/, /\blinux\b|\bserver\b/],
  [/mac|darwin/, /\bmac(os|book)?\b|\bdarwin\b/],
  [/win/, /\bwindows\b/],
  [/ios|ipad|iphone/, /\biphone\b|\bipad\b|\bios\b|\bphone\b/],
  [/android/, /\bandroid\b|\bphone\b/]
]

const words = (text: string): ReadonlyArray<string> => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []

const common = new Set(
  "the a an my your our this that node device machine computer host phone server it all".split(" ")
)

/** How clearly the text means the node; 0 when nothing in it does. */
const score = (node: Node, text: string): number => {
  const lower = text.toLowerCase()
  const said = ` ${words(text).join(" ")} `
  const name = words(node.name ?? "")
  const platform = (node.platform ?? "").toLowerCase()
  const whole = name.length > 0 && said.includes(` ${name.join(" ")} `)
  const byId = (lower.match(/[0-9a-z-]{6,}/g) ?? []).some((word) => node.nodeId.toLowerCase().startsWith(word))
  const parts = name.filter((word) => word.length > 2 && !common.has(word) && said.includes(` ${word} `)).length
  const byPlatform = platformWords.some(([is, call]) => is.test(platform) && call.test(lower))
  return (whole ? 100 + name.length : 0) + (byId ? 100 : 0) + parts * 10 + (byPlatform ? 5 : 0)
}

/** The name after "on", "of", "for" or "from", when it is one and not a common word. */
const namedTarget = (text: string): string | undefined => {
  const found = [...text.matchAll(/\b(?:on|of|for|from|at)\s+([^,.?!]+?)\s*(?:[,.?!]|$)/gi)].at(-1)?.[1]
  const special = words(found ?? "").filter((word) => !common.has(word))
  const isPlatform = platformWords.some(([, call]) => call.test((found ?? "").toLowerCase()))
  return found === undefined || special.length === 0 || isPlatform ? undefined : found
}

/** The node to ask, for a text and the commands of which any one would do. */
export const choose = (nodes: ReadonlyArray<Node>, about: string, commands: ReadonlyArray<string>): Choice => {
  const scored = nodes.map((node) => ({ node, score: score(node, about) }))
  const best = Math.max(0, ...scored.map((entry) => entry.score))
  const meant = best === 0 ? [] : scored.filter((entry) => entry.score === best).map((entry) => entry.node)
  const here = (meant.length > 0 ? meant : nodes).filter((node) => node.connected !== false)
  const away = meant.find((node) => node.connected === false)
  if (here.length === 0 && away !== undefined) return { kind: "away", node: away }
  const target = best === 0 ? namedTarget(about) : undefined
  if (target !== undefined) return { kind: "unknown", name: target }
  if (here.length === 0) return { kind: "none" }
  const able = here.filter((node) => commands.some((command) => node.commands?.includes(command)))
  const [first, second] = able
  if (first === undefined) return { kind: "incapable", nodes: here }
  return second === undefined ? { kind: "node", node: first } : { kind: "ambiguous", nodes: able }
}
