/**
 * One shape for every failure: what happened and why, what to do, and an exit code (`exitCodes.ts`).
 *
 * People read it on stderr, the last line being `Fix: …`. With `--json` it is one object on stdout, `{ ok: false, error: { type,
 * message, … } }` as OpenClaw prints it, and with this program's own `name` for the error, `fix` and `exitCode`. A command that
 * runs until it is stopped prints it on one line, like all its output.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { Redactor } from "../layers/logging/Redactor.ts"
import { GatewayError } from "../protocol/GatewayError.ts"
import { EXIT, exitCodeOfError } from "./exitCodes.ts"
import { fixOf } from "./fixes.ts"
import { Json } from "./globals.ts"
import { Lifetime } from "./lifetime.ts"
import { document, lines } from "./output.ts"

/** A command failed for a reason of its own; `message` says what and how to fix it. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  message: Schema.String,
  /** 78 when the configuration is to blame. */
  exitCode: Schema.optional(Schema.Literals([1, 78]))
}) {}

/** A command found out, and printed, that something is not well: nothing more to say, exit code 1 unless it says so. */
export class NotWell extends Schema.TaggedError<NotWell>()("NotWell", { exitCode: Schema.optional(Schema.Int) }) {}

/** The error left the program as text; `main` only has to exit. */
export class Reported extends Schema.TaggedError<Reported>()("Reported", { exitCode: Schema.Int }) {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

const tagOf = (error: unknown): string | undefined =>
  Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag) ? error._tag : undefined

export const exitCodeOf = (error: unknown): number =>
  error instanceof CommandFailed ? (error.exitCode ?? EXIT.failed) : exitCodeOfError(tagOf(error) ?? "")

interface Described {
  readonly type: "cli_error" | "gateway_request_error"
  readonly name: string
  /** What happened and why, and at its end the fix, as people read it. */
  readonly message: string
  /** What to do about it. */
  readonly fix: string
  /** What the process ends with. */
  readonly exitCode: number
  readonly code?: string
  readonly details?: unknown
  readonly retryable?: boolean
}

const FIX = "\nFix: "

/** The message with a fix at its end, and the fix alone. One that the message names itself goes before the general one. */
export const withFix = (text: string, otherwise: string) => {
  const at = text.lastIndexOf(FIX)
  return at === -1
    ? { message: `${text}${FIX}${otherwise}`, fix: otherwise }
    : { message: text, fix: text.slice(at + FIX.length) }
}

/** Text and data of a failure. */
export const describe = (error: unknown): Described => {
  const own = Predicate.hasProperty(error, "message") && Predicate.isString(error.message) ? error.message : ""
  const name = tagOf(error) ?? "Error"
  const said = { name, ...withFix(own === "" ? name : own, fixOf(error, name)), exitCode: exitCodeOf(error) }
  if (!(error instanceof GatewayError)) return { type: "cli_error", ...said }
  return {
    type: "gateway_request_error",
    ...said,
    code: error.code,
    retryable: error.retryable ?? false,
    ...(error.details === undefined ? undefined : { details: error.details })
  }
}

/** Says on stderr what a report on stdout found to be wrong; with `--json` the report itself has it. */
export const tell = Effect.fnUntraced(function* (message: string | undefined) {
  if (message !== undefined && !(yield* Json)) yield* Console.error(lines(message))
})

const say = Effect.fnUntraced(function* (json: boolean, error: Described) {
  const redactor = yield* Effect.serviceOption(Redactor)
  const redact = Option.match(redactor, { onNone: () => (text: string) => text, onSome: (service) => service.redact })
  if (!json) return yield* Console.error(redact(lines(error.message)))
  const { endsByStopping } = yield* Lifetime
  yield* Console.log(redact(document({ ok: false, error }, endsByStopping ? "line" : "block")))
})

/** Prints a typed failure and turns it into an exit code. */
export const report = (json: boolean) =>
  Effect.fnUntraced(function* (error: unknown) {
    if (error instanceof NotWell) return yield* new Reported({ exitCode: error.exitCode ?? EXIT.failed })
    yield* say(json, describe(error))
    return yield* new Reported({ exitCode: exitCodeOf(error) })
  })

/** A bug of this program. Its text may hold anything, so it is in the log only (`--log-level debug`). */
export const reportDefect = (json: boolean) =>
  Effect.fnUntraced(function* (_defect: unknown) {
    yield* say(json, {
      type: "cli_error",
      name: "InternalError",
      ...withFix(
        "openclaw stopped because of a bug in it.",
        "run the command again with --log-level debug to see the cause, and report it."
      ),
      exitCode: EXIT.failed
    })
    return yield* new Reported({ exitCode: EXIT.failed })
  })
