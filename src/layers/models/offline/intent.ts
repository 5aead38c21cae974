/**
 * What a text asks for, as far as fixed rules can tell.
 */

/** A side of a device's state that can be asked about. */
export type Facet = "uptime" | "battery" | "disk" | "memory" | "load" | "network" | "thermal" | "system" | "status"

/** `about` is the part of the text in which a node may be named. */
export type Intent =
  | { readonly kind: "abilities" }
  | { readonly kind: "list" }
  | { readonly kind: "state"; readonly facets: ReadonlyArray<Facet>; readonly about: string }
  | { readonly kind: "run"; readonly command: string; readonly about: string }
  | { readonly kind: "which"; readonly program: string; readonly about: string }
  | { readonly kind: "invoke"; readonly command: string; readonly about: string }
  | { readonly kind: "send"; readonly to: string; readonly text: string; readonly channel?: string }
  | { readonly kind: "unknown" }

const facetWords: ReadonlyArray<readonly [Facet, RegExp]> = [
  ["uptime", /\bup-?time\b|\bhow long\b.*\b(up|running|on)\b|\bbeen (up|running)\b|\b(re)?boot(ed)?\b/],
  ["battery", /\bbatter(y|ies)\b|\bcharg(e|ed|ing)\b/],
  ["disk", /\b(disks?|storage|free space|disk space)\b/],
  ["memory", /\b(memory|ram)\b/],
  ["load", /\b(load|cpu|busy)\b/],
  ["network", /\b(network|wi-?fi|ip address|ip)\b/],
  ["thermal", /\b(temperature|thermal|hot)\b/],
  ["system", /\b(os|operating system|platform|version|kernel|model|hostname|architecture|device info|system info)\b/],
  ["status", /\b(status|state|health|info|how is|how's|how are|doing|alive)\b/]
]

const quoted = /`([^`]+)`|"([^"]+)"|“([^”]+)”|'([^']+)'/
const nodeWords = /\b(nodes?|devices?|machines?|computers?|phones?|hosts?)\b/
const listWords = /\b(list|which|what|show|connected|online|available|how many|any|see|have)\b/
const abilityWords =
  /^(\/?(start|help)|hi|hello|hey|good (morning|evening|day))\b|\bwhat can you do\b|\bwho are you\b|\bwhat are you\b/

const runIntent = (text: string): Intent | undefined => {
  const verb = /^(?:please\s+|can you\s+|could you\s+)*(?:run|execute|exec)\b\s*/i.exec(text)
  if (verb === null) return undefined
  const rest = text.slice(verb[0].length)
  const mark = quoted.exec(rest)
  const marked = mark?.slice(1).find((text) => text !== undefined)
  if (mark !== null && marked !== undefined) {
    return { kind: "run", command: marked.trim(), about: rest.replace(mark[0], " ") }
  }
  // Without quotes the last "on …" names the node.
  const split = /^(.+?)(?:\s+on\s+(?:the\s+)?([^/]+?))?[.?!]*$/i.exec(rest.trim())
  return split?.[1] === undefined ? undefined : { kind: "run", command: split[1].trim(), about: split[2] ?? "" }
}

const isOtherWord = (word: string): boolean => nodeWords.test(word) || facetWords.some(([, words]) => words.test(word))

const whichIntent = (text: string): Intent | undefined => {
  const found =
    /\bwhich\s+[`"']?([\w.+-]+)[`"']?\s*(?:$|[?.!]|\b(?:is|on|does|at)\b)/i.exec(text) ??
    /\bwhere(?:'s| is)\s+[`"']?([\w.+-]+)[`"']?/i.exec(text) ??
    /\bis\s+[`"']?([\w.+-]+)[`"']?\s+(?:installed|available)\b/i.exec(text) ??
    /\bdoes\s+.+\s+have\s+[`"']?([\w.+-]+)[`"']?/i.exec(text)
  const program = found?.[1]
  if (found === null || program === undefined || isOtherWord(program.toLowerCase())) return undefined
  return { kind: "which", program, about: text.replace(`${program}`, " ") }
}

const sendIntent = (text: string): Intent | undefined => {
  const found =
    /\b(?:send|message|tell)\b\s+[`"“']([^`"”']+)[`"”']\s+to\s+(\S+?)(?:\s+(?:on|via|by)\s+(\w+))?[.?!]*$/i.exec(text)
  if (found?.[1] === undefined || found[2] === undefined) return undefined
  return {
    kind: "send",
    text: found[1],
    to: found[2],
    ...(found[3] === undefined ? undefined : { channel: found[3].toLowerCase() })
  }
}

/** Reads one text. The first rule that fits decides. */
export const readIntent = (input: string): Intent => {
  const text = input.replace(/\s+/g, " ").trim()
  const lower = text.toLowerCase()
  const doing = sendIntent(text) ?? runIntent(text)
  if (doing !== undefined) return doing
  const invoke = /\b(?:invoke|call)\s+[`"']?([a-z][\w-]*(?:\.[\w-]+)+)[`"']?/i.exec(text)
  if (invoke?.[1] !== undefined) {
    return { kind: "invoke", command: invoke[1], about: text.replace(invoke[0], " ") }
  }
  const which = whichIntent(text)
  if (which !== undefined) return which
  const facets = facetWords.filter(([, words]) => words.test(lower)).map(([facet]) => facet)
  // "status" is also part of questions about something more special.
  const special = facets.filter((facet) => facet !== "status")
  if (special.length > 0) return { kind: "state", facets: special, about: text }
  if (nodeWords.test(lower) && listWords.test(lower)) return { kind: "list" }
  if (abilityWords.test(lower)) return { kind: "abilities" }
  if (facets.length > 0) return { kind: "state", facets, about: text }
  return { kind: "unknown" }
}

/** A command line as an argument list; one that needs a shell is given to `sh -c`. */
export const argvOf = (command: string): ReadonlyArray<string> => {
  if (/[|&;<>$()*?\\\n]/.test(command)) return ["sh", "-c", command]
  return [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((word) => word[1] ?? word[2] ?? word[3] ?? "")
}
