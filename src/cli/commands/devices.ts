/**
 * `openclaw devices`: which devices may connect to the Gateway at all.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Option from "effect/Option"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const timeout = flags.timeout()

const list = Command.make(
  "list",
  { timeout },
  lazily(() => import("./devices/list.ts"))
).pipe(Command.withDescription("Paired devices, and those that ask to be"))

const approve = Command.make(
  "approve",
  {
    requestId: Argument.String("requestId").pipe(
      Argument.withDescription("Id of the request, as `openclaw devices list` shows it"),
      Argument.optional,
      Argument.map(Option.getOrUndefined)
    ),
    latest: flags.on("latest", "Show the newest request, to be approved by its id"),
    timeout
  },
  lazily(() => import("./devices/approve.ts"))
).pipe(Command.withDescription("Let a device connect with the role and scopes that it asked for"))

const reject = Command.make(
  "reject",
  { requestId: Argument.String("requestId").pipe(Argument.withDescription("Id of the request")), timeout },
  lazily(() => import("./devices/reject.ts"))
).pipe(Command.withDescription("Refuse a device that asks to connect"))

export const devices = Command.make("devices").pipe(
  Command.withDescription("Which devices may connect to the Gateway"),
  Command.withSubcommands([list, approve, reject])
)
