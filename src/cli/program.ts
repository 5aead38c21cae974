/**
 * One run of the CLI by its whole command tree: parse, run the command, report a failure once.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { VERSION } from "../domain/Version.ts"
import { asksForJson } from "./asked.ts"
import { carried, type Run } from "./carried.ts"
import { Reported } from "./errors.ts"
import { EXIT } from "./exitCodes.ts"
import { root } from "./root.ts"
import * as Usage from "./usage.ts"

/** The flags that `effect/cli` itself brings. */
export const builtIns = [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel]

const isUsage = (error: unknown): error is CliError.ShowHelp => CliError.isCliError(error) && error._tag === "ShowHelp"

/**
 * What the parser found has been printed already. `openclaw` alone asks for help; a command that needs a subcommand and got
 * none does not.
 */
const reportUsage = ({ commandPath, errors }: CliError.ShowHelp) =>
  Effect.fail(new Reported({ exitCode: errors.length === 0 && commandPath.length < 2 ? EXIT.done : EXIT.failed }))

/** Fails only with `Reported`: all that is left is the exit code. */
export const program = (run: Run): Effect.Effect<void, Reported> => {
  const services = Layer.mergeAll(
    NodeServices.layer,
    CliConfig.layer({ builtIns }),
    Usage.layer(asksForJson(run.arguments))
  )
  const command = Command.runWith(root, { version: VERSION })(run.arguments)
  return carried(Effect.provide(Effect.catchIf(command, isUsage, reportUsage), services), run)
}
