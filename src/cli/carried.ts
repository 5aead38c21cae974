/**
 * What surrounds every command: its services, its log, and one report of how it failed.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { Redactor } from "../layers/logging/Redactor.ts"
import { asksForDebug, asksForJson } from "./asked.ts"
import * as Log from "./briefLog.ts"
import { Environment } from "./Environment.ts"
import { report, reportDefect, Reported } from "./errors.ts"
import { Lifetime, make as makeLifetime } from "./lifetime.ts"

export interface Run {
  readonly arguments: ReadonlyArray<string>
  readonly environment: Environment["Service"]
  readonly lifetime?: Lifetime["Service"]
}

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

const servicesOf = ({ arguments: given, environment, lifetime = makeLifetime() }: Run) =>
  Layer.mergeAll(
    NodeFileSystem.layer,
    NodePath.layer,
    Log.layerBrief,
    Layer.succeed(References.MinimumLogLevel, asksForDebug(given) ? "Debug" : "Warn"),
    Layer.succeed(Environment, environment),
    Layer.succeed(Lifetime, lifetime),
    ConfigProvider.layer(ConfigProvider.fromUnknown(environment.variables))
  ).pipe(Layer.provideMerge(Redactor.layer))

/** What every command can use. */
export type Carried = Layer.Success<ReturnType<typeof servicesOf>>

/**
 * Fails only with `Reported`: whatever went wrong has been printed and all that is left is the exit code (`teardown` of
 * `lifetime.ts` decides it).
 */
export const carried = <E>(command: Effect.Effect<void, E, Carried>, run: Run): Effect.Effect<void, Reported> => {
  const json = asksForJson(run.arguments)
  return Effect.andThen(
    Effect.flatMap(Redactor, ({ add }) => add(secretsIn(run.arguments, run.environment.variables))),
    command
  ).pipe(
    Effect.catchIf((error: E | Reported): error is E => !(error instanceof Reported), report(json)),
    Effect.tapCauseIf(Cause.hasDies, (cause) => Effect.logDebug("a bug", cause)),
    Effect.catchDefect(reportDefect(json)),
    Effect.provide(servicesOf(run))
  )
}
