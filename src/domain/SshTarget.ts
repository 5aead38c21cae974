/**
 * Whom `ssh` is to log in to: `host`, `user@host`, `user@host:port`, `[v6]:port` or an alias of `~/.ssh/config`.
 *
 * The grammar is strict, because the text ends up in another program's arguments: nothing that could be read as an option,
 * as a shell's syntax or as a second line passes.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The text names no host to log in to. The input itself is not repeated: it may hold what a terminal should not show. */
export class SshTargetInvalid extends Schema.TaggedError<SshTargetInvalid>()("SshTargetInvalid", {
  /** Where the target came from: a flag, a configuration key, or `ssh` for what ssh itself refused. */
  source: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `The SSH target from ${this.source} ${this.problem}.\nFix: give user@host or user@host:port, or an alias from ~/.ssh/config.`
  }
}

/** A target taken apart. `port` is missing where ssh's own configuration decides. */
export interface SshTargetParts {
  readonly user?: string
  /** Without brackets. */
  readonly host: string
  readonly port?: number
}

const MAX_LENGTH = 320
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$/
const NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?$/
const V6 = /^(?=.*:.*:)[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9_.-]{1,32})?$/

const isV6 = (host: string): boolean =>
  V6.test(host) && URL.canParse(`ws://[${host.includes("%") ? host.slice(0, host.indexOf("%")) : host}]`)

const portOf = (text: string): number | undefined => {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? port : undefined
}

/** The parts of a text, or what is wrong with it. */
const read = (text: string): SshTargetParts | string => {
  if (text === "") return "is empty"
  if (text.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters`
  const at = text.indexOf("@")
  const user = at < 0 ? undefined : text.slice(0, at)
  if (user !== undefined && !USER.test(user)) return "has a user name that is none"
  const named = user === undefined ? undefined : { user }
  const place = text.slice(at + 1)
  if (isV6(place)) return { ...named, host: place }
  const [, inner, bare, suffix] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/s.exec(place) ?? []
  const host = inner ?? bare
  if (host === undefined || !(inner === undefined ? NAME.test(host) : isV6(host))) return "has a host name that is none"
  if (suffix === undefined) return { ...named, host }
  const port = portOf(suffix)
  return port === undefined ? "has a port that is not between 1 and 65535" : { ...named, host, port }
}

/** Safe to hand to ssh as arguments, by `parts`. Made by `parse`. */
export const SshTarget = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text) => typeof read(text) !== "string", { expected: "an SSH target" })),
  Schema.brand("SshTarget")
)
export type SshTarget = typeof SshTarget.Type

/** Reads a target that came from `source` (`--ssh`, `gateway.remote.sshTarget`). Only outer spaces are forgiven. */
export const parse = (input: string, source: string): Result.Result<SshTarget, SshTargetInvalid> => {
  const text = input.replace(/^ +| +$/g, "")
  const parts = read(text)
  return typeof parts === "string"
    ? Result.fail(new SshTargetInvalid({ source, problem: parts }))
    : Result.succeed(SshTarget.make(text))
}

/** What stands in a target. */
export const parts = (target: SshTarget): SshTargetParts => {
  const found = read(target)
  // The brand says that it can be read.
  return typeof found === "string" ? { host: target } : found
}
