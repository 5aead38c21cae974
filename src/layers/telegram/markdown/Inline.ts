/**
 * Markdown inside a line: emphasis, code, links, escapes. One pass over the text, in time linear in its length, because
 * the text comes from a model that anybody may talk to.
 */
import type { Formatted, MarkKind } from "./Formatted.ts"
import { Builder, escapeAttribute } from "./Formatted.ts"

/** Literal text; a mark's beginning, once its end is found; a mark's end. */
type Token =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "open"; readonly mark: MarkKind; readonly value?: string }
  /** `of` is the index of the token that began it. */
  | { readonly kind: "close"; readonly of: number }

/** A delimiter that may begin a mark: `*`, `**`, `_`, `__` or `~~`. */
type Delimiter = "*" | "**" | "_" | "__" | "~~"

interface Opener {
  readonly delimiter: Delimiter
  readonly token: number
}

const markOf: Readonly<Record<Delimiter, MarkKind>> = {
  "*": "italic",
  "**": "bold",
  _: "italic",
  __: "bold",
  "~~": "strike"
}

interface Bracket {
  readonly token: number
  readonly openers: number
}

const punctuation = /[!-/:-@[-`{-~]/
const wordLike = /[\p{L}\p{N}_]/u
const blank = /\s/
const safeScheme = /^(?:https?:\/\/|tg:\/\/|mailto:|tel:)/i
const autolink = /<((?:https?:\/\/|tg:\/\/|mailto:|tel:)[^\s<>]{1,1000})>/iy
const destination =
  /\(\s{0,10}(?:<([^<>\n]{0,1000})>|([^\s()<>]{1,1000}(?:\([^\s()<>]{0,300}\)[^\s()<>]{0,300}){0,3}))(?:\s{1,10}(?:"[^"\n]{0,300}"|'[^'\n]{0,300}'))?\s{0,10}\)/y

/** Longest address as it stands in the tag, so that one link always fits into one message. */
const maxAddress = 1_024

const isSafe = (url: string): boolean => safeScheme.test(url) && escapeAttribute(url).length <= maxAddress

class Parser {
  private readonly source: string
  private readonly tokens: Array<Token> = []
  private readonly openers: Array<Opener> = []
  /** How many of each are in `openers`, so that a search is only begun when it will find something. */
  private readonly open: Record<Delimiter, number> = { "*": 0, "**": 0, _: 0, __: 0, "~~": 0 }
  private brackets: Array<Bracket> = []
  private readonly ticks: Map<number, Array<number>>
  private pending = ""
  private at = 0

  constructor(source: string) {
    this.source = source
    this.ticks = tickRuns(source)
  }

  parse(): Formatted {
    while (this.at < this.source.length) this.step(this.source[this.at]!)
    this.flush()
    return assemble(this.tokens)
  }

  private step(char: string): void {
    switch (char) {
      case "\\":
        return this.escape()
      case "`":
        return this.code()
      case "*":
      case "_":
      case "~":
        return this.emphasis(char)
      case "!":
        return this.source[this.at + 1] === "[" ? this.bracket("![") : this.literal("!")
      case "[":
        return this.bracket("[")
      case "]":
        return this.link()
      case "<":
        return this.angle()
      default:
        return this.literal(char)
    }
  }

  private literal(text: string): void {
    this.pending += text
    this.at += text.length
  }

  private flush(): void {
    if (this.pending !== "") this.tokens.push({ kind: "text", text: this.pending })
    this.pending = ""
  }

  private push(token: Token): number {
    this.flush()
    return this.tokens.push(token) - 1
  }

  private span(mark: MarkKind, text: string, value?: string): void {
    const of = this.push({ kind: "open", mark, ...(value === undefined ? undefined : { value }) })
    this.tokens.push({ kind: "text", text }, { kind: "close", of })
  }

  private escape(): void {
    const next = this.source[this.at + 1]
    if (next === undefined || !punctuation.test(next)) return this.literal("\\")
    this.pending += next
    this.at += 2
  }

  private code(): void {
    const width = runLength(this.source, this.at)
    const starts = this.ticks.get(width) ?? []
    // Runs are met in order, so each list is walked once.
    while (starts.length > 0 && starts.at(-1)! <= this.at) starts.pop()
    const end = starts.at(-1)
    if (end === undefined) return this.literal("`".repeat(width))
    const inner = this.source.slice(this.at + width, end).replaceAll("\n", " ")
    const padded = inner.startsWith(" ") && inner.endsWith(" ") && inner.trim() !== ""
    this.span("code", padded ? inner.slice(1, -1) : inner)
    this.at = end + width
  }

  private emphasis(char: "*" | "_" | "~"): void {
    const width = runLength(this.source, this.at)
    const run = char.repeat(width)
    if (char === "~" ? width !== 2 : width > 3) return this.literal(run)
    const before = this.source[this.at - 1] ?? " "
    const after = this.source[this.at + width] ?? " "
    const mayClose = !blank.test(before) && !(char === "_" && wordLike.test(after))
    const mayOpen = !blank.test(after) && !(char === "_" && wordLike.test(before))
    let left = width
    if (mayClose) left = this.close(char, left)
    if (left > 0 && mayOpen) this.openRun(char, left)
    else this.pending += char.repeat(left)
    this.at += width
  }

  /** Closes as many marks as the run's width pays for, innermost first. Returns what is left of the width. */
  private close(char: "*" | "_" | "~", width: number): number {
    let left = width
    while (left > 0) {
      const wide = left >= 2 ? ((char + char) as Delimiter) : undefined
      const narrow = char === "~" ? undefined : char
      const fits = (delimiter: Delimiter) => delimiter === wide || delimiter === narrow
      if (!(wide !== undefined && this.open[wide] > 0) && !(narrow !== undefined && this.open[narrow] > 0)) return left
      let opener = this.popOpener()
      // What stands between was never closed: it stays literal.
      while (!fits(opener.delimiter)) opener = this.popOpener()
      this.flush()
      this.tokens[opener.token] = { kind: "open", mark: markOf[opener.delimiter] }
      this.tokens.push({ kind: "close", of: opener.token })
      left -= opener.delimiter.length
    }
    return left
  }

  private popOpener(): Opener {
    const opener = this.openers.pop()!
    this.open[opener.delimiter] -= 1
    return opener
  }

  private openRun(char: "*" | "_" | "~", width: number): void {
    const wide = (char + char) as Delimiter
    const delimiters = char === "~" || width === 2 ? [wide] : width === 3 ? [wide, char] : [char]
    for (const delimiter of delimiters) {
      this.openers.push({ delimiter, token: this.push({ kind: "text", text: delimiter }) })
      this.open[delimiter] += 1
    }
  }

  private bracket(text: "[" | "!["): void {
    const token = this.push({ kind: "text", text })
    this.brackets.push({ token, openers: this.openers.length })
    this.at += text.length
  }

  private link(): void {
    const bracket = this.brackets.pop()
    if (bracket === undefined) return this.literal("]")
    destination.lastIndex = this.at + 1
    const match = destination.exec(this.source)
    const url = match?.[1] ?? match?.[2] ?? ""
    if (match === null || !isSafe(url)) return this.literal("]")
    // What was opened inside and not closed there is literal; a link does not stand in a link.
    while (this.openers.length > bracket.openers) this.popOpener()
    this.brackets = []
    this.flush()
    const isEmpty = this.tokens.length === bracket.token + 1
    this.tokens[bracket.token] = { kind: "open", mark: "link", value: url }
    if (isEmpty) this.tokens.push({ kind: "text", text: url })
    this.tokens.push({ kind: "close", of: bracket.token })
    this.at += 1 + match[0].length
  }

  private angle(): void {
    autolink.lastIndex = this.at
    const match = autolink.exec(this.source)
    const url = match?.[1]
    if (match === null || url === undefined || !isSafe(url)) return this.literal("<")
    this.span("link", url, url)
    this.at += match[0].length
  }
}

const runLength = (source: string, at: number): number => {
  let end = at + 1
  while (source[end] === source[at]) end += 1
  return end - at
}

/** Where runs of backticks begin, by their width, last one first. */
const tickRuns = (source: string): Map<number, Array<number>> => {
  const runs = new Map<number, Array<number>>()
  for (const match of source.matchAll(/`+/g)) {
    const starts = runs.get(match[0].length)
    if (starts === undefined) runs.set(match[0].length, [match.index])
    else starts.push(match.index)
  }
  for (const starts of runs.values()) starts.reverse()
  return runs
}

const assemble = (tokens: ReadonlyArray<Token>): Formatted => {
  const builder = new Builder()
  const starts = new Map<number, number>()
  tokens.forEach((token, index) => {
    if (token.kind === "text") return builder.append(token.text)
    if (token.kind === "open") return void starts.set(index, builder.length)
    const begin = tokens[token.of]
    if (begin?.kind === "open") builder.mark(begin.mark, starts.get(token.of)!, begin.value)
  })
  return builder.build()
}

/** Reads Markdown that stands in one block. */
export const parseInline = (source: string): Formatted => new Parser(source).parse()
