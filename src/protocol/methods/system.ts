/**
 * `health`, `status`, `system-presence`, `channels.status`: what the Gateway says of itself.
 *
 * Times are Unix milliseconds, durations milliseconds.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { PresenceEntry } from "../Presence.ts"
import { Name } from "../text.ts"
import { DeadLetterCounts } from "./deadLetters.ts"
import { method, NoParams } from "./method.ts"

const Json = Schema.Record(Schema.String, Schema.Unknown)

const SessionsSummary = Schema.Struct({
  path: Schema.String,
  count: Schema.Natural,
  recent: Schema.Array(
    Schema.Struct({ key: Schema.String, updatedAt: Schema.NullOr(Schema.Natural), age: Schema.NullOr(Schema.Natural) })
  )
})

/**
 * Whether state can be stored, in `health` and `status`. `since` is when the condition began; the other fields tell of the
 * trouble that is, or of the one before.
 */
export const StorageStatus = Schema.Struct({
  condition: Schema.Literals(["ok", "full", "read-only", "io-error", "locked", "corrupt"]),
  since: Schema.Natural,
  failures: Schema.Natural,
  lastFailureAt: Schema.optional(Schema.Natural),
  message: Schema.optional(Schema.String)
})
export type StorageStatus = typeof StorageStatus.Type

const Waiting = { count: Schema.Natural, oldestFailedAt: Schema.optional(Schema.Natural) }

/** Dead letters by where they wait: `failed` is what did not go out, or has no channel; `ingressFailed` came in. */
const DeliveryQueues = Schema.Struct({
  failed: Schema.Array(Schema.Struct({ queueName: Schema.String, ...Waiting })),
  ingressFailed: Schema.optional(
    Schema.Array(Schema.Struct({ channelId: Schema.String, accountId: Schema.String, ...Waiting }))
  )
})
export type DeliveryQueues = typeof DeliveryQueues.Type

/**
 * How late and how busy the Gateway's thread was in the last `intervalMs` milliseconds. `utilization` is a share of one,
 * `cpuCoreRatio` counts processors and is of the whole process. `degradedSinceMs` is for how many milliseconds it has been so.
 */
export const EventLoopStatus = Schema.Struct({
  degraded: Schema.Boolean,
  degradedSinceMs: Schema.optional(Schema.NullOr(Schema.Natural)),
  reasons: Schema.Array(Schema.Literals(["event_loop_delay", "event_loop_utilization", "cpu"])),
  intervalMs: Schema.Finite,
  delayP99Ms: Schema.Finite,
  delayMaxMs: Schema.Finite,
  utilization: Schema.Finite,
  cpuCoreRatio: Schema.Finite
})
export type EventLoopStatus = typeof EventLoopStatus.Type

/** Missing in the first second of a Gateway. */
const eventLoop = Schema.optional(EventLoopStatus)

/** `health`'s answer, the `health` event's payload and `hello-ok.snapshot.health`. */
export const HealthSummary = Schema.Struct({
  ok: Schema.optional(Schema.Literal(true)),
  ts: Schema.optional(Schema.Natural),
  durationMs: Schema.optional(Schema.Natural),
  plugins: Schema.optional(Json),
  configReload: Schema.optional(Schema.Struct({ hotReloadStatus: Schema.String })),
  channels: Schema.optional(Json),
  channelOrder: Schema.optional(Schema.Array(Schema.String)),
  channelLabels: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  heartbeatSeconds: Schema.optional(Schema.Natural),
  defaultAgentId: Schema.optional(Schema.String),
  agents: Schema.optional(Schema.Array(Schema.Unknown)),
  sessions: Schema.optional(SessionsSummary),
  /** Missing while there is no dead letter. */
  deliveryQueues: Schema.optional(DeliveryQueues),
  eventLoop,
  /** Ours, and in the answer only. */
  storage: Schema.optional(StorageStatus)
})
export type HealthSummary = typeof HealthSummary.Type

/** One fiber of the Supervisor's tree, in `status`. `since` is when it entered its state. */
export const SupervisedFiber = Schema.Struct({
  name: Schema.String,
  state: Schema.Literals(["running", "backoff", "stopped", "failed", "done"]),
  restarts: Schema.Natural,
  since: Schema.Natural,
  lastCause: Schema.optional(Schema.String),
  /** What it is about, for example the id of the turn that a session runs. */
  detail: Schema.optional(Schema.String)
})
export type SupervisedFiber = typeof SupervisedFiber.Type

/** `status`'s answer. `supervisor` is ours: OpenClaw's clients ignore keys that they do not know. */
/** `waiting` has the reason and what to do, `active` where the Gateway is. */
const TailscaleExposure = Schema.Struct({
  mode: Schema.Literals(["serve", "funnel"]),
  state: Schema.Literals(["waiting", "active"]),
  since: Schema.Natural,
  url: Schema.optional(Schema.String),
  reason: Schema.optional(Schema.String),
  fix: Schema.optional(Schema.String)
})

export const StatusSummary = Schema.Struct({
  runtimeVersion: Schema.optional(Schema.String),
  uptimeMs: Schema.optional(Schema.Natural),
  pid: Schema.optional(Schema.Int),
  rssBytes: Schema.optional(Schema.Natural),
  channelSummary: Schema.optional(Schema.Array(Schema.String)),
  queuedSystemEvents: Schema.optional(Schema.Array(Schema.String)),
  heartbeat: Schema.optional(
    Schema.Struct({
      defaultAgentId: Schema.optional(Schema.String),
      agents: Schema.optional(Schema.Array(Schema.Unknown))
    })
  ),
  degradedSecretOwners: Schema.optional(Schema.Array(Schema.Unknown)),
  degradedPlugins: Schema.optional(Schema.Array(Schema.Unknown)),
  /** Bytes. */
  processMemory: Schema.optional(Schema.Record(Schema.String, Schema.Natural)),
  sessions: Schema.optional(Json),
  eventLoop,
  nodes: Schema.optional(Schema.Struct({ connected: Schema.Natural, paired: Schema.Natural, pending: Schema.Natural })),
  connections: Schema.optional(Schema.Natural),
  /** Ours. */
  deadLetters: Schema.optional(DeadLetterCounts),
  model: Schema.optional(Schema.String),
  storage: Schema.optional(StorageStatus),
  supervisor: Schema.optional(Schema.Array(SupervisedFiber)),
  /** SHA-256 of the certificate that the Gateway shows, in hexadecimal digits; absent without TLS. */
  tlsFingerprint: Schema.optional(Schema.String),
  /** Ours: what Tailscale opens of the Gateway; absent where nothing is to be opened. `since`: Unix milliseconds. */
  tailscale: Schema.optional(TailscaleExposure)
})
export type StatusSummary = typeof StatusSummary.Type

export const ChannelAccountStatus = Schema.Struct({
  accountId: Schema.NonEmptyString,
  name: Schema.optional(Schema.String),
  enabled: Schema.optional(Schema.Boolean),
  configured: Schema.optional(Schema.Boolean),
  linked: Schema.optional(Schema.Boolean),
  running: Schema.optional(Schema.Boolean),
  connected: Schema.optional(Schema.Boolean),
  reconnectAttempts: Schema.optional(Schema.Natural),
  lastConnectedAt: Schema.optional(Schema.NullOr(Schema.Natural)),
  lastError: Schema.optional(Schema.NullOr(Schema.String)),
  healthState: Schema.optional(Schema.String),
  lastStartAt: Schema.optional(Schema.NullOr(Schema.Natural)),
  lastStopAt: Schema.optional(Schema.NullOr(Schema.Natural)),
  lastInboundAt: Schema.optional(Schema.NullOr(Schema.Natural)),
  lastOutboundAt: Schema.optional(Schema.NullOr(Schema.Natural)),
  mode: Schema.optional(Schema.String),
  dmPolicy: Schema.optional(Schema.String),
  allowFrom: Schema.optional(Schema.Array(Schema.String)),
  tokenSource: Schema.optional(Schema.String),
  probe: Schema.optional(Schema.Unknown)
})
export type ChannelAccountStatus = typeof ChannelAccountStatus.Type

export const ChannelsStatusResult = Schema.Struct({
  ts: Schema.Natural,
  channelOrder: Schema.Array(Schema.String),
  channelLabels: Schema.Record(Schema.String, Schema.String),
  channelDetailLabels: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  /** Names of symbols on Apple's systems. */
  channelSystemImages: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  channelMeta: Schema.optional(
    Schema.Array(
      Schema.Struct({
        id: Schema.NonEmptyString,
        label: Schema.NonEmptyString,
        detailLabel: Schema.NonEmptyString,
        systemImage: Schema.optional(Schema.String)
      })
    )
  ),
  eventLoop,
  channels: Json,
  channelAccounts: Schema.Record(Schema.String, Schema.Array(ChannelAccountStatus)),
  channelDefaultAccountId: Schema.Record(Schema.String, Schema.String),
  partial: Schema.optional(Schema.Boolean),
  warnings: Schema.optional(Schema.Array(Schema.String))
})
export type ChannelsStatusResult = typeof ChannelsStatusResult.Type

export const SystemMethods = RpcGroup.make(
  /**
   * How the Gateway is: whether it answers, its channels, agents and sessions. Answers every authenticated connection, whatever
   * its scopes: OpenClaw's local CLI calls it first.
   */
  method("health", {
    access: "any",
    params: Schema.Struct({
      probe: Schema.optional(Schema.Boolean),
      includeSensitive: Schema.optional(Schema.Boolean)
    }),
    result: HealthSummary
  }),
  /** What `openclaw status` shows: version, agents, sessions, channels, and what waits. */
  method("status", {
    access: "operator.read",
    params: Schema.Struct({
      includeChannelSummary: Schema.optional(Schema.Boolean),
      includeCliProjection: Schema.optional(Schema.Boolean)
    }),
    result: StatusSummary
  }),
  /** Who is connected, and what they say of themselves. */
  method("system-presence", { access: "operator.read", params: NoParams, result: Schema.Array(PresenceEntry) }),
  /** Restarts the Gateway. Answers once the restart is decided; it begins then. A new `bootId` in `hello-ok` tells that it is over. */
  method("gateway.restart.request", {
    access: "operator.admin",
    params: Schema.Struct({
      reason: Schema.optional(Name),
      restartIntent: Schema.optional(
        Schema.Struct({
          /**
           * Milliseconds for which a moment without a running turn is waited for, while all goes on. After them running turns
           * have the Gateway's own limit, or these milliseconds if they are fewer, to come to where they can resume.
           */
          waitMs: Schema.optional(Schema.Natural)
        })
      )
    }),
    result: Schema.Struct({
      ok: Schema.Literal(true),
      status: Schema.Literal("scheduled"),
      pid: Schema.Int,
      bootId: Schema.String
    })
  }),
  /** Each channel's accounts: whether they run, their last error, what they received and sent. `probe` asks the channel's other side too. */
  method("channels.status", {
    access: "operator.read",
    params: Schema.Struct({
      probe: Schema.optional(Schema.Boolean),
      timeoutMs: Schema.optional(Schema.Natural),
      channel: Schema.optional(Name)
    }),
    result: ChannelsStatusResult
  })
)
