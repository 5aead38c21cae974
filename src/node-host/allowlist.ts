/**
 * Whether a command is on the list, and what follows.
 */
import * as Result from "effect/Result"
import type { Entry, Policy } from "./ExecApprovals.ts"
import { isCarrier } from "./display.ts"
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
  return glob.test(forward(executable.path)) || glob.test(forward(executable.realPath))
}

/** An expression that does not compile allows nothing. */
const compiled = (source: string) => Result.getOrUndefined(Result.try(() => new RegExp(source)))

const matchesArguments = (argPattern: string, args: ReadonlyArray<string>): boolean => {
  // Written by an approval flow; it names an exact command in a notation of its own, never an expression.
  if (argPattern.startsWith("sha256:")) return false
  const line = args.join(" ")
  return line.length <= LONGEST_ARGUMENTS && compiled(argPattern)?.test(line) === true
}

export interface Asked {
  readonly argv: ReadonlyArray<string>
  readonly executable: Executable
  readonly homeDir: string
}

/**
 * Whether an entry covers the command. An entry for a shell, or for a program that runs other programs, covers it only
 * with an `argPattern`: its path alone would allow everything.
 */
export const isListed = (entries: ReadonlyArray<Entry>, { argv, executable, homeDir }: Asked): boolean => {
  const [invokedAs = "", ...args] = argv
  const carrier = isCarrier(invokedAs) || isCarrier(executable.realPath)
  return entries.some((entry) => {
    if (!matchesProgram(entry.pattern, invokedAs, executable, homeDir)) return false
    return entry.argPattern === undefined
      ? !carrier && entry.source === undefined
      : matchesArguments(entry.argPattern, args)
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
