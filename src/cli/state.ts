/**
 * The state directory and the configuration that a command works on, chosen by `--profile` and the environment.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { DEV, portOf } from "../domain/Profile.ts"
import * as Config from "../layers/config/Config.ts"
import * as StateDir from "../layers/StateDir.ts"
import { resolveStateDir } from "../layers/state-dir/resolve.ts"
import { Environment } from "./Environment.ts"
import { CommandFailed } from "./errors.ts"
import { Dev, Profile } from "./globals.ts"

/** The profile that was asked for by flag. */
const asked = Effect.gen(function* () {
  const profile = Option.getOrUndefined(yield* Profile)
  if (!(yield* Dev)) return profile
  if (profile === undefined || profile === DEV) return DEV
  return yield* new CommandFailed({
    message: "--dev is the profile dev, and --profile names another one.\nFix: give one of them."
  })
})

/** Where everything lies, without touching the disk; and the port where nothing says another. */
export const plan = Effect.gen(function* () {
  const { cwd, home, variables } = yield* Environment
  const profile = yield* asked
  const found = yield* Effect.fromResult(resolveStateDir({ home, cwd, profile, env: variables }))
  return { ...found, defaultPort: portOf(found.profile) }
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
