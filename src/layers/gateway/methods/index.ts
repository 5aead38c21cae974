/**
 * Handlers of every method in the table.
 */
import * as Layer from "effect/Layer"
import type { GatewayOptions } from "../options.ts"
import * as Agent from "./agent.ts"
import * as Agents from "./agents.ts"
import * as Approvals from "./approvals.ts"
import * as Channels from "./channels.ts"
import * as Chat from "./chat.ts"
import * as Compaction from "./compaction.ts"
import * as Config from "./config.ts"
import * as DeadLetters from "./deadLetters.ts"
import * as Diagnostics from "./diagnostics.ts"
import * as Devices from "./devices.ts"
import * as History from "./history.ts"
import * as Host from "./host.ts"
import * as Models from "./models.ts"
import * as Nodes from "./nodes.ts"
import * as SessionChanges from "./sessionChanges.ts"
import * as Sessions from "./sessions.ts"
import * as System from "./system.ts"
import * as Voice from "./voice.ts"

export const layer = (options: GatewayOptions) =>
  Layer.mergeAll(
    Agent.layer,
    Agents.layer,
    Approvals.layer,
    Approvals.route,
    Host.layer(options),
    Models.layer,
    Channels.layer,
    Compaction.layer,
    Config.layer(options),
    Chat.layer,
    DeadLetters.layer,
    Devices.layer(options),
    Diagnostics.layer,
    History.layer,
    Nodes.layer,
    SessionChanges.layer,
    Sessions.layer,
    System.layer(options),
    Voice.layer
  )
