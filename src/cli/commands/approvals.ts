/**
 * `openclaw approvals`: what runs unasked on a machine, and the commands that wait for a person's word.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const timeout = flags.timeout()

/** Whose list. */
const target = {
  node: flags.text("node", "The list of a node: its id, the start of one, or its display name"),
  gateway: flags.on("gateway", "The list of the Gateway's machine"),
  timeout
}

const get = Command.make(
  "get",
  target,
  lazily(() => import("./approvals/get.ts"))
).pipe(Command.withDescription("The list of what runs unasked: this machine's, the Gateway's or a node's"))

const set = Command.make(
  "set",
  {
    ...target,
    file: flags.text("file", "File with the new list, JSON or JSON5"),
    stdin: flags.on("stdin", "Read the new list from standard input")
  },
  lazily(() => import("./approvals/set.ts"))
).pipe(Command.withDescription("Replace the list of what runs unasked"))

const pattern = Argument.String("pattern").pipe(
  Argument.withDescription("A program's name, or a path in which * and ** stand for any part")
)
const entry = {
  pattern,
  agent: flags.text("agent", 'The agent that it counts for (default "*", all)'),
  ...target
}

const add = Command.make(
  "add",
  entry,
  lazily(() => import("./approvals/allowlistAdd.ts"))
).pipe(Command.withDescription("Let a program run unasked"))

const remove = Command.make(
  "remove",
  entry,
  lazily(() => import("./approvals/allowlistRemove.ts"))
).pipe(Command.withDescription("Let a program run unasked no more"))

const allowlist = Command.make("allowlist").pipe(
  Command.withDescription("Programs that run unasked"),
  Command.withSubcommands([add, remove])
)

const pending = Command.make(
  "pending",
  { timeout },
  lazily(() => import("./approvals/pending.ts"))
).pipe(Command.withDescription("Commands that wait for your word"))

const resolve = Command.make(
  "resolve",
  {
    id: Argument.String("id").pipe(
      Argument.withDescription("Id of the request, as `openclaw approvals pending` shows it")
    ),
    decision: Argument.Literals("decision", ["allow-once", "allow-always", "deny"]).pipe(
      Argument.withDescription("Your word")
    ),
    reason: flags.text("reason", "A note for this command's own output; it is not kept"),
    timeout
  },
  lazily(() => import("./approvals/resolve.ts"))
).pipe(Command.withDescription("Decide whether a command may run"))

export const approvals = Command.make("approvals").pipe(
  Command.withAlias("exec-approvals"),
  Command.withDescription("What runs unasked, and the commands that wait for your word"),
  Command.withSubcommands([get, set, allowlist, pending, resolve])
)
