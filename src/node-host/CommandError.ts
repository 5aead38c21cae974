/**
 * How a command of this node refuses. It becomes the `error` of `node.invoke.result`: `code` is what programs branch on,
 * `message` is what a person reads.
 */
import * as Schema from "effect/Schema"

export class CommandError extends Schema.TaggedError<CommandError>()("CommandError", {
  code: Schema.Literals(["INVALID_REQUEST", "SYSTEM_RUN_DENIED", "UNAVAILABLE", "TIMEOUT", "CANCELLED", "INTERNAL"]),
  message: Schema.NonEmptyString
}) {}

export const invalid = (message: string): CommandError => new CommandError({ code: "INVALID_REQUEST", message })

/** Nothing was run. */
export const denied = (reason: string): CommandError =>
  new CommandError({ code: "SYSTEM_RUN_DENIED", message: `SYSTEM_RUN_DENIED: ${reason}` })

/** The path and the expectation of the first thing that did not decode. */
export const undecodable = (what: string) => (error: { readonly message: string }) =>
  invalid(`${what}: ${error.message.replace(/\s+/g, " ").slice(0, 300)}`)
