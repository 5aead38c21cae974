/**
 * What every client may know at once: who is connected, how the Gateway does, and the versions of both.
 */
import { randomUUID } from "node:crypto"
import { hostname, release, type } from "node:os"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { TlsFingerprint } from "../../domain/TlsFingerprint.ts"
import type { Snapshot } from "../../protocol/Connect.ts"
import type { StateVersion } from "../../protocol/Frame.ts"
import type { DeliveryQueues, EventLoopStatus, HealthSummary } from "../../protocol/methods/system.ts"
import type { PresenceEntry } from "../../protocol/Presence.ts"
import { satisfies } from "../../protocol/Role.ts"
import { Channels } from "../../services/ChannelRouter.ts"
import type { Config } from "../../services/Config.ts"
import { DeadLetters } from "../../services/DeadLetters.ts"
import { EventBus } from "../../services/EventBus.ts"
import { Sessions } from "../../services/Sessions.ts"
import { StorageHealth } from "../../services/StorageHealth.ts"
import { Authenticator } from "../../services/Authenticator.ts"
import * as Coalesced from "../coalesced.ts"
import * as Agents from "./Agents.ts"
import * as Beacons from "./beacons.ts"
import { isLoopbackAddress } from "./Addresses.ts"
import { type Connection, Connections } from "./Connections.ts"
import * as EventLoop from "./EventLoop.ts"
import { lanAddress } from "./lan.ts"
import type { GatewayOptions } from "./options.ts"

/** Sessions that `health` names, of all and of each agent. */
const RECENT = 5

/** Clients that come for one call and go are not shown as present. */
const passing: ReadonlySet<string> = new Set(["cli", "probe", "backend", "test"])

export class Snapshots extends Context.Service<
  Snapshots,
  {
    readonly bootId: string
    /** Unix milliseconds. */
    readonly startedAt: number
    readonly presence: Effect.Effect<ReadonlyArray<PresenceEntry>>
    /** How busy this process was lately; `undefined` in its first second. */
    readonly eventLoop: () => EventLoopStatus | undefined
    /** Of the certificate that is shown to who connects now; `undefined` without TLS. */
    readonly tlsFingerprintUnsafe: () => TlsFingerprint | undefined
    /** That certificate is this one from now on. */
    readonly certificateChanged: (fingerprint: TlsFingerprint) => void
    readonly stateVersion: () => StateVersion
    /** Tells everyone who may know that somebody came or went. */
    readonly presenceChanged: (connection: Connection) => Effect.Effect<void>
    /** Shows a machine that has no connection; `true` when it is new, or something about it is. */
    readonly sighted: (beacon: Beacons.Beacon) => Effect.Effect<boolean>
    /** Looks at channels and sessions now. Who may not read is told neither conversations nor accounts nor paths. */
    readonly healthFor: (connection: Connection) => Effect.Effect<HealthSummary>
    /** Looks, remembers for new connections, and tells everyone who may know. */
    readonly publishHealth: Effect.Effect<void>
    /** The snapshot of `hello-ok`; who may not read is told less. */
    readonly forHello: (connection: Connection) => Effect.Effect<Snapshot>
  }
>()("openclaw/layers/gateway/Snapshots") {}

const optional = <K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } =>
  value === undefined || value === "" ? {} : ({ [key]: value } as { readonly [P in K]: string })

/** A login that looks like an address of mail is one. */
const userOf = (user: string | undefined) =>
  user === undefined ? undefined : { user: { id: user, ...(user.includes("@") ? { email: user } : undefined) } }

const entryOf = (connection: Connection): PresenceEntry => {
  const { client, deviceId, role } = connection
  const name = client.displayName ?? client.id
  return {
    host: name,
    version: client.version,
    platform: client.platform,
    ...optional("deviceFamily", client.deviceFamily),
    ...optional("modelIdentifier", client.modelIdentifier),
    ...optional("timeZone", client.timeZone),
    mode: client.mode,
    reason: "connect",
    roles: [role],
    ...(role === "operator" ? { scopes: connection.scopes.filter((scope) => scope !== "") } : undefined),
    ...optional("deviceId", deviceId),
    ...optional("instanceId", deviceId ?? client.instanceId),
    ...(isLoopbackAddress(connection.address) ? undefined : optional("ip", connection.address)),
    ...userOf(connection.user),
    onlineSince: connection.connectedAt,
    text: `${role === "node" ? "Node" : "Client"}: ${name} · mode ${client.mode}`,
    ts: connection.connectedAt
  }
}

const mayRead = ({ role, scopes }: Connection): boolean => role === "operator" && satisfies(scopes, "operator.read")

/** What remains for those who may not read. */
const reduced = <A extends object>(
  summary: Omit<HealthSummary, "agents"> & { readonly agents: ReadonlyArray<A> }
): HealthSummary => {
  const sessions = { path: "", count: 0, recent: [] }
  const { deliveryQueues: _queues, ...told } = summary
  return { ...told, channels: {}, agents: summary.agents.map((agent) => ({ ...agent, sessions })), sessions }
}

/** OpenClaw's agents may wake by themselves; these do not. */
const noHeartbeat = { enabled: false, every: "disabled", everyMs: null, prompt: "", target: "none", ackMaxChars: 0 }

const make = Effect.fnUntraced(function* (options: GatewayOptions) {
  const connections = yield* Connections
  const events = yield* EventBus
  const channels = yield* Channels
  const sessions = yield* Sessions
  const authenticator = yield* Authenticator
  const letters = yield* DeadLetters
  const storage = yield* Effect.serviceOption(StorageHealth)
  const context = yield* Effect.context<Config>()
  const agents = Effect.provideContext(Agents.current, context)
  const startedAt = yield* Clock.currentTimeMillis
  const instanceId = randomUUID()
  const host = hostname()
  const beacons = Beacons.make()
  let presenceVersion = 1
  let healthVersion = 1

  const eventLoop = yield* EventLoop.make

  const self = (ts: number): PresenceEntry => {
    const ip = lanAddress()
    return {
      host,
      ...optional("ip", ip),
      version: options.version,
      platform: `${type().toLowerCase()} ${release()}`,
      deviceFamily: type(),
      mode: "gateway",
      reason: "self",
      instanceId,
      text: `Gateway: ${host}${ip === undefined ? "" : ` (${ip})`} · app ${options.version} · mode gateway · reason self`,
      ts
    }
  }

  const presence = Effect.map(Clock.currentTimeMillis, (ts): ReadonlyArray<PresenceEntry> => [
    self(ts),
    ...Array.from(connections.all())
      .filter((connection) => !passing.has(connection.client.mode))
      .map(entryOf),
    ...beacons.all(ts)
  ])

  const recent = Effect.fnUntraced(function* (agentId?: string) {
    const now = yield* Clock.currentTimeMillis
    const { rows, totalCount } = yield* sessions
      .recent(RECENT, agentId)
      .pipe(
        Effect.catch((error) => Effect.as(Effect.logWarning(`health: ${error.message}`), { rows: [], totalCount: 0 }))
      )
    return {
      path: options.stateDir ?? "",
      count: totalCount,
      recent: rows.map(({ key, updatedAt }) => ({
        key,
        updatedAt,
        age: updatedAt === null ? null : Math.max(0, now - updatedAt)
      }))
    }
  })

  /** `undefined` when nothing waits, or it cannot be said just now. */
  const deliveryQueues = letters.queues.pipe(
    Effect.map((queues): DeliveryQueues | undefined =>
      queues.length === 0
        ? undefined
        : {
            failed: queues.flatMap(({ accountId, channel, count, direction, oldestFailedAt }) =>
              direction === "out" || channel === undefined || accountId === undefined
                ? [{ queueName: channel === undefined ? "turns" : `${channel}/${accountId}`, count, oldestFailedAt }]
                : []
            ),
            ingressFailed: queues.flatMap(({ accountId, channel, count, direction, oldestFailedAt }) =>
              direction === "out" || channel === undefined || accountId === undefined
                ? []
                : [{ channelId: channel, accountId, count, oldestFailedAt }]
            )
          }
    ),
    Effect.catch((error) => Effect.as(Effect.logWarning(`health: ${error.message}`), undefined))
  )

  const busy = () => {
    const status = eventLoop()
    return status === undefined ? undefined : { eventLoop: status }
  }

  /** Many may ask at a time: all that come while it is looked are told what the next look finds. */
  const health = yield* Coalesced.make(
    Effect.gen(function* () {
      const ts = yield* Clock.currentTimeMillis
      // At the same time: both begin with a look at the configuration's file, which then is one.
      const [state, { defaultAgentId, ids }] = yield* Effect.all([channels.status(), agents], { concurrency: 2 })
      const stored = yield* recent()
      const queues = yield* deliveryQueues
      const perAgent = yield* Effect.forEach(ids, (agentId) =>
        Effect.map(recent(agentId), (sessions) => ({
          agentId,
          isDefault: agentId === defaultAgentId,
          heartbeat: noHeartbeat,
          sessions
        }))
      )
      return {
        ok: true,
        ts,
        durationMs: (yield* Clock.currentTimeMillis) - ts,
        // There are no plugins, and the file is looked at whenever something is read of it.
        plugins: { loaded: [], errors: [], unavailable: [] },
        configReload: { hotReloadStatus: "active" },
        channels: state.channels,
        channelOrder: state.channelOrder,
        channelLabels: state.channelLabels,
        heartbeatSeconds: 0,
        defaultAgentId,
        agents: perAgent,
        sessions: stored,
        ...(queues === undefined ? undefined : { deliveryQueues: queues }),
        ...busy()
      } satisfies HealthSummary
    })
  )
  let lastHealth = yield* health

  let certificate: TlsFingerprint | undefined
  return Snapshots.of({
    tlsFingerprintUnsafe: () => certificate,
    certificateChanged: (fingerprint) => {
      certificate = fingerprint
    },
    bootId: randomUUID(),
    startedAt,
    presence,
    eventLoop,
    stateVersion: () => ({ presence: presenceVersion, health: healthVersion }),
    presenceChanged: (connection) =>
      passing.has(connection.client.mode)
        ? Effect.void
        : Effect.flatMap(presence, (entries) => {
            presenceVersion++
            return events.publish("presence", { presence: entries })
          }),
    sighted: Effect.fnUntraced(function* (beacon) {
      const isNews = beacons.put(beacon, yield* Clock.currentTimeMillis)
      presenceVersion++
      yield* events.publish("presence", { presence: yield* presence })
      return isNews
    }),
    healthFor: (connection) =>
      Effect.map(health, (summary): HealthSummary => ({
        ...(mayRead(connection) ? summary : reduced(summary)),
        // In the answer only: what `hello-ok` and the event have is published to the last field.
        ...(Option.isNone(storage) ? undefined : { storage: storage.value.statusUnsafe() })
      })),
    publishHealth: Effect.flatMap(health, (summary) => {
      lastHealth = summary
      healthVersion++
      return events.publish("health", summary)
    }),
    forHello: Effect.fnUntraced(function* (connection) {
      const uptimeMs = (yield* Clock.currentTimeMillis) - startedAt
      const { defaultAgentId, ids, mainKey, model } = yield* agents
      const common = {
        suspension: { phase: "accepting" as const },
        stateVersion: { presence: presenceVersion, health: healthVersion },
        uptimeMs,
        health: mayRead(connection) ? lastHealth : reduced(lastHealth),
        sessionDefaults: {
          defaultAgentId,
          modelConfigured: model !== undefined,
          ownership: ids.length > 1 ? ("legacy" as const) : ("sole" as const),
          selectionRequired: false,
          mainKey,
          mainSessionKey: `agent:${defaultAgentId}:${mainKey}`,
          scope: "per-sender"
        }
      }
      if (!mayRead(connection)) return { ...common, presence: [] }
      const present = yield* presence
      return {
        ...common,
        // It is not among the others before it has been greeted.
        presence: passing.has(connection.client.mode) ? present : [...present, entryOf(connection)],
        authMode: authenticator.mode,
        ...optional("configPath", options.configPath),
        ...optional("stateDir", options.stateDir)
      }
    })
  })
})

export const layer = (
  options: GatewayOptions
): Layer.Layer<Snapshots, never, Connections | EventBus | Channels | DeadLetters | Sessions | Config | Authenticator> =>
  Layer.effect(Snapshots, make(options))
