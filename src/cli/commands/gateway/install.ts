import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Config } from "../../../services/Config.ts"
import { Password, Token } from "../../globals.ts"
import * as State from "../../state.ts"
import { install } from "../../service/install.ts"
import { serviceManager } from "../../service/manager.ts"
import { checkConfigured } from "./start.ts"

/**
 * Port and credentials become part of the configuration, where every command of this machine finds them; a service's own
 * arguments can be read by every user.
 */
const configure = Effect.fnUntraced(function* (port: number | undefined) {
  const config = yield* Config
  const token = Option.getOrUndefined(yield* Token)
  const password = Option.getOrUndefined(yield* Password)
  if (port !== undefined) yield* config.set("gateway.port", port)
  if (token !== undefined) yield* config.set("gateway.auth.token", token)
  if (password !== undefined) yield* config.set("gateway.auth.password", password)
}, Effect.provide(State.config))

/** Has the Gateway run from now on, also after the machine starts. */
export const run = Effect.fn("cli.gateway.install")(function* (flags: {
  readonly port: number | undefined
  readonly allowUnconfigured: boolean
  readonly force: boolean
  readonly timeout: number
}) {
  yield* checkConfigured(flags.allowUnconfigured)
  yield* install(
    {
      kind: "gateway",
      args: ["gateway", "run", ...(flags.allowUnconfigured ? ["--allow-unconfigured"] : [])],
      force: flags.force,
      timeout: flags.timeout
    },
    configure(flags.port)
  )
}, Effect.provide(serviceManager))
