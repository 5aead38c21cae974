/**
 * What the program would print for a command line, where that is known before it is loaded.
 */
import { asksForJson } from "../asked.ts"
import { EXIT } from "../exitCodes.ts"
import { refusal } from "../refusal.ts"
import type { Grammar, HelpTexts } from "./grammar.ts"
import { parse, type Asked } from "./parse.ts"

export interface Answer {
  readonly _tag: "Answer"
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

/** Where the door takes its texts from; each is asked for only when it is printed. */
export interface Texts {
  readonly grammar: () => Grammar
  readonly help: () => HelpTexts
  /** The line of `--version`, in color. */
  readonly version: () => string
  /** The script of a shell. */
  readonly completions: (shell: string) => string | undefined
  /** Whether help is shown in color. */
  readonly colors: () => boolean
}

// oxlint-disable-next-line no-control-regex -- the colors are what is taken out.
const withoutColors = (text: string): string => text.replace(/\u001b\[[0-9;]*m/g, "")

const out = (stdout: string, code: number = EXIT.done): Answer => ({ _tag: "Answer", stdout, stderr: "", code })

export type Known = Answer | { readonly _tag: "Command"; readonly asked: Asked } | undefined

/** `undefined` where the whole program has to look at it; a command where the short way may run it. */
export const answer = (texts: Texts, argv: ReadonlyArray<string>): Known => {
  const json = asksForJson(argv)
  const inColor = (text: string, code?: number): Answer => out(texts.colors() ? text : withoutColors(text), code)
  const help = (path: ReadonlyArray<string>, code?: number): Answer | undefined => {
    const found = texts.help()[path.join(" ")]
    return found === undefined ? undefined : inColor(found, code)
  }
  const script = (shell: string): Answer | undefined => {
    const found = texts.completions(shell)
    return found === undefined ? undefined : out(found)
  }
  // The commonest question needs no grammar.
  if (argv.length === 1 && argv[0] === "--version") return inColor(texts.version())
  const grammar = texts.grammar()
  const parsed = parse(grammar, argv)
  switch (parsed._tag) {
    case "Unsure":
      return undefined
    case "Version":
      return inColor(texts.version())
    case "Help":
      return help(parsed.path)
    case "Completions":
      return script(parsed.shell)
    case "Group":
      if (parsed.path.length < 2) return help(parsed.path)
      return json ? out(refusal(parsed.path, [], true), EXIT.failed) : help(parsed.path, EXIT.failed)
    case "Wrong": {
      const said = refusal(parsed.path, parsed.faults, json)
      return json ? out(said, EXIT.failed) : { _tag: "Answer", stdout: "", stderr: said, code: EXIT.failed }
    }
    case "Command": {
      const { path, words } = parsed.asked
      const [shell] = words
      if (path.join(" ") === "openclaw completion" && shell !== undefined) return script(shell)
      // The short way is loaded for what it can do only: the program has all that is in it once more.
      return grammar.direct.includes(path.slice(1).join(" ")) ? { _tag: "Command", asked: parsed.asked } : undefined
    }
  }
}
