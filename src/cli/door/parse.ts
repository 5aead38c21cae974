/**
 * What a command line asks for, as far as that can be known without the command tree itself.
 *
 * It goes the way of `effect/cli`'s parser: first the flags that every command understands are taken out, then the rest is
 * read from the root down, then each parameter is judged in its order. Where it meets what only the tree can judge it gives
 * up: `Unsure`.
 */
import type { Fault } from "../refusal.ts"
import {
  missingArgument,
  missingFlag,
  notItsFlag,
  unexpected,
  unknownCommand,
  unknownFlag,
  wrongArgument,
  wrongFlag
} from "./faults.ts"
import { type ArgumentRow, type CommandRow, type FlagRow, type Grammar, isFlag } from "./grammar.ts"
import { childOf, Flags, take, type Token, tokensOf } from "./tokens.ts"

/** The values of each flag, as they were given. */
export type Given = ReadonlyMap<string, ReadonlyArray<string>>

export interface Asked {
  readonly path: ReadonlyArray<string>
  readonly flags: Given
  readonly globals: Given
  readonly words: ReadonlyArray<string>
}

export type Parsed =
  | { readonly _tag: "Unsure" }
  | { readonly _tag: "Help" | "Group"; readonly path: ReadonlyArray<string> }
  | { readonly _tag: "Version" }
  | { readonly _tag: "Completions"; readonly shell: string }
  | { readonly _tag: "Wrong"; readonly path: ReadonlyArray<string>; readonly faults: ReadonlyArray<Fault> }
  /** Nothing is known to be wrong; what is of the kind `other` has not been judged. */
  | { readonly _tag: "Command"; readonly asked: Asked }

class Unsure {
  readonly _tag = "Unsure"
}

const unsure = (): never => {
  throw new Unsure()
}

const put = (into: Map<string, Array<string>>, { flag }: FlagRow, value: string): void => {
  const values = into.get(flag)
  if (values === undefined) into.set(flag, [value])
  else values.push(value)
}

const flagsOf = ({ params }: CommandRow): Flags => new Flags(params.filter(isFlag))

/** Takes out what every command understands. */
const globalsIn = (grammar: Grammar, tokens: ReadonlyArray<Token>) => {
  const globals = new Flags(grammar.globals)
  const given = new Map<string, Array<string>>()
  const rest: Array<Token> = []
  const faults: Array<Fault> = []
  let command = grammar.root
  let own = flagsOf(command)
  let first = true
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? unsure()
    if (token.kind === "value") {
      const child = first ? childOf(command, token.value) : undefined
      if (child === undefined) first = false
      else {
        command = child
        own = flagsOf(child)
      }
      rest.push(token)
      continue
    }
    const next = tokens[at + 1]
    const local = own.find(token)
    const everywhere = globals.find(token)
    if (local !== undefined) {
      // Which of the two it is depends on what comes after it.
      if (everywhere !== undefined) return unsure()
      const taken = take(grammar, token, local, next)
      if (taken === "unsure") return unsure()
      rest.push(token)
      if (taken !== "missing" && taken.words === 1 && next !== undefined) {
        rest.push(next)
        at++
      }
    } else if (everywhere !== undefined) {
      const taken = take(grammar, token, everywhere, next)
      if (taken === "unsure") return unsure()
      if (taken === "missing") faults.push(wrongFlag(everywhere.row.flag, "", everywhere.row.expected))
      else {
        put(given, everywhere.row, taken.value)
        at += taken.words
      }
    } else rest.push(token)
  }
  return { given, rest, faults }
}

/** Reads the rest, from the root to the command that is meant. */
const read = (grammar: Grammar, tokens: ReadonlyArray<Token>) => {
  const faults: Array<Fault> = []
  const words: Array<string> = []
  let command = grammar.root
  let own = flagsOf(command)
  let path = [command.name]
  let given = new Map<string, Array<string>>()
  let first = true
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? unsure()
    if (token.kind === "value") {
      const child = first ? childOf(command, token.value) : undefined
      if (child !== undefined) {
        path = [...path, child.name]
        for (const { flag } of own.rows) if (given.has(flag)) faults.push(notItsFlag(flag, path))
        command = child
        own = flagsOf(child)
        given = new Map()
        continue
      }
      const takesNone = command.params.every(isFlag)
      if (first && takesNone && command.subcommands.length > 0) {
        faults.push(unknownCommand(token.value, path, command))
      }
      first = false
      words.push(token.value)
      continue
    }
    const local = own.find(token)
    if (local === undefined) {
      faults.push(unknownFlag(token, path, own))
      continue
    }
    const taken = take(grammar, token, local, tokens[at + 1])
    if (taken === "unsure") return unsure()
    if (taken === "missing") faults.push(wrongFlag(local.row.flag, "", local.row.expected))
    else {
      put(given, local.row, taken.value)
      at += taken.words
    }
  }
  return { command, path, given, words, faults }
}

const shown = (choices: ReadonlyArray<string>): string => choices.map((word) => JSON.stringify(word)).join(" | ")

/** One value by itself: what is expected instead where it is known to be wrong. `undefined` where it is right. */
const expectedOf = (grammar: Grammar, row: FlagRow | ArgumentRow, value: string): string | undefined => {
  if (row.kind === "choice" && row.choices?.includes(value) !== true) return shown(row.choices ?? unsure())
  if (row.kind === "boolean" && !grammar.yes.includes(value) && !grammar.no.includes(value)) return unsure()
  return undefined
}

const faultOfFlag = (grammar: Grammar, row: FlagRow, values: ReadonlyArray<string>): Fault | undefined => {
  const [value] = values
  if (value === undefined) return row.required ? missingFlag(row.flag) : undefined
  if (row.many) return undefined
  if (values.length > 1) return wrongFlag(row.flag, `${values.length} occurrences`, "at most 1 value")
  const expected = expectedOf(grammar, row, value)
  return expected === undefined ? undefined : wrongFlag(row.flag, value, expected)
}

/** The first thing that is wrong with a command's own parameters; `"unjudged"` where only the tree can say that nothing is. */
const faultIn = (
  grammar: Grammar,
  { params }: CommandRow,
  given: Given,
  all: ReadonlyArray<string>
): Fault | "unjudged" | undefined => {
  let words = all
  let unjudged = false
  /** What comes before has to be right, or the parser would have said that. */
  const sure = (fault: Fault): Fault => (unjudged ? unsure() : fault)
  for (const row of params) {
    if (isFlag(row)) {
      const values = given.get(row.flag) ?? []
      const fault = faultOfFlag(grammar, row, values)
      if (fault !== undefined) return sure(fault)
      if (values.length > 0 && (row.kind === "other" || row.many)) unjudged = true
      continue
    }
    const taken = row.many ? words : words.slice(0, 1)
    words = words.slice(taken.length)
    if (taken.length === 0 && row.required) return sure(missingArgument(row.argument))
    for (const value of taken) {
      const expected = expectedOf(grammar, row, value)
      if (expected !== undefined) return sure(wrongArgument(row.argument, value, expected))
    }
    if (taken.length > 0 && row.kind === "other") unjudged = true
  }
  if (words.length > 0) return sure(unexpected(words))
  return unjudged ? "unjudged" : undefined
}

/** What is asked for instead of a command. */
const actionOf = (grammar: Grammar, given: Given, path: ReadonlyArray<string>): Parsed | undefined => {
  for (const row of grammar.globals.slice(0, 3)) {
    const values = given.get(row.flag) ?? []
    const [value] = values
    if (value === undefined) continue
    const fault = faultOfFlag(grammar, row, values)
    if (fault !== undefined) return { _tag: "Wrong", path, faults: [fault] }
    if (row.flag === "help") return { _tag: "Help", path }
    if (row.flag === "version") return { _tag: "Version" }
    return { _tag: "Completions", shell: value }
  }
  return undefined
}

const parsed = (grammar: Grammar, argv: ReadonlyArray<string>): Parsed => {
  if (argv.includes("--")) return unsure()
  const all = globalsIn(grammar, tokensOf(argv))
  const { command, faults, given, path, words } = read(grammar, all.rest)
  if (all.faults.length > 0) return { _tag: "Wrong", path, faults: [...all.faults, ...faults] }
  const action = actionOf(grammar, all.given, path)
  if (action !== undefined) return action
  if (faults.length > 0) return { _tag: "Wrong", path, faults }
  const fault = faultIn(grammar, command, given, words)
  if (typeof fault === "object") return { _tag: "Wrong", path, faults: [fault] }
  for (const row of grammar.globals) {
    const values = all.given.get(row.flag) ?? []
    const wrong = faultOfFlag(grammar, row, values)
    if (wrong !== undefined) return fault === "unjudged" ? unsure() : { _tag: "Wrong", path, faults: [wrong] }
    if (values.length > 0 && row.kind === "other") return unsure()
  }
  if (command.group) return { _tag: "Group", path }
  return { _tag: "Command", asked: { path, flags: given, globals: all.given, words } }
}

/** Never throws. */
export const parse = (grammar: Grammar, argv: ReadonlyArray<string>): Parsed => {
  try {
    return parsed(grammar, argv)
  } catch (error) {
    if (error instanceof Unsure) return { _tag: "Unsure" }
    throw error
  }
}
