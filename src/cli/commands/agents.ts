/**
 * `openclaw agents`: who answers.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const list = Command.make(
  "list",
  { timeout: flags.timeout() },
  lazily(() => import("./agents/list.ts"))
).pipe(Command.withDescription("The configured agents"))

export const agents = Command.make("agents").pipe(
  Command.withDescription("Who answers: the agents of the configuration"),
  Command.withSubcommands([list])
)
