/**
 * `openclaw sessions`: the conversations that the Gateway keeps.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const listFlags = {
  agent: flags.text("agent", "Only this agent's"),
  active: flags.whole("active", "Only those used in the last so many minutes", 1),
  limit: flags.whole("limit", "How many at most (default 100)", 1),
  timeout: flags.timeout()
}
const handler = lazily(() => import("./sessions/list.ts"))

const list = Command.make("list", listFlags, handler).pipe(Command.withDescription("The conversations, newest first"))

export const sessions = Command.make("sessions", listFlags, handler).pipe(
  Command.withDescription("The conversations that the Gateway keeps (alone: as `sessions list`)"),
  Command.withSubcommands([list])
)
