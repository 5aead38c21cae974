/**
 * `openclaw models`: the language models that the agents can use.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const list = Command.make(
  "list",
  {
    agent: flags.text("agent", "As this agent uses them"),
    all: flags.on("all", "The whole catalogue; here that is what the configuration names"),
    provider: flags.text("provider", "Only this provider's"),
    plain: flags.on("plain", "A reference a line"),
    timeout: flags.timeout()
  },
  lazily(() => import("./models/list.ts"))
).pipe(Command.withDescription("The models of the configuration, and whether they can be used"))

export const models = Command.make("models").pipe(
  Command.withDescription("The language models that the agents can use"),
  Command.withSubcommands([list])
)
