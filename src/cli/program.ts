/**
 * One run of the CLI as an Effect: parse, run the command, report a failure once.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { VERSION } from "../domain/Version.ts"
import { Environment } from "./Environment.ts"
import { report, type Reported } from "./errors.ts"
import { root } from "./root.ts"

const builtIns = [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel]

/** Fails only with `Reported`: whatever went wrong has been printed and all that is left is the exit code. */
export const program = (options: {
  readonly arguments: ReadonlyArray<string>
  readonly environment: Environment["Service"]
}): Effect.Effect<void, Reported> =>
  Command.runWith(root, { version: VERSION })(options.arguments).pipe(
    Effect.catch(report(options.arguments.includes("--json"))),
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        CliConfig.layer({ builtIns }),
        Layer.succeed(Environment, options.environment),
        ConfigProvider.layer(ConfigProvider.fromUnknown(options.environment.variables))
      )
    )
  )
