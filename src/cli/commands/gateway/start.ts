import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { configuration } from "../../configuration.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { EXIT } from "../../exitCodes.ts"
import { Dev, Password, Token } from "../../globals.ts"
import * as State from "../../state.ts"
import { programOf } from "../../../domain/Profile.ts"
import { Config } from "../../../services/Config.ts"
import type { BINDS, TAILSCALE_MODES } from "./choices.ts"
import { endOwner } from "./endOwner.ts"
import { serve } from "./run.ts"

interface RunFlags {
  readonly port: number | undefined
  readonly bind: (typeof BINDS)[number] | undefined
  readonly auth: string | undefined
  readonly tailscale: (typeof TAILSCALE_MODES)[number] | undefined
  readonly allowUnconfigured: boolean
  readonly force: boolean
  readonly verbose: boolean
}

/** `--dev` is for trying things out: what `gateway run` needs is made. */
const makeConfigured = Effect.gen(function* () {
  const { exists, path } = yield* configuration
  if (exists) return
  yield* Effect.flatMap(Config, (config) => config.set("gateway.mode", "local"))
  yield* Console.error(`Made ${path}.`)
}).pipe(Effect.provide(State.config))

export const checkConfigured = Effect.fnUntraced(function* (allowUnconfigured: boolean) {
  const { config, exists, path } = yield* configuration
  const program = programOf((yield* State.plan).profile)
  // As OpenClaw has it: who asks for it outright does not start one by accident.
  if (config.gateway?.mode === "remote" && !allowUnconfigured) {
    return yield* new CommandFailed({
      exitCode: EXIT.misconfigured,
      message: `${path} says gateway.mode "remote": this machine uses a Gateway elsewhere.\nFix: \`${program} config set gateway.mode local\` to run one here; or start one all the same with --allow-unconfigured.`
    })
  }
  if (exists || allowUnconfigured) return config
  return yield* new CommandFailed({
    exitCode: EXIT.misconfigured,
    message: `there is no configuration yet: ${path} is missing.\nFix: \`${program} config set gateway.mode local\` makes one; or start without it with --allow-unconfigured.`
  })
})

/** Whoever owns the state directory ends. What manages services is loaded where it is asked for only. */
const endRunning = Effect.promise(() => import("../../service/lifecycle.ts")).pipe(
  Effect.flatMap(({ stopOwner }) => stopOwner()),
  Effect.andThen(endOwner)
)

/** Checks what can be checked, then runs the Gateway until it is stopped. */
export const run = Effect.fn("cli.gateway.run")(function* (flags: RunFlags) {
  const { variables } = yield* Environment
  const { configFile, defaultPort, root } = yield* State.plan
  if (yield* Dev) yield* makeConfigured
  const config = yield* checkConfigured(flags.allowUnconfigured)
  if (flags.force) yield* endRunning
  return yield* serve({
    verbose: flags.verbose,
    config,
    gateway: {
      stateDir: root,
      configFile,
      env: variables,
      defaultPort,
      flags: {
        port: flags.port,
        bind: flags.bind,
        auth: flags.auth,
        tailscale: flags.tailscale,
        token: Option.getOrUndefined(yield* Token),
        password: Option.getOrUndefined(yield* Password)
      }
    }
  })
})
