/**
 * One shape for every failure: what went wrong, the fix when there is one, and an exit code.
 *
 * Exit codes: 0 done, 1 failed, 78 the configuration is wrong (EX_CONFIG), 130 interrupted.
 *
 * People read it on stderr. With `--json` it is one object on stdout, `{ ok: false, error: { type, name, message, … } }`, as
 * OpenClaw prints it; `name` is this program's own name for the error. A command that runs until it is stopped prints it
 * on one line, like all its output.
 */
import * as CliError from "effect/cli/CliError"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { Redactor } from "../layers/logging/Redactor.ts"
import { GatewayError } from "../protocol/GatewayError.ts"
import { ConfigInvalid } from "../services/Config.ts"
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

const CONFIG_ERRORS = new Set([
  "ConfigInvalid",
  "ConfigUnreadable",
  "RestartRefused",
  "SecretUnresolved",
  "SettingInvalid"
])

const tagOf = (error: unknown): string | undefined =>
  Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag) ? error._tag : undefined

export const exitCodeOf = (error: unknown): number => {
  if (error instanceof CommandFailed) return error.exitCode ?? 1
  return CONFIG_ERRORS.has(tagOf(error) ?? "") ? 78 : 1
}

/** What to do about errors whose own message only says what happened. */
const fixOf = (error: unknown): string | undefined => {
  if (error instanceof ConfigInvalid) return fixOfConfig(error)
  switch (tagOf(error)) {
    case "AccessCodeNotFound":
      return "take the current code from `openclaw pairing list`."
    case "ConnectionClosed":
      return "look whether the Gateway still runs (`openclaw gateway status`), then try again."
    case "RequestTimeout":
      return "look how the Gateway does (`openclaw health`), or wait longer with --timeout."
    default:
      return error instanceof GatewayError ? fixOfRequest(error) : undefined
  }
}

const fixOfConfig = ({ file, problems }: ConfigInvalid): string => {
  const whole = problems.find(({ path }) => path === "")
  if (whole === undefined) return "correct the file, or set each value with `openclaw config set <path> <value>`."
  const place = /at (line \d+, column \d+)/.exec(whole.expected)?.[1]
  return `edit ${file}${place === undefined ? "" : ` at ${place}`}; \`openclaw config validate\` says whether it is right then.`
}

const fixOfRequest = (error: GatewayError): string | undefined => {
  if (error.code === "FORBIDDEN") {
    return "connect with the Gateway's own --token or --password, or approve more scopes for this device (`openclaw devices list`)."
  }
  const { details } = error
  const isDelivery = Predicate.hasProperty(details, "code") && details.code === "OUTBOUND_DELIVERY_FAILED"
  // Telegram answers a token that it does not know with 401, and a malformed one with 404.
  if (isDelivery && /: 40[14] /.test(error.message)) {
    return "the bot token is wrong or was revoked; set the one that @BotFather shows with `openclaw config set channels.telegram.botToken <token>`, then check it with `openclaw channels status --probe`."
  }
  return error.retryable === true ? "try again in a moment." : undefined
}

interface Described {
  readonly type: "cli_error" | "gateway_request_error"
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly details?: unknown
  readonly retryable?: boolean
}

/** Text and data of a failure. The message ends with the fix where one is known. */
export const describe = (error: unknown): Described => {
  const own = Predicate.hasProperty(error, "message") && Predicate.isString(error.message) ? error.message : ""
  const name = tagOf(error) ?? "Error"
  const text = own === "" ? name : own
  const fix = text.includes("\nFix: ") ? undefined : fixOf(error)
  const message = fix === undefined ? text : `${text}\nFix: ${fix}`
  if (!(error instanceof GatewayError)) return { type: "cli_error", name, message }
  return {
    type: "gateway_request_error",
    name,
    code: error.code,
    message,
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

/** Prints a typed failure and turns it into an exit code. What the parser found has been printed already. */
export const report = (json: boolean) =>
  Effect.fnUntraced(function* (error: unknown) {
    if (CliError.isCliError(error) && error._tag === "ShowHelp") {
      // `openclaw` alone asks for help; a command that needs a subcommand and got none does not.
      return yield* new Reported({ exitCode: error.errors.length === 0 && error.commandPath.length < 2 ? 0 : 1 })
    }
    if (error instanceof NotWell) return yield* new Reported({ exitCode: error.exitCode ?? 1 })
    yield* say(json, describe(error))
    return yield* new Reported({ exitCode: exitCodeOf(error) })
  })

/** A bug of this program. Its text may hold anything, so it is in the log only (`--log-level debug`). */
export const reportDefect = (json: boolean) =>
  Effect.fnUntraced(function* (_defect: unknown) {
    yield* say(json, {
      type: "cli_error",
      name: "InternalError",
      message:
        "openclaw stopped because of a bug in it.\nFix: run the command again with --log-level debug to see the cause, and report it."
    })
    return yield* new Reported({ exitCode: 1 })
  })
