/**
 * `openclaw devices`: which devices may connect to the Gateway at all.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
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

const device = Flag.String("device").pipe(Flag.withDescription("Device id, as `openclaw devices list` shows it"))
const role = Flag.String("role").pipe(Flag.withDescription("The role that the token is for: operator or node"))

const remove = Command.make(
  "remove",
  { deviceId: Argument.String("deviceId").pipe(Argument.withDescription("Device id")), timeout },
  lazily(() => import("./devices/remove.ts"))
).pipe(Command.withDescription("Forget a device: its tokens end, and it must pair anew"))

const rename = Command.make(
  "rename",
  { device, name: Flag.String("name").pipe(Flag.withDescription("What to call it, at most 64 characters")), timeout },
  lazily(() => import("./devices/rename.ts"))
).pipe(Command.withDescription("Give a device a name of your own"))

const rotate = Command.make(
  "rotate",
  {
    device,
    role,
    scope: Flag.String("scope").pipe(
      Flag.withDescription("A scope of the new token; repeat it for more (default: those of the old one)"),
      Flag.between(0, 64)
    ),
    noScopes: flags.on("no-scopes", "The new token carries no scopes"),
    timeout
  },
  lazily(() => import("./devices/rotate.ts"))
).pipe(
  Command.withDescription("Replace a device's token; what is connected with the old one is closed"),
  Command.withExamples([
    {
      command: "openclaw devices rotate --device <id> --role operator --scope operator.read",
      description: "Replace a token by one that may only read"
    }
  ])
)

const revoke = Command.make(
  "revoke",
  { device, role, timeout },
  lazily(() => import("./devices/revoke.ts"))
).pipe(Command.withDescription("Take a device's token; the device must be approved again"))

const clear = Command.make(
  "clear",
  {
    yes: flags.on("yes", "Really remove them"),
    pending: flags.on("pending", "Reject everything that waits for approval too"),
    timeout
  },
  lazily(() => import("./devices/clear.ts"))
).pipe(Command.withDescription("Forget every paired device"))

export const devices = Command.make("devices").pipe(
  Command.withDescription("Which devices may connect to the Gateway"),
  Command.withSubcommands([list, approve, reject, remove, rename, rotate, revoke, clear])
)
