/**
 * `openclaw tunnel`: SSH tunnels to a Gateway elsewhere.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const target = Argument.String("target").pipe(
  Argument.withDescription(
    "user@host, user@host:port, or an alias of ~/.ssh/config (default gateway.remote.sshTarget)"
  ),
  Argument.optional
)

const up = Command.make(
  "up",
  {
    target,
    localPort: flags.whole(
      "local-port",
      "Port of this machine (default that of gateway.remote.url, or 18789)",
      1,
      65_535
    ),
    remotePort: flags.whole(
      "remote-port",
      "The Gateway's port over there (default gateway.remote.remotePort)",
      1,
      65_535
    ),
    identity: flags.text("identity", "Private key to log in with, and no other (default gateway.remote.sshIdentity)"),
    hostKeyPolicy: flags.oneOf(
      "host-key-policy",
      ["strict", "openssh"],
      "strict: only hosts whose key is known; openssh: as ssh's own configuration says"
    ),
    background: flags.on("background", "Leave it to a process of its own, and return when it is up"),
    timeout: flags.whole("timeout", "Milliseconds until it has to be up (default none; 60000 with --background)", 1)
  },
  lazily(() => import("./tunnel/up.ts"))
).pipe(
  Command.withDescription("Keep a tunnel to a Gateway until stopped, for every program of this state directory"),
  Command.withExamples([
    { command: "openclaw tunnel up", description: "The configured one, with a line that says how it does" },
    { command: "openclaw tunnel up me@vps.example.com --background", description: "Another one, in the background" }
  ])
)

const down = Command.make(
  "down",
  { target, all: flags.on("all", "Every tunnel of this state directory") },
  lazily(() => import("./tunnel/down.ts"))
).pipe(Command.withDescription("End tunnels that `openclaw tunnel up` keeps"))

const status = Command.make(
  "status",
  { target },
  lazily(() => import("./tunnel/status.ts"))
).pipe(Command.withDescription("Where the tunnels stand; exit code 1 unless all are up"))

const logs = Command.make(
  "logs",
  {
    target,
    follow: flags.on("follow", "Go on with what comes, until stopped"),
    lines: flags.whole("lines", "Lines at most (default 100)", 1, 5_000),
    plain: flags.on("plain", "Without colors"),
    utc: flags.on("utc", "Times in UTC instead of the local ones")
  },
  lazily(() => import("./tunnel/logs.ts"))
).pipe(Command.withDescription("What became of the tunnels, and why"))

const forget = Command.make(
  "forget",
  {
    target: Argument.String("target").pipe(Argument.withDescription("The target as it was given to `up`")),
    remotePort: flags.whole("remote-port", "Only the Gateway at this port over there", 1, 65_535)
  },
  lazily(() => import("./tunnel/forget.ts"))
).pipe(Command.withDescription("Forget which Gateway answered there, so that the next one is taken for it"))

export const tunnel = Command.make("tunnel").pipe(
  Command.withDescription("SSH tunnels to a Gateway elsewhere"),
  Command.withSubcommands([up, down, status, logs, forget])
)
