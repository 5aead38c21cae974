/**
 * Whether a command is on the list, and what follows.
 */
import * as Result from "effect/Result"
import type { Entry, Policy } from "./ExecApprovals.ts"
import { isApplet, isCarrier } from "./carriers.ts"
import type { Executable } from "./executable.ts"

/** Longer argument lines match no `argPattern`: an expression over them could take for ever. */
const LONGEST_ARGUMENTS = 8_192

const escape = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)

/** `**` crosses folders, `*` and `?` stay inside one. */
const globOf = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .split(/(\*\*\/?|\*|\?)/)
      .map((part) => {
        if (part === "**/") return "(?:.*/)?"
        if (part === "**") return ".*"
        if (part === "*") return "[^/]*"
        return part === "?" ? "[^/]" : escape(part)
      })
      .join("")}$`
  )

const forward = (path: string) => path.replace(/\\/g, "/")

const matchesProgram = (pattern: string, invokedAs: string, executable: Executable, homeDir: string): boolean => {
  if (!/[/\\]/.test(pattern)) return pattern === invokedAs
  const glob = globOf(forward(pattern.startsWith("~/") ? `${homeDir}${pattern.slice(1)}` : pattern))
  return glob.test(forward(executable.path)) || (!isApplet(executable) && glob.test(forward(executable.realPath)))
}

/** An expression that does not compile allows nothing. */
const compiled = (source: string) => Result.getOrUndefined(Result.try(() => new RegExp(source)))

/** `whole`: the expression must account for the line from its first character to its last. */
const matchesArguments = (argPattern: string, args: ReadonlyArray<string>, whole: boolean): boolean => {
  // Written by an approval flow; it names an exact command in a notation of its own, never an expression.
  if (argPattern.startsWith("sha256:")) return false
  const line = args.join(" ")
  // Compiled as it is first: an unbalanced one must not become balanced by what is put around it.
  if (line.length > LONGEST_ARGUMENTS || compiled(argPattern) === undefined) return false
  return compiled(whole ? `^(?:${argPattern})$` : argPattern)?.test(line) === true
}

const isGlob = (pattern: string) => /[*?]/.test(pattern)

export interface Asked {
  readonly argv: ReadonlyArray<string>
  readonly executable: Executable
  readonly homeDir: string
}

/**
 * Whether an entry covers the command. A program that is known to run other programs (`carriers.ts`) is covered only by an
 * entry that names it without `*` or `?` and has an `argPattern`, and only if that matches all of the arguments. An entry
 * for any other program needs no `argPattern`, and one that is there has to match anywhere. What a covered program does
 * with its arguments, its working directory and the files in it is not looked into.
 */
export const isListed = (entries: ReadonlyArray<Entry>, { argv, executable, homeDir }: Asked): boolean => {
  const [invokedAs = "", ...args] = argv
  const carrier = isCarrier(invokedAs, executable)
  return entries.some((entry) => {
    if (!matchesProgram(entry.pattern, invokedAs, executable, homeDir)) return false
    if (entry.argPattern === undefined) return !carrier && entry.source === undefined
    return !(carrier && isGlob(entry.pattern)) && matchesArguments(entry.argPattern, args, carrier)
  })
}

/** What a node answers whose owner lets nothing run. */
export const DISABLED = "SYSTEM_RUN_DISABLED: security=deny"

/** `undefined`: it may run without asking anybody. Otherwise why not. */
export const refusal = (policy: Policy, listed: boolean): string | undefined => {
  if (policy.security === "deny") return DISABLED
  const miss = policy.security === "allowlist" && !listed
  if (policy.ask === "always" || (policy.ask === "on-miss" && miss)) {
    return "SYSTEM_RUN_DENIED: approval required; what this node runs unasked is listed in its exec-approvals.json"
  }
  return miss
    ? "SYSTEM_RUN_DENIED: allowlist miss; what this node runs is listed in its exec-approvals.json"
    : undefined
}
