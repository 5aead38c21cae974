/**
 * A command line in words: flags and values.
 */
import type { CommandRow, FlagRow, Grammar } from "./grammar.ts"

export type Token =
  | { readonly kind: "long" | "short"; readonly name: string; readonly value?: string }
  | { readonly kind: "value"; readonly value: string }

export type FlagToken = Exclude<Token, { kind: "value" }>

const isNumber = /^-(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

const shorts = (word: string): ReadonlyArray<Token> => {
  const [names = "", ...rest] = word.slice(1).split("=")
  const all = Array.from(names)
  return (all.length === 0 ? [""] : all).map((name, index) =>
    rest.length > 0 && index >= all.length - 1
      ? { kind: "short", name, value: rest.join("=") }
      : { kind: "short", name }
  )
}

export const tokensOf = (words: ReadonlyArray<string>): ReadonlyArray<Token> =>
  words.flatMap((word): ReadonlyArray<Token> => {
    if (!word.startsWith("-") || word === "-" || isNumber.test(word)) return [{ kind: "value", value: word }]
    if (!word.startsWith("--")) return shorts(word)
    const at = word.indexOf("=")
    if (at === -1) return [{ kind: "long", name: word.slice(2) }]
    if (at === 2) return [{ kind: "value", value: word }]
    return [{ kind: "long", name: word.slice(2, at), value: word.slice(at + 1) }]
  })

/** What flags a place in the tree knows, by every name. */
export class Flags {
  readonly rows: ReadonlyArray<FlagRow>
  private readonly byName = new Map<string, FlagRow>()
  private readonly byNegation = new Map<string, FlagRow>()

  constructor(rows: ReadonlyArray<FlagRow>) {
    this.rows = rows
    for (const row of rows) {
      for (const name of [row.flag, ...row.aliases]) this.byName.set(name, row)
      if (row.negation !== undefined) this.byNegation.set(row.negation, row)
    }
  }

  find(token: FlagToken): { readonly row: FlagRow; readonly negated: boolean } | undefined {
    const row = this.byName.get(token.name)
    if (row?.flag === token.name) return { row, negated: false }
    const negated = token.kind === "long" ? this.byNegation.get(token.name) : undefined
    if (negated !== undefined) return { row: negated, negated: true }
    return row === undefined ? undefined : { row, negated: false }
  }
}

export const childOf = ({ subcommands }: CommandRow, word: string): CommandRow | undefined =>
  subcommands.find(({ alias, name }) => name === word || alias === word)

/** What a flag takes: a value, or nothing where one is missing; and how many of the next words that is. */
export type Taken = { readonly value: string; readonly words: 0 | 1 } | "missing" | "unsure"

export const take = (
  { no, yes }: Grammar,
  token: FlagToken,
  { negated, row }: { readonly row: FlagRow; readonly negated: boolean },
  next: Token | undefined
): Taken => {
  const following = next?.kind === "value" ? next.value : undefined
  const says = following !== undefined && (yes.includes(following) || no.includes(following))
  if (negated) return token.value !== undefined || says ? "unsure" : { value: "false", words: 0 }
  if (token.value !== undefined) return { value: token.value, words: 0 }
  if (row.kind === "boolean") return says ? { value: following, words: 1 } : { value: "true", words: 0 }
  return following === undefined ? "missing" : { value: following, words: 1 }
}
