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
import * as AppTools from "../services/AppTools.ts"
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
import * as DeadLettersLayer from "./deadLetters/DeadLetters.ts"
import * as DeviceRegistryLayer from "./devices/DeviceRegistry.ts"
import * as AdvertiserLayer from "./discovery/Advertiser.ts"
import * as MulticastLayer from "./discovery/Multicast.ts"
import * as EventBusLayer from "./EventBus.ts"
import * as GatewayIdentityLayer from "./GatewayIdentity.ts"
import type { GatewayLimits } from "./gateway/options.ts"
import { server } from "./gatewayServing.ts"
import { needsLoopback } from "./gateway/bind.ts"
import { checkBind, probe } from "./gateway/listening.ts"
import type { AppServer } from "./gateway/options.ts"
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
import * as Migrations from "./storage/Migrations.ts"
import * as Storage from "./storage/Storage.ts"
import type { DatabaseUnusable } from "./storage/Sqlite.ts"
import * as SupervisorLayer from "./Supervisor.ts"
import * as SystemEventsLayer from "./SystemEvents.ts"
import * as TailscaleLayer from "./tailscale/Tailscale.ts"
import * as TelegramFromConfig from "./telegram/fromConfig.ts"
import * as MetricsLayer from "./telemetry/Metrics.ts"
import * as OtelLayer from "./telemetry/Otel.ts"
import * as TracingLayer from "./tracing/Tracing.ts"
import * as TurnsLayer from "./turns/Turns.ts"
import * as VoiceWakeLayer from "./VoiceWake.ts"

export { Gateway } from "../services/Gateway.ts"
export type { AppServer, GatewayLimits } from "./gateway/options.ts"

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

/**
 * What an app may say of its Gateway. `E` and `R` are the errors and services of the Layers that it brings itself; it leaves
 * open what the rest of the app has as well, so that both share one.
 */
export interface GatewayLayerOptions<E = never, R = never> extends GatewaySettings {
  /**
   * Where it is reached: by a listener of its own when left out, at an HTTP server of the app, or with `none` from inside the
   * process only.
   */
  readonly listen?: AppServer | "none"
  readonly limits?: Partial<GatewayLimits>
  /** Milliseconds for which a port that somebody else has is tried again, as at a restart. None when left out. */
  readonly portPatienceMs?: number
  /** How the app restarts this Gateway when somebody asks for it; without it nobody can. */
  readonly restart?: Restart
  /** How often a turn is tried, how long it is remembered. */
  readonly turns?: TurnsLayer.TurnsOptions
  /** How many messages of a session are kept, besides what `session.maintenance` says. */
  readonly maintenance?: Partial<SessionMaintenance.MaintenanceOptions>
  /** Where language models come from; those of the configuration when left out. `Gateway.models` adds to them. */
  readonly models?: Layer.Layer<Models, E, R | Config | HttpClient.HttpClient>
  /** The app's tools, besides the agent's own: `Gateway.tools`. */
  readonly tools?: Layer.Layer<never, E, R>
  /**
   * Channels and nodes of the app, and whatever else stands on the Gateway's services and has to outlive its turns: at the end they
   * are taken down after the drain.
   */
  readonly extensions?: Layer.Layer<never, E, R>
}

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

/** What the app leaves to its platform, its storage and its configuration. */
export type GatewayRequirements =
  | Config
  | StateDir
  | SqlClient.SqlClient
  | FileSystem.FileSystem
  | HttpClient.HttpClient
  | ChildProcessSpawner

/** Every Gateway has its own of each, also where several are built together; what the app brings is shared as ever. */
const own = Layer.fresh

const assemble = <E, R>(options: GatewayLayerOptions<E, R>) =>
  // What is built last ends first: turns that are nearly done still reach their channel.
  (options.listen === undefined ? own(AdvertiserLayer.layer({ env: options.env })) : Layer.empty).pipe(
    Layer.provideMerge(own(drained)),
    // Channels come last, so that nothing is taken in before it can be answered.
    Layer.provideMerge(options.extensions ?? Layer.empty),
    Layer.provideMerge(own(ApprovalNotices.layer)),
    Layer.provideMerge(own(TelegramFromConfig.layer)),
    Layer.provideMerge(own(SessionMaintenance.layer(options.maintenance))),
    Layer.provideMerge(own(server(options))),
    Layer.provideMerge(own(DeadLettersLayer.layer)),
    Layer.provideMerge(own(NodeTurnsLayer.layer)),
    Layer.provideMerge(own(ChannelRouterLayer.layer)),
    Layer.provideMerge(own(TurnsLayer.layer(options.turns))),
    Layer.provideMerge(own(AgentRunnerLayer.layer)),
    Layer.provideMerge(options.tools ?? AppTools.none),
    Layer.provideMerge(options.models ?? own(ModelsLayer.layer)),
    Layer.provideMerge(own(registries)),
    Layer.provideMerge(own(StorageHealthLayer.watch)),
    Layer.provide(own(TailscaleLayer.layer())),
    Layer.provideMerge(
      own(
        OtelLayer.layer({ env: options.env }).pipe(
          Layer.provideMerge(MetricsLayer.layer),
          Layer.provide(MetricsLayer.registry)
        )
      )
    ),
    // Below all that it traces: it writes what they did at their end.
    Layer.provideMerge(own(TracingLayer.layer)),
    Layer.provideMerge(own(ground))
  )

type Given<O, Key extends string> = O extends { readonly [K in Key]: infer L } ? Extract<L, Layer.Any> : never
type Parts = "extensions" | "models" | "tools"
/** Errors of the Layers in some options. */
export type PartsError<O> = { [K in Parts]: Layer.Error<Given<O, K>> }[Parts]
/** Services that the Layers in some options need, and that are not the Gateway's own. */
export type PartsServices<O> = Exclude<{ [K in Parts]: Layer.Services<Given<O, K>> }[Parts], GatewayServices>

/**
 * A running Gateway until the scope closes: nodes, sessions, turns, the channels of the configuration, and where it is reached.
 *
 * The `SqlClient` is one over a SQLite database of the Gateway's alone; it is checked, and the schema brought up to date. Loggers
 * and tracer are the app's.
 */
export const layer = <const O extends GatewayLayerOptions<any, any> = GatewayLayerOptions>(
  options?: O
): Layer.Layer<
  GatewayServices,
  GatewayLayerError | DatabaseUnusable | PartsError<O>,
  GatewayRequirements | PartsServices<O>
> =>
  assemble((options ?? {}) as GatewayLayerOptions<PartsError<O>, PartsServices<O>>).pipe(
    Layer.provide(own(Migrations.layerOwn))
  )

export interface GatewayNodeOptions<E = never, R = never> extends GatewayLayerOptions<E, R> {
  /** Absolute path of the state directory. */
  readonly stateDir: string
  /** Absolute path of the configuration file; `openclaw.json` in the state directory when left out. */
  readonly configFile?: string
  /** The configuration itself, instead of a file: `Gateway.config`. */
  readonly config?: Layer.Layer<Config>
}

const configOf = ({
  config,
  configFile,
  env,
  stateDir
}: Pick<GatewayNodeOptions, "config" | "configFile" | "env" | "stateDir">) =>
  config ?? ConfigLayer.layer({ file: configFile ?? `${stateDir}/openclaw.json`, env: env ?? {} })

/** The same on a Node process, with its file system, HTTP client and SQLite. Owns the state directory. */
export const layerNode = <const O extends GatewayNodeOptions<any, any>>(
  options: O
): Layer.Layer<
  GatewayServices | Config | StateDir,
  GatewayLayerError | GatewayAlreadyRunning | StateDirUnusable | DatabaseUnusable | PartsError<O>,
  Exclude<PartsServices<O>, Config | StateDir | HttpClient.HttpClient | NodeServices.NodeServices>
> =>
  assemble(options as GatewayNodeOptions<PartsError<O>, PartsServices<O>>).pipe(
    Layer.provide(own(Storage.layerStateDir)),
    Layer.provideMerge(Layer.mergeAll(stateDir({ root: options.stateDir }), configOf(options))),
    // Each reply takes several calls of the same server.
    Layer.provide([NodeServices.layer, NodeHttpClient.layerNodeHttpOptions({ keepAlive: true }), MulticastLayer.layer])
  )

/** The state directory, owned by this Gateway until the scope closes: no other one can start in it. */
export const stateDir = (options: { readonly root: string }) =>
  Layer.tap(own(StateDirLayer.layer(options)), (context) => Context.get(context, StateDir).own)
