/**
 * `health`, `status`, `system-presence`, `channels.status`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SessionRow } from "../../../protocol/methods/sessions.ts"
import { type ChannelsStatusResult, SystemMethods } from "../../../protocol/methods/system.ts"
import { unavailable } from "../../../protocol/GatewayError.ts"
import { Channels } from "../../../services/ChannelRouter.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { DeadLetters } from "../../../services/DeadLetters.ts"
import { NodeRegistry } from "../../../services/NodeRegistry.ts"
import { Sessions } from "../../../services/Sessions.ts"
import { StorageHealth } from "../../../services/StorageHealth.ts"
import { Supervisor } from "../../../services/Supervisor.ts"
import { SystemEvents } from "../../../services/SystemEvents.ts"
import { Turns } from "../../../services/Turns.ts"
import * as Reference from "../../models/reference.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import { Connections, CurrentConnection } from "../Connections.ts"
import type { GatewayOptions } from "../options.ts"
import * as SessionRows from "../SessionRows.ts"
import { Exposed } from "../Exposed.ts"
import { Snapshots } from "../Snapshots.ts"
import { storageFailed } from "./errors.ts"

/** How many tokens of the model's window the last turn used up, where the configuration says how large it is. */
const windowOf = ({ contextTokens, totalTokens }: SessionRow) =>
  contextTokens === undefined || totalTokens === undefined
    ? undefined
    : {
        remainingTokens: Math.max(0, contextTokens - totalTokens),
        percentUsed: Math.min(999, Math.round((totalTokens / contextTokens) * 100))
      }

const referenceOf = ({ model, modelProvider }: Pick<SessionRow, "model" | "modelProvider">) =>
  model === undefined || modelProvider === undefined ? (model ?? null) : `${modelProvider}/${model}`

/** A session in `status`, with the fields that OpenClaw's command line and page print. */
const recentOf = (config: OpenClawConfig, row: SessionRow, now: number) => {
  const { modelOverrideSource, updatedAt } = row
  const configuredModel = row.agentId === undefined ? null : referenceOf(SessionRows.modelOf(config, row.agentId))
  // What the next turn begins with; the row's own model is that of the last one.
  const selectedModel = modelOverrideSource === "user" ? referenceOf(row) : configuredModel
  return {
    agentId: row.agentId,
    key: row.key,
    kind: row.kind,
    sessionId: row.sessionId,
    updatedAt: updatedAt ?? null,
    age: typeof updatedAt === "number" ? Math.max(0, now - updatedAt) : null,
    abortedLastRun: row.abortedLastRun,
    inputTokens: row.inputTokens,
    outputTokens: row.outputTokens,
    totalTokens: row.totalTokens ?? null,
    totalTokensFresh: row.totalTokensFresh,
    ...windowOf(row),
    model: row.model ?? null,
    configuredModel,
    selectedModel,
    modelSelectionReason: selectedModel === configuredModel ? null : "session override",
    contextTokens: row.contextTokens ?? null,
    flags: row.sessionId === undefined ? [] : [`id:${row.sessionId}`]
  }
}

/** What channels that this program brings are called where there is room for more than a name. */
const details: Readonly<Record<string, { readonly detailLabel: string; readonly systemImage: string }>> = {
  telegram: { detailLabel: "Telegram Bot", systemImage: "paperplane" }
}

const shownAs = ({ channelLabels, channelOrder }: ChannelsStatusResult) => {
  const channelMeta = channelOrder.map((id) => {
    const label = channelLabels[id] ?? id
    return { id, label, ...(details[id] ?? { detailLabel: label }) }
  })
  return {
    channelMeta,
    channelDetailLabels: Object.fromEntries(channelMeta.map(({ detailLabel, id }) => [id, detailLabel])),
    channelSystemImages: Object.fromEntries(
      channelOrder.flatMap((id) => (details[id] === undefined ? [] : [[id, details[id].systemImage]]))
    )
  }
}

const busy = ({ eventLoop }: Snapshots["Service"]) => {
  const status = eventLoop()
  return status === undefined ? undefined : { eventLoop: status }
}

export const layer = (options: GatewayOptions) =>
  SystemMethods.middleware(Access).toLayer(
    Effect.gen(function* () {
      const snapshots = yield* Snapshots
      const exposed = yield* Exposed
      const connections = yield* Connections
      const channels = yield* Channels
      const nodes = yield* NodeRegistry
      const sessions = yield* Sessions
      const supervisor = yield* Supervisor
      const turns = yield* Turns
      const letters = yield* DeadLetters
      const systemEvents = yield* SystemEvents
      const storage = yield* Effect.serviceOption(StorageHealth)

      const recent = Effect.fnUntraced(function* (current: OpenClawConfig, now: number, agentId?: string) {
        const found = yield* Effect.mapError(
          sessions.list({ limit: 10, ...(agentId === undefined ? undefined : { agentIds: [agentId] }) }),
          storageFailed
        )
        const rows = SessionRows.fill(current, found.rows, now)
        return { count: found.totalCount, recent: rows.map((row) => recentOf(current, row, now)) }
      })

      /** What a session begins with: the default agent's model, by its own name. */
      const defaultsOf = (current: OpenClawConfig) => {
        const { model } = Agents.of(current)
        const ref = model === undefined ? undefined : Reference.parse(model, current)
        const contextTokens = SessionRows.contextOf(current, ref?.provider, ref?.model)
        return { model: ref?.model ?? null, contextTokens: contextTokens ?? null }
      }

      const status = Effect.fn("Gateway.status")(function* (params: {
        readonly includeChannelSummary?: boolean | undefined
      }) {
        const now = yield* Clock.currentTimeMillis
        const current = yield* SessionRows.settings
        const { defaultAgentId, ids, model } = Agents.of(current)
        const path = options.stateDir === undefined ? [] : [options.stateDir]
        const rows = yield* Effect.mapError(nodes.list, storageFailed)
        const { pending } = yield* Effect.mapError(nodes.pairing, storageFailed)
        const stored = yield* recent(current, now)
        const byAgent = yield* Effect.forEach(ids, (agentId) =>
          Effect.map(recent(current, now, agentId), (found) => ({ agentId, path: path[0] ?? "", ...found }))
        )
        const memory = process.memoryUsage()
        const told = yield* systemEvents.waiting((yield* Agents.sessionKey("main")).key)
        const exposure = exposed.summaryUnsafe()
        const tlsFingerprint = snapshots.tlsFingerprintUnsafe()
        const state = params.includeChannelSummary === false ? undefined : yield* channels.status()
        return {
          runtimeVersion: options.version,
          uptimeMs: Math.max(0, now - snapshots.startedAt),
          pid: process.pid,
          rssBytes: memory.rss,
          channelSummary: (state?.channelOrder ?? []).map((id) => state?.channelLabels[id] ?? id),
          queuedSystemEvents: told.map(({ text }) => text),
          // There is none, and nothing of the kind that could be degraded.
          heartbeat: {
            defaultAgentId,
            agents: ids.map((agentId) => ({
              agentId,
              enabled: false,
              every: "disabled",
              everyMs: null,
              waitingForRoute: false
            }))
          },
          degradedSecretOwners: [],
          degradedPlugins: [],
          processMemory: {
            rssBytes: memory.rss,
            heapUsedBytes: memory.heapUsed,
            heapTotalBytes: memory.heapTotal,
            externalBytes: memory.external,
            arrayBuffersBytes: memory.arrayBuffers
          },
          sessions: {
            paths: path,
            defaults: defaultsOf(current),
            ...stored,
            byAgent,
            activeTurns: yield* turns.active
          },
          nodes: {
            connected: rows.filter((row) => row.connected === true).length,
            paired: rows.filter((row) => row.paired === true).length,
            pending: pending.length
          },
          connections: connections.size(),
          deadLetters: yield* Effect.mapError(letters.counts, storageFailed),
          supervisor: yield* supervisor.tree,
          ...busy(snapshots),
          ...(Option.isNone(storage) ? undefined : { storage: yield* storage.value.status }),
          ...(tlsFingerprint === undefined ? undefined : { tlsFingerprint }),
          ...(exposure === undefined ? undefined : { tailscale: exposure }),
          ...(model === undefined ? undefined : { model })
        }
      })

      const restart = Effect.fn("Gateway.restart")(function* (params: {
        readonly reason?: string | undefined
        readonly restartIntent?: { readonly waitMs?: number | undefined } | undefined
      }) {
        if (options.restart === undefined) {
          return yield* unavailable("this Gateway runs inside another program, which alone can restart it")
        }
        const reason = params.reason ?? "gateway.restart.request"
        yield* Effect.mapError(options.restart({ reason, waitMs: params.restartIntent?.waitMs }), ({ message }) =>
          unavailable(message, { details: { code: "RESTART_REFUSED" } })
        )
        return { ok: true, status: "scheduled", pid: process.pid, bootId: snapshots.bootId } as const
      })

      return {
        "gateway.restart.request": restart,
        health: () => Effect.flatMap(CurrentConnection, snapshots.healthFor),
        status,
        "system-presence": () => snapshots.presence,
        "channels.status": ({ channel, probe }) =>
          Effect.map(
            channels.status({
              ...(channel === undefined ? undefined : { channel }),
              ...(probe === undefined ? undefined : { probe })
            }),
            (state) => ({ ...state, ...shownAs(state), ...busy(snapshots) })
          )
      }
    })
  )
