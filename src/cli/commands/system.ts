/**
 * `openclaw system`: what the Gateway is told of the world, and who is present.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const timeout = flags.timeout(30_000)

const presence = Command.make(
  "presence",
  { timeout },
  lazily(() => import("./system/presence.ts"))
).pipe(Command.withDescription("Who is connected or was seen, as JSON"))

const event = Command.make(
  "event",
  {
    text: flags.text("text", "What the agent should know"),
    mode: flags.oneOf(
      "mode",
      ["now", "next-heartbeat"],
      "now: the agent looks at it at once. next-heartbeat: with the session's next turn (default)"
    ),
    sessionKey: flags.text("session-key", "The session that is told (default: the main one)"),
    timeout
  },
  lazily(() => import("./system/event.ts"))
).pipe(Command.withDescription("Tell the agent what happened"))

export const system = Command.make("system").pipe(
  Command.withDescription("What the Gateway is told of the world, and who is present"),
  Command.withSubcommands([event, presence])
)
