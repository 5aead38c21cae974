/**
 * `openclaw doctor`: whether what the Gateway stands on is well.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const tailscale = Command.make(
  "tailscale",
  {},
  lazily(() => import("./doctor/tailscale.ts"))
).pipe(
  Command.withDescription("Whether Tailscale can open this Gateway, and what is in the way"),
  Command.withExamples([{ command: "openclaw doctor tailscale --json", description: "Every check as JSON" }])
)

export const doctor = Command.make(
  "doctor",
  {
    fix: flags.on("fix", "Mend what is safe to mend, and ask before anything else"),
    deep: flags.on("deep", "Also have the model answer, and read all of the database")
  },
  lazily(() => import("./doctor/run.ts"))
).pipe(
  Command.withDescription("Check what the Gateway stands on; each finding has its fix"),
  Command.withExamples([
    { command: "openclaw doctor", description: "Everything; the exit code is 1 when there is something to mend" },
    { command: "openclaw doctor --fix", description: "And mend it" }
  ]),
  Command.withSubcommands([tailscale])
)
