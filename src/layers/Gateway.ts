/**
 * The Gateway, put together: every service as a Layer, in the order in which they need each other.
 *
 * `layer` leaves the platform and the storage open, so that an app that has its own HTTP client, SQL client,
 * configuration or state directory supplies them. `layerNode` closes them for a Node process.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as SqlClient from "effect/sql/SqlClient"
import { VERSION } from "../domain/Version.ts"
import type { AgentRunner } from "../services/AgentRunner.ts"
import type { ChannelAccess, ChannelRouter, Channels } from "../services/ChannelRouter.ts"
import { Config, ConfigInvalid, type ConfigUnreadable, type SettingInvalid } from "../services/Config.ts"
import type { DeadLetters } from "../services/DeadLetters.ts"
import type { DeviceRegistry } from "../services/DeviceRegistry.ts"
import type { EventBus } from "../services/EventBus.ts"
import { type BindAddressMissing, Gateway, type GatewayStartError, type Restart } from "../services/Gateway.ts"
import type { Models } from "../services/Models.ts"
import type { NodeRegistry, RegistryStorageFailed } from "../services/NodeRegistry.ts"
import type { Sessions } from "../services/Sessions.ts"
import { StateDir, type GatewayAlreadyRunning, type StateDirUnusable } from "../services/StateDir.ts"
import type { Supervisor } from "../services/Supervisor.ts"
import type { Turns } from "../services/Turns.ts"
import * as AgentRunnerLayer from "./agent/AgentRunner.ts"
import * as ChannelAccessLayer from "./channels/ChannelAccess.ts"
import * as ChannelRouterLayer from "./channels/ChannelRouter.ts"
import * as ChannelsLayer from "./channels/Channels.ts"
import * as OutboundFilesLayer from "./channels/OutboundFiles.ts"
import * as ConfigLayer from "./config/Config.ts"
import {
  gatewayCredential,
  type GatewayCredential,
  type GatewayFlags,
  keepGenerated,
  resolvePort,
  settingError
} from "./config/gatewayAuth.ts"
import * as DeadLettersLayer from "./deadLetters/DeadLetters.ts"
import * as DeviceRegistryLayer from "./devices/DeviceRegistry.ts"
import * as EventBusLayer from "./EventBus.ts"
import * as GatewayIdentityLayer from "./GatewayIdentity.ts"
import { type Bind, reachedBy, resolveHost } from "./gateway/bind.ts"
import * as GatewayServer from "./gateway/GatewayServer.ts"
import * as ModelsLayer from "./models/Models.ts"
import * as NodeRegistryLayer from "./nodes/NodeRegistry.ts"
import * as SessionMaintenance from "./sessions/Maintenance.ts"
import * as SessionsLayer from "./Sessions.ts"
import * as StateDirLayer from "./StateDir.ts"
import * as StorageHealthLayer from "./storage/Health.ts"
import * as Storage from "./storage/Storage.ts"
import type { DatabaseUnusable } from "./storage/Sqlite.ts"
import * as SupervisorLayer from "./Supervisor.ts"
import * as TelegramFromConfig from "./telegram/fromConfig.ts"
import * as TurnsLayer from "./turns/Turns.ts"

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
  | Gateway
  | Models
  | NodeRegistry
  | Sessions
  | Supervisor
  | Turns

export interface GatewayLayerOptions {
  /** Goes before the environment and the file. */
  readonly flags?: GatewayFlags & { readonly bind?: Bind | undefined }
  /** `OPENCLAW_GATEWAY_*` is looked at, and what the file names as `${NAME}`. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly limits?: Partial<GatewayServer.GatewayLimits>
  /** How the app restarts this Gateway when somebody asks for it; without it nobody can. */
  readonly restart?: Restart
  /** How often a turn is tried, how long it is remembered. */
  readonly turns?: TurnsLayer.TurnsOptions
  /** How many messages of a session are kept, besides what `session.maintenance` says. */
  readonly maintenance?: Partial<SessionMaintenance.MaintenanceOptions>
  /** Where language models come from; those of the configuration when left out. */
  readonly models?: Layer.Layer<Models, never, Config | HttpClient.HttpClient>
}

const serverAuth = (credential: GatewayCredential, file: string) =>
  credential.mode === "trusted-proxy"
    ? Effect.fail(
        new ConfigInvalid({
          file,
          problems: [{ path: "gateway.auth.mode", value: '"trusted-proxy"', expected: '"token", "password" or "none"' }]
        })
      )
    : Effect.succeed(credential)

const server = (options: GatewayLayerOptions) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const config = yield* Config
      const state = yield* StateDir
      const { gateway } = yield* config.get
      const sources = { flags: options.flags ?? {}, env: options.env ?? {} }
      const auth = yield* serverAuth(yield* gatewayCredential(sources), config.file)
      const port = yield* Effect.mapError(
        Effect.fromResult(resolvePort({ ...sources, config: yield* config.get })),
        (problem) => settingError(config.file, problem)
      )
      const host = yield* resolveHost(options.flags?.bind ?? gateway?.bind ?? "loopback", gateway?.customBindHost)
      return GatewayServer.layer({
        host,
        port,
        auth,
        version: VERSION,
        configPath: config.file,
        stateDir: state.root,
        ...reachedBy(gateway),
        ...(options.limits === undefined ? undefined : { limits: options.limits }),
        ...(options.restart === undefined ? undefined : { restart: options.restart })
      }).pipe(Layer.tap(() => keepGenerated(auth)))
    })
  )

/** Why a Gateway did not come up. Each says what to do. */
export type GatewayLayerError =
  | BindAddressMissing
  | ConfigInvalid
  | ConfigUnreadable
  | GatewayStartError
  | SettingInvalid
  | RegistryStorageFailed

const ground = Layer.mergeAll(SupervisorLayer.layer, EventBusLayer.layer, GatewayIdentityLayer.layer)
const registries = Layer.mergeAll(
  SessionsLayer.layer,
  ChannelAccessLayer.layer,
  DeviceRegistryLayer.layer,
  NodeRegistryLayer.layer,
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
  Config | StateDir | SqlClient.SqlClient | FileSystem.FileSystem | HttpClient.HttpClient
> =>
  // What is built last ends first: turns that are nearly done still reach their channel.
  drained.pipe(
    // Channels come last, so that nothing is taken in before it can be answered.
    Layer.provideMerge(TelegramFromConfig.layer),
    Layer.provideMerge(SessionMaintenance.layer(options.maintenance)),
    Layer.provideMerge(server(options)),
    Layer.provideMerge(DeadLettersLayer.layer),
    Layer.provideMerge(ChannelRouterLayer.layer),
    Layer.provideMerge(TurnsLayer.layer(options.turns)),
    Layer.provideMerge(AgentRunnerLayer.layer),
    Layer.provideMerge(options.models ?? ModelsLayer.layer),
    Layer.provideMerge(registries),
    Layer.provideMerge(StorageHealthLayer.watch),
    Layer.provideMerge(ground)
  )

export interface GatewayNodeOptions extends GatewayLayerOptions {
  /** Absolute path of the state directory. */
  readonly stateDir: string
  /** Absolute path of the configuration file; `openclaw.json` in the state directory when left out. */
  readonly configFile?: string
}

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
  const files = Layer.mergeAll(
    StateDirLayer.layer({ root: options.stateDir }),
    ConfigLayer.layer({ file: options.configFile ?? `${options.stateDir}/openclaw.json`, env: options.env ?? {} })
  )
  return layer(options).pipe(
    Layer.provide(storage),
    Layer.provideMerge(files),
    // Each reply takes several calls of the same server.
    Layer.provide([NodeServices.layer, NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })])
  )
}
