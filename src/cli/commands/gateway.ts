/**
 * `openclaw gateway`: run the Gateway, or ask one.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"
import { withLogLevel } from "../settings.ts"
import { agentFlags } from "./agent.ts"
import { run as serve } from "./gateway/begin.ts"
import { AUTH_MODES, BINDS, TAILSCALE_MODES } from "./gateway/choices.ts"
import { healthFlags } from "./health.ts"
import { sendFlags } from "./message.ts"

const runFlags = {
  port: flags.whole(
    "port",
    "Port to listen on (default gateway.port, else 18789 or the profile's own; 0 takes a free one)",
    0,
    65_535
  ),
  bind: flags.oneOf("bind", BINDS, "Which address to listen on (default gateway.bind, else loopback)"),
  tailscale: flags.oneOf(
    "tailscale",
    TAILSCALE_MODES,
    "Let Tailscale open the Gateway while it runs: to the tailnet, or to the whole internet (default gateway.tailscale.mode)"
  ),
  auth: flags.oneOf("auth", AUTH_MODES, "How clients are known"),
  allowUnconfigured: flags.on("allow-unconfigured", "Start without a configuration file"),
  force: flags.on("force", "End a Gateway that owns the same state directory first"),
  verbose: flags.on("verbose", "Log what happens inside too")
}

const begin = (given: Parameters<typeof serve>[0]) => withLogLevel(serve(given))

const run = Command.make("run", runFlags, begin).pipe(
  Command.withDescription("Run the Gateway in this terminal, until it is stopped")
)

const install = Command.make(
  "install",
  {
    port: flags.whole("port", "Port to listen on; becomes gateway.port of the configuration", 1, 65_535),
    allowUnconfigured: flags.on("allow-unconfigured", "Start without a configuration file"),
    force: flags.on("force", "Replace a service that is installed already, and restart it"),
    timeout: flags.timeout(60_000)
  },
  lazily(() => import("./gateway/install.ts"))
).pipe(
  Command.withDescription("Have the Gateway run from now on, as a service of systemd or launchd"),
  Command.withExamples([
    { command: "openclaw gateway install", description: "A service of this user" },
    { command: "openclaw --profile rescue gateway install", description: "A second Gateway beside the first" }
  ])
)

const uninstall = Command.make(
  "uninstall",
  {},
  lazily(() => import("./gateway/uninstall.ts"))
).pipe(Command.withDescription("End the service and take it away; configuration and state stay"))

const startService = Command.make(
  "start",
  { timeout: flags.timeout(60_000) },
  lazily(() => import("./gateway/startService.ts"))
).pipe(Command.withDescription("Start the service that `gateway install` made"))

const stop = Command.make(
  "stop",
  {},
  lazily(() => import("./gateway/stop.ts"))
).pipe(Command.withDescription("End the Gateway of this profile, once its running work is done"))

const status = Command.make(
  "status",
  {
    noProbe: flags.on("no-probe", "Do not connect"),
    requireRpc: flags.on("require-rpc", "Exit with 1 when the Gateway does not answer"),
    timeout: flags.timeout()
  },
  lazily(() => import("./gateway/status.ts"))
).pipe(Command.withDescription("Where the Gateway should be, and whether it answers there"))

const restart = Command.make(
  "restart",
  {
    wait: flags.text(
      "wait",
      "How long to wait first for a moment without a running turn, such as 30s; others go on meanwhile"
    ),
    timeout: flags.timeout(30_000)
  },
  lazily(() => import("./gateway/restart.ts"))
).pipe(
  Command.withDescription("Restart a running Gateway with the configuration as it is now; no message is lost by it")
)

const health = Command.make(
  "health",
  healthFlags,
  lazily(() => import("./health/run.ts"))
).pipe(Command.withDescription("How a running Gateway does"))

const call = Command.make(
  "call",
  {
    method: Argument.String("method").pipe(Argument.withDescription("Method of the Gateway, such as node.list")),
    params: flags.text("params", "The method's parameters as JSON (default {})"),
    expectFinal: flags.on("expect-final", "Wait for the final answer of a method that first answers accepted"),
    timeout: flags.timeout()
  },
  lazily(() => import("./gateway/call.ts"))
).pipe(
  Command.withDescription("Call any method of the Gateway and print its answer"),
  Command.withExamples([
    { command: "openclaw gateway call node.list", description: "All nodes" },
    {
      command: `openclaw gateway call chat.history --params '{"sessionKey":"main"}'`,
      description: "The main conversation"
    }
  ])
)

const probe = Command.make(
  "probe",
  {
    port: flags.whole(
      "port",
      "Port of the Gateway, on this machine and behind --ssh; a configured remote one is left out then",
      1,
      65_535
    ),
    ssh: flags.text("ssh", "Also the Gateway behind this host: user@host or user@host:port"),
    sshIdentity: flags.text("ssh-identity", "Private key for that host"),
    sshAuto: flags.on("ssh-auto", "The first host on this machine's networks that tells of a Gateway, as --ssh"),
    timeout: flags.timeout(3000)
  },
  lazily(() => import("./gateway/probe.ts"))
).pipe(
  Command.withDescription(
    "Compare all Gateways known here: which answer, which let these credentials in, which are the same"
  ),
  Command.withExamples([
    { command: "openclaw gateway probe", description: "This machine's, the configured remote one, and those nearby" },
    { command: "openclaw gateway probe --ssh me@server", description: "The one behind a host too" }
  ])
)

const discover = Command.make(
  "discover",
  { timeout: flags.timeout(2000, "Milliseconds to look for Gateways") },
  lazily(() => import("./gateway/discover.ts"))
).pipe(Command.withDescription("Gateways that tell of themselves on this machine's networks (Bonjour)"))

const send = Command.make(
  "send",
  sendFlags,
  lazily(() => import("./message/send.ts"))
).pipe(Command.withDescription("Send a message out through a channel (as `openclaw message send`)"))

const agent = Command.make(
  "agent",
  agentFlags,
  lazily(() => import("./agent/run.ts"))
).pipe(Command.withDescription("Run one turn of the agent (as `openclaw agent`)"))

export const gateway = Command.make("gateway", runFlags, begin).pipe(
  Command.withDescription("Run the Gateway (alone: as `gateway run`), or ask a running one"),
  Command.withSubcommands([
    run,
    install,
    uninstall,
    startService,
    stop,
    restart,
    status,
    health,
    call,
    probe,
    discover,
    send,
    agent
  ])
)
