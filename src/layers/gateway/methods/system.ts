/**
 * `health`, `status`, `system-presence`, `channels.status`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { SystemMethods } from "../../../protocol/methods/system.ts"
import { unavailable } from "../../../protocol/GatewayError.ts"
import { Channels } from "../../../services/ChannelRouter.ts"
import { DeadLetters } from "../../../services/DeadLetters.ts"
import { NodeRegistry } from "../../../services/NodeRegistry.ts"
import { Sessions } from "../../../services/Sessions.ts"
import { StorageHealth } from "../../../services/StorageHealth.ts"
import { Supervisor } from "../../../services/Supervisor.ts"
import { SystemEvents } from "../../../services/SystemEvents.ts"
import { Turns } from "../../../services/Turns.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import { Connections, CurrentConnection } from "../Connections.ts"
import type { GatewayOptions } from "../options.ts"
import { Snapshots } from "../Snapshots.ts"
import { storageFailed } from "./errors.ts"

export const layer = (options: GatewayOptions) =>
  SystemMethods.middleware(Access).toLayer(
    Effect.gen(function* () {
      const snapshots = yield* Snapshots
      const connections = yield* Connections
      const channels = yield* Channels
      const nodes = yield* NodeRegistry
      const sessions = yield* Sessions
      const supervisor = yield* Supervisor
      const turns = yield* Turns
      const letters = yield* DeadLetters
      const systemEvents = yield* SystemEvents
      const storage = yield* Effect.serviceOption(StorageHealth)

      const status = Effect.fn("Gateway.status")(function* (params: {
        readonly includeChannelSummary?: boolean | undefined
      }) {
        const now = yield* Clock.currentTimeMillis
        const { model } = yield* Agents.current
        const rows = yield* Effect.mapError(nodes.list, storageFailed)
        const { pending } = yield* Effect.mapError(nodes.pairing, storageFailed)
        const stored = yield* Effect.mapError(sessions.list({ limit: 10 }), storageFailed)
        const told = yield* systemEvents.waiting((yield* Agents.sessionKey("main")).key)
        const state = params.includeChannelSummary === false ? undefined : yield* channels.status()
        return {
          runtimeVersion: options.version,
          uptimeMs: Math.max(0, now - snapshots.startedAt),
          pid: process.pid,
          rssBytes: process.memoryUsage.rss(),
          channelSummary: (state?.channelOrder ?? []).map((id) => state?.channelLabels[id] ?? id),
          queuedSystemEvents: told.map(({ text }) => text),
          sessions: { count: stored.totalCount, recent: stored.rows, activeTurns: yield* turns.active },
          nodes: {
            connected: rows.filter((row) => row.connected === true).length,
            paired: rows.filter((row) => row.paired === true).length,
            pending: pending.length
          },
          connections: connections.size(),
          deadLetters: yield* Effect.mapError(letters.counts, storageFailed),
          supervisor: yield* supervisor.tree,
          ...(Option.isNone(storage) ? undefined : { storage: yield* storage.value.status }),
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
          channels.status({
            ...(channel === undefined ? undefined : { channel }),
            ...(probe === undefined ? undefined : { probe })
          })
      }
    })
  )
