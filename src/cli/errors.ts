/**
 * One shape for every failure: what went wrong on stderr, the fix when there is one, and an exit code.
 *
 * Exit codes: 0 done, 1 failed, 78 the configuration is wrong (EX_CONFIG), 130 interrupted.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** A command failed for a reason of its own; `message` says what and how to fix it. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  message: Schema.String
}) {}

const CONFIG_ERRORS = new Set(["ConfigInvalid", "ConfigUnreadable"])

const exitCodeOf = (error: unknown): number =>
  Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag) && CONFIG_ERRORS.has(error._tag) ? 78 : 1

/** The error left the program as text; `main` only has to exit. */
export class Reported extends Schema.TaggedError<Reported>()("Reported", { exitCode: Schema.Int }) {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

/** What `--json` prints on stderr and people read there. */
export const describe = (error: unknown): { readonly error: string; readonly message: string } => {
  if (Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag)) {
    const message = Predicate.hasProperty(error, "message") && Predicate.isString(error.message) ? error.message : ""
    return { error: error._tag, message: message || error._tag }
  }
  return { error: "Error", message: String(error) }
}

/** Writes a typed failure to stderr and turns it into an exit code. Help output has been written by the parser already. */
export const report = (json: boolean) =>
  Effect.fnUntraced(function* (error: unknown) {
    if (Predicate.hasProperty(error, "_tag") && error._tag === "ShowHelp") {
      const errors = Predicate.hasProperty(error, "errors") && Array.isArray(error.errors) ? error.errors.length : 0
      return yield* new Reported({ exitCode: errors === 0 ? 0 : 1 })
    }
    const described = describe(error)
    yield* Console.error(json ? JSON.stringify(described) : described.message)
    return yield* new Reported({ exitCode: exitCodeOf(error) })
  })
