/**
 * Whether a command is on the list, and what follows.
 */
import { createHash } from "node:crypto"
import { posix, win32 } from "node:path"
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

const EXACT = "sha256:cwd-argv:v1:"

/**
 * An `argPattern` that stands for these very arguments in this very folder, as OpenClaw writes them: what a person allowed for
 * ever is what that person saw.
 */
export const exactPattern = (argv: ReadonlyArray<string>, cwd: string): string => {
  const folder = forward((/^[A-Za-z]:|\\/.test(cwd) ? win32 : posix).normalize(cwd))
  const counted = [folder, ...argv.slice(1)].map((part) => `${Buffer.byteLength(part)}\0${part}\0`)
  const subject = `${counted[0]}${argv.length - 1}\0${counted.slice(1).join("")}`
  return `${EXACT}${createHash("sha256").update(subject).digest("hex")}`
}

/** An expression that does not compile allows nothing. */
const compiled = (source: string) => Result.getOrUndefined(Result.try(() => new RegExp(source)))

/** `whole`: the expression must account for the line from its first character to its last. */
const matchesArguments = (argPattern: string, args: ReadonlyArray<string>, whole: boolean): boolean => {
  // A notation that is not known here, and never an expression.
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
  readonly cwd: string
}

/**
 * Whether an entry covers the command. A program that is known to run other programs (`carriers.ts`) is covered only by an
 * entry that names it without `*` or `?` and has an `argPattern`, and only if that matches all of the arguments. An entry
 * for any other program needs no `argPattern`, and one that is there has to match anywhere. What a covered program does
 * with its arguments, its working directory and the files in it is not looked into.
 */
export const isListed = (entries: ReadonlyArray<Entry>, { argv, cwd, executable, homeDir }: Asked): boolean => {
  const [invokedAs = "", ...args] = argv
  const carrier = isCarrier(invokedAs, executable)
  return entries.some((entry) => {
    if (!matchesProgram(entry.pattern, invokedAs, executable, homeDir)) return false
    if (entry.argPattern === undefined) return !carrier && entry.source === undefined
    if (entry.argPattern.startsWith(EXACT)) {
      return !isGlob(entry.pattern) && entry.argPattern === exactPattern(argv, cwd)
    }
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
