/**
 * `openclaw nodes`: the phones and computers that run commands for the agent.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const timeout = flags.timeout()
const node = Flag.String("node").pipe(Flag.withDescription("Node id, the start of one, or its display name"))
const requestId = Argument.String("requestId").pipe(
  Argument.withDescription("Id of the request, as `openclaw nodes pending` shows it")
)

const which = {
  connected: flags.on("connected", "Only nodes that are connected now"),
  lastConnected: flags.text("last-connected", "Only nodes that were connected within this time, such as 24h or 7d")
}

const list = Command.make(
  "list",
  { ...which, timeout },
  lazily(() => import("./nodes/list.ts"))
).pipe(Command.withDescription("Nodes that are paired, and those that wait for approval"))

const status = Command.make(
  "status",
  { ...which, timeout },
  lazily(() => import("./nodes/status.ts"))
).pipe(Command.withDescription("Which nodes are connected, approved, and what they can do"))

const describe = Command.make(
  "describe",
  { node, timeout },
  lazily(() => import("./nodes/describe.ts"))
).pipe(Command.withDescription("Everything known about one node, with its commands"))

const invoke = Command.make(
  "invoke",
  {
    node,
    command: Flag.String("command").pipe(Flag.withDescription("The node's command, such as system.which")),
    params: flags.text("params", "The command's parameters as JSON (default {})"),
    invokeTimeout: flags.whole("invoke-timeout", "Milliseconds that the node may take (default 15000)", 1),
    idempotencyKey: flags.text("idempotency-key", "The same key again is the same call; a new one when left out"),
    timeout: flags.timeout(30_000)
  },
  lazily(() => import("./nodes/invoke.ts"))
).pipe(
  Command.withDescription("Call one command of a node and print its answer"),
  Command.withExamples([
    {
      command: `openclaw nodes invoke --node laptop --command system.which --params '{"bins":["git"]}'`,
      description: "Ask a node where git is"
    }
  ])
)

const pending = Command.make(
  "pending",
  { timeout },
  lazily(() => import("./nodes/pending.ts"))
).pipe(Command.withDescription("Nodes whose commands wait for approval"))

const approve = Command.make(
  "approve",
  { requestId, timeout },
  lazily(() => import("./nodes/approve.ts"))
).pipe(Command.withDescription("Let a node run the commands that it asked for"))

const reject = Command.make(
  "reject",
  { requestId, timeout },
  lazily(() => import("./nodes/reject.ts"))
).pipe(Command.withDescription("Refuse the commands that a node asked for"))

const rename = Command.make(
  "rename",
  { node, name: Flag.String("name").pipe(Flag.withDescription("What to call it")), timeout },
  lazily(() => import("./nodes/rename.ts"))
).pipe(Command.withDescription("Give a node a name of your own"))

const remove = Command.make(
  "remove",
  { node, timeout },
  lazily(() => import("./nodes/remove.ts"))
).pipe(Command.withDescription("Take a node's approval and its role; it must pair anew"))

export const nodes = Command.make("nodes").pipe(
  Command.withDescription("The phones and computers that run commands for the agent"),
  Command.withSubcommands([list, status, describe, invoke, pending, approve, reject, rename, remove])
)
