/**
 * `openclaw status`: everything at a glance.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

export const status = Command.make(
  "status",
  { deep: flags.on("deep", "Show the supervision tree: every long-lived fiber"), timeout: flags.timeout() },
  lazily(() => import("./status/run.ts"))
).pipe(
  Command.withDescription("Configuration, Gateway, channels, nodes and sessions at a glance"),
  Command.withExamples([{ command: "openclaw status --deep", description: "With every supervised fiber" }])
)
