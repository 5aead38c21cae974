/**
 * The door of the built program: answers what needs no program, before any of it is loaded. Its texts lie beside it.
 *
 * It stands in a bundle of its own and imports nothing but what is here and in three files of `cli/` that need nothing either.
 */
import { fstatSync, readFileSync, writeSync } from "node:fs"
import { answer, type Texts } from "./answer.ts"
import { inColor } from "./colors.ts"
import type { Grammar, HelpTexts } from "./grammar.ts"
import type { Asked } from "./parse.ts"

export { load } from "./compiled.ts"

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: "bash",
  zsh: "zsh",
  fish: "fish",
  powershell: "powershell",
  sh: "bash",
  pwsh: "powershell"
}

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8")

/** Only a character device can be a terminal, and only then is it worth loading what can tell. */
const isTerminal = (): boolean => fstatSync(1).isCharacterDevice() && process.getBuiltinModule("node:tty").isatty(1)

const texts: Texts = {
  // Written by the build from the command tree, in the shape that these types say.
  grammar: () => JSON.parse(read("grammar.json")) as Grammar,
  help: () => JSON.parse(read("help.json")) as HelpTexts,
  version: () => read("version.txt"),
  completions: (shell) => {
    const name = SCRIPTS[shell]
    if (name === undefined) return undefined
    const packed = readFileSync(new URL(`completion.${name}.gz`, import.meta.url))
    return process.getBuiltinModule("node:zlib").gunzipSync(packed).toString("utf8")
  },
  colors: () => inColor(process.env, isTerminal)
}

/** At once where that can be, else as soon as whoever reads is ready. */
const write = (stream: 1 | 2, text: string): void => {
  const bytes = Buffer.from(`${text}\n`)
  let at = 0
  try {
    while (at < bytes.length) at += writeSync(stream, bytes, at)
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined
    if (code === "EAGAIN") (stream === 1 ? process.stdout : process.stderr).write(bytes.subarray(at))
    // Whoever closed the pipe has read what they wanted.
    else if (code !== "EPIPE" && (process.exitCode ?? 0) === 0) process.exitCode = 1
  }
}

/**
 * Prints the answer and gives nothing; or gives what was asked for, where a command has to be run for it. `"unsure"`: the
 * program has to look at the command line itself.
 */
export const enter = (argv: ReadonlyArray<string>): Asked | "unsure" | undefined => {
  const known = answer(texts, argv)
  if (known === undefined) return "unsure"
  if (known._tag === "Command") return known.asked
  process.exitCode = known.code
  if (known.stdout !== "") write(1, known.stdout)
  if (known.stderr !== "") write(2, known.stderr)
  return undefined
}
