/**
 * `openclaw doctor`: whether what the Gateway stands on is well.
 */
import * as Command from "effect/cli/Command"
import { lazily } from "../lazily.ts"

const tailscale = Command.make(
  "tailscale",
  {},
  lazily(() => import("./doctor/tailscale.ts"))
).pipe(
  Command.withDescription("Whether Tailscale can open this Gateway, and what is in the way"),
  Command.withExamples([{ command: "openclaw doctor tailscale --json", description: "Every check as JSON" }])
)

export const doctor = Command.make("doctor").pipe(
  Command.withDescription("Check what the Gateway stands on; each finding has its fix"),
  Command.withSubcommands([tailscale])
)
