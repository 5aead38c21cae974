/**
 * The Gateway, put together: every service as a Layer, in the order in which they need each other.
 *
 * `layer` leaves the platform and the storage open, so that an app that has its own HTTP client, SQL client,
 * configuration or state directory supplies them. `layerNode` closes them for a Node process.
 */
import { join } from "node:path"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as SqlClient from "effect/sql/SqlClient"
import { VERSION } from "../domain/Version.ts"
import type { AgentRunner } from "../services/AgentRunner.ts"
import type { ChannelAccess, ChannelRouter, Channels } from "../services/ChannelRouter.ts"
import type { Config, ConfigInvalid, ConfigUnreadable, SettingInvalid } from "../services/Config.ts"
import type { DeadLetters } from "../services/DeadLetters.ts"
import type { DeviceRegistry } from "../services/DeviceRegistry.ts"
import type { EventBus } from "../services/EventBus.ts"
import type { ExecApprovals } from "../services/ExecApprovals.ts"
import {
  type BindAddressMissing,
  Gateway,
  type GatewayStartError,
  type Restart,
  RestartRefused
} from "../services/Gateway.ts"
import type { Models } from "../services/Models.ts"
import type { NodeRegistry, RegistryStorageFailed } from "../services/NodeRegistry.ts"
import type { NodeTurns } from "../services/NodeTurns.ts"
import type { Sessions } from "../services/Sessions.ts"
import { StateDir, type GatewayAlreadyRunning, type StateDirUnusable } from "../services/StateDir.ts"
import type { Supervisor } from "../services/Supervisor.ts"
import type { Traces } from "../services/Traces.ts"
import type { Turns } from "../services/Turns.ts"
import * as AgentRunnerLayer from "./agent/AgentRunner.ts"
import * as ApprovalNotices from "./approvals/notices.ts"
import * as ExecApprovalsLayer from "./approvals/ExecApprovals.ts"
import * as ChannelAccessLayer from "./channels/ChannelAccess.ts"
import * as ChannelRouterLayer from "./channels/ChannelRouter.ts"
import * as ChannelsLayer from "./channels/Channels.ts"
import * as OutboundFilesLayer from "./channels/OutboundFiles.ts"
import * as ConfigLayer from "./config/Config.ts"
import { keepGenerated } from "./config/gatewayAuth.ts"
import * as DeadLettersLayer from "./deadLetters/DeadLetters.ts"
import * as DeviceRegistryLayer from "./devices/DeviceRegistry.ts"
import * as AdvertiserLayer from "./discovery/Advertiser.ts"
import * as MulticastLayer from "./discovery/Multicast.ts"
import * as EventBusLayer from "./EventBus.ts"
import * as GatewayIdentityLayer from "./GatewayIdentity.ts"
import * as GatewayServer from "./gateway/GatewayServer.ts"
import { needsLoopback } from "./gateway/bind.ts"
import { checkBind, probe } from "./gateway/listening.ts"
import { type GatewaySettings, settings } from "./gateway/settings.ts"
import { check as checkCertificate } from "./gateway/tls/material.ts"
import { tlsSettings } from "./gateway/tls/settings.ts"
import * as ModelsLayer from "./models/Models.ts"
import * as NodeRegistryLayer from "./nodes/NodeRegistry.ts"
import * as NodeTurnsLayer from "./nodeTurns/NodeTurns.ts"
import * as SessionMaintenance from "./sessions/Maintenance.ts"
import * as SessionsLayer from "./Sessions.ts"
import * as StateDirLayer from "./StateDir.ts"
import * as StorageHealthLayer from "./storage/Health.ts"
import * as Storage from "./storage/Storage.ts"
import type { DatabaseUnusable } from "./storage/Sqlite.ts"
import * as SupervisorLayer from "./Supervisor.ts"
import * as SystemEventsLayer from "./SystemEvents.ts"
import * as TailscaleLayer from "./tailscale/Tailscale.ts"
import * as TelegramFromConfig from "./telegram/fromConfig.ts"
import * as TracingLayer from "./tracing/Tracing.ts"
import * as TurnsLayer from "./turns/Turns.ts"
import * as VoiceWakeLayer from "./VoiceWake.ts"

export { Gateway } from "../services/Gateway.ts"
export type { GatewayLimits } from "./gateway/options.ts"

/** Everything that runs inside a Gateway and that the app around it may use too. */
export type GatewayServices =
  | AgentRunner
  | ChannelAccess
  | ChannelRouter
  | Channels
  | DeadLetters
  | DeviceRegistry
  | EventBus
  | ExecApprovals
  | Gateway
  | Models
  | NodeRegistry
  | NodeTurns
  | Sessions
  | Supervisor
  | Traces
  | Turns

export interface GatewayLayerOptions extends GatewaySettings {
  readonly limits?: Partial<GatewayServer.GatewayLimits>
  /** Milliseconds for which a port that somebody else has is tried again, as at a restart. None when left out. */
  readonly portPatienceMs?: number
  /** How the app restarts this Gateway when somebody asks for it; without it nobody can. */
  readonly restart?: Restart
  /** How often a turn is tried, how long it is remembered. */
  readonly turns?: TurnsLayer.TurnsOptions
  /** How many messages of a session are kept, besides what `session.maintenance` says. */
  readonly maintenance?: Partial<SessionMaintenance.MaintenanceOptions>
  /** Where language models come from; those of the configuration when left out. */
  readonly models?: Layer.Layer<Models, never, Config | HttpClient.HttpClient>
}

const server = (options: GatewayLayerOptions) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const state = yield* StateDir
      const found = yield* settings(options)
      const tls = yield* tlsSettings(state.path)
      return GatewayServer.layer({
        ...found,
        ...(tls === undefined ? undefined : { tls }),
        version: VERSION,
        stateDir: state.root,
        ...(options.portPatienceMs === undefined ? undefined : { portPatienceMs: options.portPatienceMs }),
        ...(options.limits === undefined ? undefined : { limits: options.limits }),
        ...(options.restart === undefined ? undefined : { restart: options.restart })
      }).pipe(
        Layer.tap(() => keepGenerated(found.auth)),
        Layer.tap((context) => state.announce(Context.get(context, Gateway).url))
      )
    })
  )

/**
 * Finds out while a Gateway runs whether one with the configuration as it is now would come up in its place: the settings are
 * right, and what they say to listen on can be had.
 */
export const checkRestart = (
  options: GatewayNodeOptions,
  running: Pick<Gateway["Service"], "host" | "port">
): Effect.Effect<void, RestartRefused> =>
  settings(options).pipe(
    Effect.tap(checkBind),
    Effect.flatMap((next) =>
      probe(next.port === 0 ? { ...next, port: running.port } : next, {
        ...running,
        alsoLoopback: needsLoopback(running.host)
      })
    ),
    Effect.andThen(tlsSettings((...segments) => join(options.stateDir, ...segments))),
    Effect.tap((tls) => (tls === undefined ? Effect.void : checkCertificate(tls))),
    Effect.asVoid,
    Effect.provide(configOf(options)),
    Effect.scoped,
    Effect.provide(NodeServices.layer),
    Effect.mapError(
      ({ message }) =>
        new RestartRefused({ message: `the Gateway is not restarted, because it would not come up: ${message}` })
    )
  )

/** Why a Gateway did not come up. Each says what to do. */
export type GatewayLayerError =
  | BindAddressMissing
  | ConfigInvalid
  | ConfigUnreadable
  | GatewayStartError
  | SettingInvalid
  | RegistryStorageFailed

const ground = Layer.mergeAll(
  SupervisorLayer.layer,
  EventBusLayer.layer,
  GatewayIdentityLayer.layer,
  SystemEventsLayer.layer
)
const registries = Layer.mergeAll(
  SessionsLayer.layer,
  ChannelAccessLayer.layer,
  DeviceRegistryLayer.layer,
  NodeRegistryLayer.layer,
  ExecApprovalsLayer.layer,
  VoiceWakeLayer.layer,
  Layer.provide(ChannelsLayer.layer, OutboundFilesLayer.layer)
)

/** The end begins with a drain, before anything is taken away. */
const drained: Layer.Layer<never, never, Gateway> = Layer.effectDiscard(
  Effect.flatMap(Gateway, ({ drain }) => Effect.addFinalizer(() => drain()))
)

/**
 * A running Gateway until the scope closes: listener, nodes, sessions, turns, the channels of the configuration.
 */
export const layer = (
  options: GatewayLayerOptions = {}
): Layer.Layer<
  GatewayServices,
  GatewayLayerError,
  Config | StateDir | SqlClient.SqlClient | FileSystem.FileSystem | HttpClient.HttpClient | ChildProcessSpawner
> =>
  // What is built last ends first: turns that are nearly done still reach their channel.
  AdvertiserLayer.layer({ env: options.env }).pipe(
    Layer.provideMerge(drained),
    // Channels come last, so that nothing is taken in before it can be answered.
    Layer.provideMerge(ApprovalNotices.layer),
    Layer.provideMerge(TelegramFromConfig.layer),
    Layer.provideMerge(SessionMaintenance.layer(options.maintenance)),
    Layer.provideMerge(server(options)),
    Layer.provideMerge(DeadLettersLayer.layer),
    Layer.provideMerge(NodeTurnsLayer.layer),
    Layer.provideMerge(ChannelRouterLayer.layer),
    Layer.provideMerge(TurnsLayer.layer(options.turns)),
    Layer.provideMerge(AgentRunnerLayer.layer),
    Layer.provideMerge(options.models ?? ModelsLayer.layer),
    Layer.provideMerge(registries),
    Layer.provideMerge(StorageHealthLayer.watch),
    Layer.provide(TailscaleLayer.layer()),
    // Below all that it traces: it writes what they did at their end.
    Layer.provideMerge(TracingLayer.layer),
    Layer.provideMerge(ground)
  )

export interface GatewayNodeOptions extends GatewayLayerOptions {
  /** Absolute path of the state directory. */
  readonly stateDir: string
  /** Absolute path of the configuration file; `openclaw.json` in the state directory when left out. */
  readonly configFile?: string
}

const configOf = ({ configFile, env, stateDir }: GatewayNodeOptions) =>
  ConfigLayer.layer({ file: configFile ?? `${stateDir}/openclaw.json`, env: env ?? {} })

/** The same on a Node process, with its file system, HTTP client and SQLite. Owns the state directory. */
export const layerNode = (
  options: GatewayNodeOptions
): Layer.Layer<
  GatewayServices | Config | StateDir,
  GatewayLayerError | GatewayAlreadyRunning | StateDirUnusable | DatabaseUnusable
> => {
  const storage = Storage.layerStateDir.pipe(
    Layer.provide(Layer.effectDiscard(Effect.flatMap(StateDir, (state) => state.own)))
  )
  const files = Layer.mergeAll(StateDirLayer.layer({ root: options.stateDir }), configOf(options))
  return layer(options).pipe(
    Layer.provide(storage),
    Layer.provideMerge(files),
    // Each reply takes several calls of the same server.
    Layer.provide([NodeServices.layer, NodeHttpClient.layerNodeHttpOptions({ keepAlive: true }), MulticastLayer.layer])
  )
}
