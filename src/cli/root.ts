/**
 * The command tree. Each command is a file in `commands/`; heavy modules load when their command runs.
 */
import * as Command from "effect/cli/Command"
import { agent } from "./commands/agent.ts"
import { agents } from "./commands/agents.ts"
import { approvals } from "./commands/approvals.ts"
import { backup } from "./commands/backup.ts"
import { channels } from "./commands/channels.ts"
import { completion } from "./commands/completion.ts"
import { config } from "./commands/config.ts"
import { dashboard } from "./commands/dashboard.ts"
import { demo } from "./commands/demo.ts"
import { devices } from "./commands/devices.ts"
import { doctor } from "./commands/doctor.ts"
import { gateway } from "./commands/gateway.ts"
import { health } from "./commands/health.ts"
import { logs } from "./commands/logs.ts"
import { message } from "./commands/message.ts"
import { models } from "./commands/models.ts"
import { node } from "./commands/node.ts"
import { nodes } from "./commands/nodes.ts"
import { onboard, setup } from "./commands/onboard.ts"
import { pairing } from "./commands/pairing.ts"
import { qr } from "./commands/qr.ts"
import { security } from "./commands/security.ts"
import { sessions } from "./commands/sessions.ts"
import { status } from "./commands/status.ts"
import { system } from "./commands/system.ts"
import { trace } from "./commands/trace.ts"
import { tunnel } from "./commands/tunnel.ts"
import * as Settings from "./settings.ts"

const tree: () => Command.Command.Any = () => root

export const root = Command.make("openclaw").pipe(
  Command.withDescription("Your own agent on your own machines: the OpenClaw Gateway, its nodes and its channels"),
  Command.withSubcommands([
    onboard,
    setup,
    gateway,
    status,
    health,
    dashboard,
    agent,
    agents,
    message,
    node,
    nodes,
    devices,
    qr,
    approvals,
    pairing,
    channels,
    sessions,
    models,
    logs,
    trace,
    tunnel,
    system,
    config,
    backup,
    security,
    doctor,
    completion(tree),
    demo
  ]),
  Command.provide(Settings.layer),
  Command.withGlobalFlags(Settings.all)
)
