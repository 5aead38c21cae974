/**
 * `openclaw security`: what is open to others.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const audit = Command.make(
  "audit",
  { fix: flags.on("fix", "Take the rights of others on state directory and configuration away") },
  lazily(() => import("./security/audit.ts"))
).pipe(
  Command.withDescription("List what is exposed, how bad it is, and what to do about it"),
  Command.withExamples([
    { command: "openclaw security audit --fix", description: "And close what can be closed safely" }
  ])
)

export const security = Command.make("security").pipe(
  Command.withDescription("What of this Gateway is open to others"),
  Command.withSubcommands([audit])
)
