/**
 * `openclaw sessions`: the conversations that the Gateway keeps.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const listFlags = {
  agent: flags.text("agent", "Only this agent's"),
  allAgents: flags.on("all-agents", "Those of all agents, as without --agent"),
  active: flags.whole("active", "Only those used in the last so many minutes", 1),
  limit: flags.whole("limit", "How many at most (default 100)", 1),
  timeout: flags.timeout()
}
const handler = lazily(() => import("./sessions/list.ts"))

const list = Command.make("list", listFlags, handler).pipe(Command.withDescription("The conversations, newest first"))

const keys = Argument.String("keys").pipe(
  Argument.withDescription("Session keys, as `openclaw sessions list` shows them"),
  Argument.variadic({ min: 1 })
)
const changeFlags = {
  keys,
  agent: flags.text("agent", "The agent that short keys belong to"),
  dryRun: flags.on("dry-run", "Show what would be done, and do nothing"),
  timeout: flags.timeout()
}

const archive = Command.make(
  "archive",
  changeFlags,
  lazily(() => import("./sessions/archive.ts"))
).pipe(Command.withDescription("Put conversations away; nothing of them is lost"))

const remove = Command.make(
  "delete",
  { ...changeFlags, yes: flags.on("yes", "Do not ask") },
  lazily(() => import("./sessions/delete.ts"))
).pipe(Command.withDescription("End what runs in conversations, and take them away with all that was said"))

const compact = Command.make(
  "compact",
  {
    key: Argument.String("key").pipe(Argument.withDescription("Session key, as `openclaw sessions list` shows it")),
    agent: flags.text("agent", "The agent that a short key belongs to"),
    maxLines: flags.whole(
      "max-lines",
      "Ask no model: keep the newest so many messages and delete the others for good",
      1
    ),
    timeout: flags.whole("timeout", "Milliseconds to wait for the Gateway (default: as long as it takes)", 1)
  },
  lazily(() => import("./sessions/compact.ts"))
).pipe(Command.withDescription("Let a summary stand for what was said longer ago, so that the model has room again"))

export const sessions = Command.make("sessions", listFlags, handler).pipe(
  Command.withDescription("The conversations that the Gateway keeps (alone: as `sessions list`)"),
  Command.withSubcommands([list, compact, archive, remove])
)
