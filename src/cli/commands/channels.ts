/**
 * `openclaw channels`: Telegram and what else connects people to the agent.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"
import { deadLetters } from "./channels/deadLetters.ts"

const status = Command.make(
  "status",
  {
    probe: flags.on("probe", "Ask each channel whether its credentials work"),
    channel: flags.text("channel", "Only this channel"),
    timeout: flags.timeout()
  },
  lazily(() => import("./channels/status.ts"))
).pipe(Command.withDescription("Which channels run, and when they last heard something"))

export const channels = Command.make("channels").pipe(
  Command.withDescription("Telegram and what else connects people to the agent"),
  Command.withSubcommands([status, deadLetters])
)
