/**
 * `openclaw node`: this machine as a node of a Gateway.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"
import { withLogLevel } from "../settings.ts"

const MAX_NAME = 120

const isName = (text: string): boolean =>
  text.trim() !== "" && [...text].length <= MAX_NAME && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(text)

const displayName = flags.text("display-name", "What this node is called (default: the host name)").pipe(
  Flag.filter(
    (name) => name === undefined || isName(name),
    () => `1 to ${MAX_NAME} characters, none of them a control character`
  )
)

const serve = lazily(() => import("./node/run.ts"))

const run = Command.make(
  "run",
  {
    host: flags.text("host", "The Gateway's host (default: the one that the configuration names, else this machine)"),
    pair: flags.text(
      "pair",
      "A setup code (`openclaw qr --node` on the Gateway's machine): where it is, and the way in"
    ),
    tls: flags.on("tls", "Use TLS with --host (wss://)"),
    port: flags.whole("port", "The Gateway's port (default 18789)", 1, 65_535),
    displayName
  },
  (given) => withLogLevel(serve(given))
).pipe(
  Command.withDescription("Offer this machine's commands to a Gateway, until it is stopped"),
  Command.withExamples([
    {
      command: "OPENCLAW_GATEWAY_TOKEN=… openclaw node run --host 192.168.1.10",
      description: "As a node of a Gateway in the same network"
    }
  ])
)

const handlers = () => import("./node/service.ts")

const install = Command.make(
  "install",
  {
    host: flags.text("host", "The Gateway's host (default: the one that the configuration names, else this machine)"),
    tls: flags.on("tls", "Use TLS with --host (wss://)"),
    port: flags.whole("port", "The Gateway's port (default 18789)", 1, 65_535),
    displayName,
    force: flags.on("force", "Replace a service that is installed already, and restart it"),
    timeout: flags.timeout(60_000)
  },
  lazily(() => handlers().then(({ install }) => ({ run: install })))
).pipe(
  Command.withDescription("Have the node run from now on, as a service of systemd or launchd"),
  Command.withExamples([
    {
      command: "OPENCLAW_GATEWAY_TOKEN=… openclaw node install --host 192.168.1.10",
      description: "The token is kept where other users cannot read it"
    }
  ])
)

const uninstall = Command.make(
  "uninstall",
  {},
  lazily(() => handlers().then(({ uninstall }) => ({ run: uninstall })))
).pipe(Command.withDescription("End the service and take it away; configuration and state stay"))

const start = Command.make(
  "start",
  { timeout: flags.timeout(60_000) },
  lazily(() => handlers().then(({ start }) => ({ run: start })))
).pipe(Command.withDescription("Start the service that `node install` made"))

const stop = Command.make(
  "stop",
  {},
  lazily(() => handlers().then(({ stop }) => ({ run: stop })))
).pipe(Command.withDescription("Stop the service"))

const restart = Command.make(
  "restart",
  { timeout: flags.timeout(60_000) },
  lazily(() => handlers().then(({ restart }) => ({ run: restart })))
).pipe(Command.withDescription("Restart the service, also with a newer version of the program"))

const status = Command.make(
  "status",
  {},
  lazily(() => handlers().then(({ status }) => ({ run: status })))
).pipe(Command.withDescription("Whether the node is a service, and how that does"))

export const node = Command.make("node").pipe(
  Command.withDescription("This machine as a node of a Gateway"),
  Command.withSubcommands([run, install, uninstall, start, stop, restart, status])
)
