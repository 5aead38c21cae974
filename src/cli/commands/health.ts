/**
 * `openclaw health`: how a running Gateway does.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

export const healthFlags = {
  probe: flags.on("probe", "Ask the channels anew instead of showing what is known"),
  verbose: flags.on("verbose", "The same, and show every account and which Gateway answered"),
  debug: flags.on("debug", "As --verbose"),
  timeout: flags.timeout()
}

export const health = Command.make(
  "health",
  healthFlags,
  lazily(() => import("./health/run.ts"))
).pipe(Command.withDescription("How a running Gateway does"))
