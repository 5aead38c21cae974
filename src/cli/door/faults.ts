/**
 * What can be wrong with a command line, in the parser's own words.
 */
import type { Fault } from "../refusal.ts"
import type { CommandRow } from "./grammar.ts"
import { suggest } from "./suggest.ts"
import type { Flags, FlagToken } from "./tokens.ts"

const perhaps = (words: ReadonlyArray<string>): string =>
  words.length === 0 ? "" : `\n\n  Did you mean this?\n    ${words.join("\n    ")}`

const noFlag = (option: string, path: ReadonlyArray<string>, suggestions: ReadonlyArray<string>): Fault => ({
  name: "UnrecognizedOption",
  message: `Unrecognized flag: ${option} in command ${path.join(" ")}${perhaps(suggestions)}`
})

export const unknownFlag = ({ kind, name }: FlagToken, path: ReadonlyArray<string>, { rows }: Flags): Fault => {
  const known = rows.flatMap((row) =>
    row.hidden ? [] : [row.flag, ...(row.negation === undefined ? [] : [row.negation]), ...row.aliases]
  )
  const suggestions = suggest(name, known).map((word) => (word.length === 1 ? `-${word}` : `--${word}`))
  return noFlag(kind === "long" ? `--${name}` : `-${name}`, path, suggestions)
}

/** A flag of the command above, which is not its subcommand's. */
export const notItsFlag = (flag: string, path: ReadonlyArray<string>): Fault => noFlag(`--${flag}`, path, [])

export const unknownCommand = (word: string, path: ReadonlyArray<string>, { subcommands }: CommandRow): Fault => {
  const known = subcommands.flatMap(({ alias, name }) => (alias === undefined ? [name] : [name, alias]))
  return {
    name: "UnknownSubcommand",
    message: `Unknown subcommand "${word}" for "${path.join(" ")}"${perhaps(suggest(word, known))}`
  }
}

const expectation = (expected: string): string => (/^Expected[ :]/.test(expected) ? expected : `Expected: ${expected}`)

export const wrongFlag = (flag: string, value: string, expected: string): Fault => ({
  name: "InvalidValue",
  message:
    value === ""
      ? `Missing value for flag --${flag}. ${expectation(expected)}`
      : `Invalid value for flag --${flag}: "${value}". ${expectation(expected)}`
})

export const wrongArgument = (argument: string, value: string, expected: string): Fault => ({
  name: "InvalidValue",
  message: `Invalid value for argument <${argument}>: "${value}". ${expectation(expected)}`
})

export const missingFlag = (flag: string): Fault => ({
  name: "MissingOption",
  message: `Missing required flag: --${flag}`
})

export const missingArgument = (argument: string): Fault => ({
  name: "MissingArgument",
  message: `Missing required argument: ${argument}`
})

export const unexpected = (values: ReadonlyArray<string>): Fault => ({
  name: "UnexpectedArgument",
  message: `Unexpected positional ${values.length === 1 ? "argument" : "arguments"}: ${values.map((value) => JSON.stringify(value)).join(", ")}`
})
