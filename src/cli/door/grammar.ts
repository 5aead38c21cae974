/**
 * What the command tree understands, as data. `tools/grammar.ts` writes it from the tree when the program is built.
 */

/**
 * How a value is judged: any text, one of some words, yes or no, or by code that only the tree has.
 */
export type Kind = "text" | "choice" | "boolean" | "other"

export interface FlagRow {
  readonly flag: string
  readonly aliases: ReadonlyArray<string>
  readonly kind: Kind
  /** What says the opposite of a boolean. */
  readonly negation?: string
  readonly choices?: ReadonlyArray<string>
  /** What is expected where its value is missing. */
  readonly expected: string
  readonly required: boolean
  /** It may be given several times. */
  readonly many: boolean
  /** Never suggested. */
  readonly hidden: boolean
}

export interface ArgumentRow {
  readonly argument: string
  readonly kind: Kind
  readonly choices?: ReadonlyArray<string>
  readonly required: boolean
  /** It takes all that is left. */
  readonly many: boolean
}

export interface CommandRow {
  readonly name: string
  readonly alias?: string
  /** In the order in which they are judged. */
  readonly params: ReadonlyArray<FlagRow | ArgumentRow>
  readonly subcommands: ReadonlyArray<CommandRow>
  /** It does nothing without a subcommand. */
  readonly group: boolean
}

export interface Grammar {
  readonly root: CommandRow
  /** Understood with every command; the first three are `--help`, `--version` and `--completions`. */
  readonly globals: ReadonlyArray<FlagRow>
  /** What runs without the command tree (`cli/direct.ts`, `cli/serving.ts`): names from below the root. */
  readonly direct: ReadonlyArray<string>
  readonly yes: ReadonlyArray<string>
  readonly no: ReadonlyArray<string>
}

/** What is printed, by the command's path; with colors. */
export type HelpTexts = Readonly<Record<string, string>>

export const isFlag = (row: FlagRow | ArgumentRow): row is FlagRow => "flag" in row
