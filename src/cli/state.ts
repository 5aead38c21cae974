/**
 * The state directory and the configuration that a command works on, chosen by `--profile` and the environment.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Config from "../layers/config/Config.ts"
import * as StateDir from "../layers/StateDir.ts"
import { resolveStateDir } from "../layers/state-dir/resolve.ts"
import { Environment } from "./Environment.ts"
import { Profile } from "./globals.ts"

/** Where everything lies, without touching the disk. */
export const plan = Effect.gen(function* () {
  const { cwd, home, variables } = yield* Environment
  const profile = Option.getOrUndefined(yield* Profile)
  return yield* Effect.fromResult(resolveStateDir({ home, cwd, profile, env: variables }))
})

/** The state directory (made when missing). */
export const stateDir = Layer.unwrap(Effect.map(plan, ({ root }) => StateDir.layer({ root })))

/** The configuration file of the same place. */
export const config = Layer.unwrap(
  Effect.gen(function* () {
    const { variables } = yield* Environment
    const { configFile } = yield* plan
    return Config.layer({ file: configFile, env: variables })
  })
)
