/**
 * One run of the CLI as an Effect: parse, run the command, report a failure once.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { VERSION } from "../domain/Version.ts"
import { Redactor } from "../layers/logging/Redactor.ts"
import { asksForDebug, asksForJson } from "./asked.ts"
import { Environment } from "./Environment.ts"
import { report, reportDefect, type Reported } from "./errors.ts"
import { Lifetime, make as makeLifetime } from "./lifetime.ts"
import * as Log from "./logger.ts"
import { root } from "./root.ts"
import * as Usage from "./usage.ts"

/** The flags that `effect/cli` itself brings. */
export const builtIns = [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel]

/** The secrets that the process was given by flag or variable, so that no message or log line repeats one. */
const secretsIn = (
  given: ReadonlyArray<string>,
  variables: Environment["Service"]["variables"]
): ReadonlyArray<string> => [
  ...given.flatMap((flag, index) => {
    const match = /^--(?:token|password)(?:=(.*))?$/s.exec(flag)
    const value = match === null ? undefined : (match[1] ?? given[index + 1])
    return value === undefined ? [] : [value]
  }),
  ...["OPENCLAW_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_PASSWORD"].flatMap((name) => variables[name] ?? [])
]

/**
 * Fails only with `Reported`: whatever went wrong has been printed and all that is left is the exit code (`teardown` of
 * `lifetime.ts` decides it).
 */
export const program = (options: {
  readonly arguments: ReadonlyArray<string>
  readonly environment: Environment["Service"]
  readonly lifetime?: Lifetime["Service"]
}): Effect.Effect<void, Reported> => {
  const given = options.arguments
  const json = asksForJson(given)
  return Effect.andThen(
    Effect.flatMap(Redactor, ({ add }) => add(secretsIn(given, options.environment.variables))),
    Command.runWith(root, { version: VERSION })(given)
  ).pipe(
    Effect.catch(report(json)),
    Effect.tapCauseIf(Cause.hasDies, (cause) => Effect.logDebug("a bug", cause)),
    Effect.catchDefect(reportDefect(json)),
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        CliConfig.layer({ builtIns }),
        Usage.layer(json),
        Log.layerBrief,
        Layer.succeed(References.MinimumLogLevel, asksForDebug(given) ? "Debug" : "Warn"),
        Layer.succeed(Environment, options.environment),
        Layer.succeed(Lifetime, options.lifetime ?? makeLifetime()),
        ConfigProvider.layer(ConfigProvider.fromUnknown(options.environment.variables))
      ).pipe(Layer.provideMerge(Redactor.layer))
    )
  )
}
