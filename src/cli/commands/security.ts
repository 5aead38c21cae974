/**
 * `openclaw security`: what is open to others.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const audit = Command.make(
  "audit",
  {
    fix: flags.on("fix", "Take the rights of others on state and configuration away, and close open groups"),
    deep: flags.on("deep", "Ask the Gateway that runs, too: whether it answers, and which devices were let in"),
    timeout: flags.timeout()
  },
  lazily(() => import("./security/audit.ts"))
).pipe(
  Command.withDescription("List what is exposed, how bad it is, and what to do about it"),
  Command.withExamples([
    { command: "openclaw security audit --fix", description: "And close what can be closed safely" },
    { command: "openclaw security audit --deep --json", description: "With the devices of the Gateway that runs" }
  ])
)

export const security = Command.make("security").pipe(
  Command.withDescription("What of this Gateway is open to others"),
  Command.withSubcommands([audit])
)
