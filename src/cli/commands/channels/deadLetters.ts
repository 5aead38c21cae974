/**
 * `openclaw channels dead-letters`: what the Gateway gave up and keeps for its owner.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Option from "effect/Option"
import * as flags from "../../flags.ts"
import { lazily } from "../../lazily.ts"

const timeout = flags.timeout()
const id = Argument.String("id").pipe(Argument.withDescription("Id as `openclaw channels dead-letters list` shows it"))
const someId = id.pipe(Argument.optional, Argument.map(Option.getOrUndefined))

const list = Command.make(
  "list",
  {
    channel: flags.text("channel", "Only this channel"),
    kind: flags.oneOf("kind", ["turn", "delivery", "message"], "Only these"),
    limit: flags.whole("limit", "How many at most (default 200)", 1, 1000),
    timeout
  },
  lazily(() => import("./dead-letters/list.ts"))
).pipe(Command.withDescription("What was given up, the oldest first"))

const show = Command.make(
  "show",
  { id, timeout },
  lazily(() => import("./dead-letters/show.ts"))
).pipe(Command.withDescription("One of them with its text"))

const retry = Command.make(
  "retry",
  {
    id: someId,
    all: flags.on("all", "All that are listed, the oldest first"),
    // A delivery is waited for, and a channel may take its time.
    timeout: flags.timeout(30_000)
  },
  lazily(() => import("./dead-letters/retry.ts"))
).pipe(Command.withDescription("Try it again: a message gets a new turn, a delivery is sent again"))

const drop = Command.make(
  "drop",
  {
    id: someId,
    all: flags.on("all", "All that are listed"),
    yes: flags.on("yes", "Do not ask"),
    timeout
  },
  lazily(() => import("./dead-letters/drop.ts"))
).pipe(Command.withDescription("Forget it, text and all"))

export const deadLetters = Command.make("dead-letters").pipe(
  Command.withDescription("What was given up: messages that stopped the Gateway, and deliveries that failed"),
  Command.withSubcommands([list, show, retry, drop])
)
