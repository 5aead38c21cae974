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

const account = {
  channel: flags.text("channel", "The channel; may be left out when there is only one"),
  account: flags.text("account", "Its account; the default one when left out"),
  timeout: flags.timeout()
}

const start = Command.make(
  "start",
  account,
  lazily(() => import("./channels/start.ts"))
).pipe(Command.withDescription("Let a stopped account receive again"))

const stop = Command.make(
  "stop",
  account,
  lazily(() => import("./channels/stop.ts"))
).pipe(Command.withDescription("Receive nothing for an account until it is started, or the Gateway is"))

const logout = Command.make(
  "logout",
  account,
  lazily(() => import("./channels/logout.ts"))
).pipe(Command.withDescription("Stop an account and remove its credentials from openclaw.json"))

export const channels = Command.make("channels").pipe(
  Command.withDescription("Telegram and what else connects people to the agent"),
  Command.withSubcommands([status, start, stop, logout, deadLetters])
)
