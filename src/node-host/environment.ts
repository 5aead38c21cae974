/**
 * The environment of a command: a short list of the host's own variables, plus what a request may set.
 *
 * Both are allow-lists. The host's environment holds its own credentials, and a request that could set `PATH`,
 * `NODE_OPTIONS`, `LD_PRELOAD` or `GIT_SSH_COMMAND` would run something else than what was approved.
 */
import type { HostPlatform } from "./HostInfo.ts"

const posix =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TERM|COLORTERM|TMPDIR|XDG_[A-Z_]+|DISPLAY|WAYLAND_DISPLAY)$/
const windows =
  /^(?:PATH|PATHEXT|COMSPEC|SYSTEMROOT|SYSTEMDRIVE|WINDIR|TEMP|TMP|USERNAME|USERPROFILE|HOMEDRIVE|HOMEPATH|APPDATA|LOCALAPPDATA|PROGRAMDATA|PROGRAMFILES|PROGRAMFILES\(X86\)|PROGRAMW6432|NUMBER_OF_PROCESSORS|PROCESSOR_ARCHITECTURE)$/i
/** How output looks, nothing more. */
const requestable = /^(?:TERM|COLORTERM|LANG|LANGUAGE|LC_[A-Z]+|NO_COLOR|FORCE_COLOR)$/

/** A locale, a list of them, a terminal's name or a number: never a path, which would name a file to be loaded. */
const harmless = /^[\w.@:-]{0,64}$/

type Variables = Readonly<Record<string, string>>

/** What every command inherits. `pass` names further variables that the node's owner wants commands to see. */
export const inherited = (
  env: Readonly<Record<string, string | undefined>>,
  platform: HostPlatform,
  pass: ReadonlyArray<string> = []
): Variables => {
  const named = platform === "windows" ? windows : posix
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value !== undefined && (named.test(name) || pass.includes(name)) ? [[name, value]] : []
    )
  )
}

/** Names in a request's `env` that it may not set, or not to that value. */
export const refused = (env: Variables): ReadonlyArray<string> =>
  Object.entries(env)
    .filter(([name, value]) => !requestable.test(name) || !harmless.test(value))
    .map(([name]) => name)
