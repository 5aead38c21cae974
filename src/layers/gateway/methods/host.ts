/**
 * `system.info`, `logs.tail`, `gateway.identity.get`, `update.status`, `secrets.reload`, `system-event`, `wake`,
 * `last-heartbeat`.
 */
import { randomUUID } from "node:crypto"
import { statfs } from "node:fs/promises"
import * as Os from "node:os"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { RunId } from "../../../domain/Ids.ts"
import { invalidRequest, unavailable } from "../../../protocol/GatewayError.ts"
import { HostMethods, type SystemEventParams, type SystemInfo } from "../../../protocol/methods/host.ts"
import { Channels } from "../../../services/ChannelRouter.ts"
import { Config } from "../../../services/Config.ts"
import { Models } from "../../../services/Models.ts"
import { StateDir } from "../../../services/StateDir.ts"
import { SystemEvents } from "../../../services/SystemEvents.ts"
import { Turns } from "../../../services/Turns.ts"
import { linesOf } from "../../agent/told.ts"
import { redactShapes, Redactor } from "../../logging/Redactor.ts"
import { LOG_FILE } from "../../Logging.ts"
import * as Time from "../../now.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import type { Beacon } from "../beacons.ts"
import { CurrentConnection } from "../Connections.ts"
import { IdentityKey } from "../identityKey.ts"
import { lineForClients, tail } from "../logTail.ts"
import type { GatewayOptions } from "../options.ts"
import * as SessionRows from "../SessionRows.ts"
import { lanAddress } from "../lan.ts"
import { Snapshots } from "../Snapshots.ts"
import { storageFailed, turnNotAccepted } from "./errors.ts"
import { chosenBy } from "./models.ts"

/** Unknown where the platform does not say. */
const diskOf = (path: string) =>
  Effect.tryPromise(() => statfs(path)).pipe(
    Effect.map(({ bavail, blocks, bsize }) => ({
      diskPath: path,
      diskTotalBytes: blocks * bsize,
      diskAvailableBytes: bavail * bsize
    })),
    Effect.orElseSucceed(() => undefined)
  )

const machine = (): Omit<SystemInfo, "pid" | "uptimeMs"> => {
  const cpus = Os.cpus()
  const [one = 0, five = 0, fifteen = 0] = Os.loadavg()
  const lan = lanAddress()
  const model = cpus[0]?.model.trim()
  return {
    machineName: Os.hostname(),
    hostname: Os.hostname(),
    platform: Os.platform(),
    release: Os.release(),
    arch: Os.arch(),
    osLabel: `${Os.type()} ${Os.release()}`,
    nodeVersion: process.version,
    cpuCount: cpus.length,
    loadAverage: [one, five, fifteen],
    memoryTotalBytes: Os.totalmem(),
    memoryFreeBytes: Os.freemem(),
    ...(model === undefined || model === "" ? undefined : { cpuModel: model }),
    ...(lan === undefined ? undefined : { lanAddress: lan })
  }
}

/** What an event says of a machine; empty fields say nothing. */
const beaconOf = (text: string, params: SystemEventParams): Beacon => {
  const { lastInputSeconds, roles, scopes, sessionKey: _key, tags, text: _text, ...words } = params
  const said = Object.fromEntries(
    Object.entries(words).flatMap(([key, value]) => (value === undefined || value === "" ? [] : [[key, value]]))
  )
  return {
    text,
    ...said,
    ...(lastInputSeconds === undefined
      ? undefined
      : { lastInputSeconds: Math.min(Math.max(0, Math.round(lastInputSeconds)), Number.MAX_SAFE_INTEGER) }),
    ...(roles === undefined || roles.length === 0 ? undefined : { roles }),
    ...(scopes === undefined || scopes.length === 0 ? undefined : { scopes }),
    ...(tags === undefined || tags.length === 0 ? undefined : { tags })
  }
}

/** How machines tell of themselves, again and again. */
const isBeacon = (text: string): boolean => text.startsWith("Node:")

/** A machine's word without what changes each time. */
const brief = (text: string, { host, ip, mode, version }: Beacon): string =>
  host === undefined
    ? text
    : [
        `Node: ${host}${ip === undefined ? "" : ` (${ip})`}`,
        ...(version === undefined ? [] : [`app ${version}`]),
        ...(mode === undefined ? [] : [`mode ${mode}`])
      ].join(" · ")

export const layer = (options: GatewayOptions) =>
  HostMethods.middleware(Access).toLayer(
    Effect.gen(function* () {
      const snapshots = yield* Snapshots
      const config = yield* Config
      const channels = yield* Channels
      const models = yield* Models
      const state = yield* StateDir
      const fs = yield* FileSystem.FileSystem
      const systemEvents = yield* SystemEvents
      const turns = yield* Turns
      const redactor = yield* Effect.serviceOption(Redactor)
      const redact = Option.match(redactor, { onNone: () => redactShapes, onSome: ({ redact }) => redact })
      const { identity } = yield* IdentityKey

      const info = Effect.fn("Gateway.system.info")(function* () {
        const disk = yield* diskOf(state.root)
        return {
          ...machine(),
          pid: process.pid,
          processInstanceId: snapshots.bootId,
          uptimeMs: Math.max(0, Math.round((yield* Clock.currentTimeMillis) - snapshots.startedAt)),
          ...(options.port === 0 ? undefined : { port: options.port }),
          ...disk
        } satisfies SystemInfo
      })

      const logs = Effect.fn("Gateway.logs.tail")(function* (params: {
        readonly cursor?: number | undefined
        readonly limit?: number | undefined
        readonly maxBytes?: number | undefined
      }) {
        const file = state.path(...LOG_FILE)
        const found = yield* Effect.mapError(tail({ ...params, fs, file }), ({ message }) =>
          unavailable(`log read failed: ${message}`)
        )
        // The log was written without secrets; one that became known since is taken out here.
        return { ...found, lines: found.lines.map((line) => lineForClients(redact(line))) }
      })

      const reload = Effect.fn("Gateway.secrets.reload")(function* () {
        yield* Effect.mapError(config.raw, ({ message }) => unavailable(`secrets.reload failed: ${message}`))
        const current = yield* Effect.orDie(config.get)
        const { ids } = yield* Agents.current
        // A probe looks at the token files at once.
        const { channelAccounts } = yield* channels.status({ probe: true })
        const accounts = Object.values(channelAccounts)
          .flat()
          .filter(({ enabled, tokenSource }) => enabled !== false && tokenSource === "none")
        const refs = new Set(ids.flatMap((id) => chosenBy(current, id)))
        const tried = yield* Effect.forEach(refs, (ref) => Effect.result(models.resolve(ref)))
        const unkeyed = tried.filter((model) => Result.isFailure(model) && model.failure.reason === "missing-key")
        return { ok: true as const, warningCount: accounts.length + unkeyed.length }
      })

      const event = Effect.fn("Gateway.system-event")(function* (params: SystemEventParams) {
        const text = params.text.trim()
        if (text === "") return yield* invalidRequest("text required")
        const { key } = yield* Agents.liveSessionKey(
          params.sessionKey === undefined || params.sessionKey === "" ? "main" : params.sessionKey
        )
        const beacon = beaconOf(text, params)
        const isMachine = isBeacon(text) || (beacon.deviceId ?? beacon.instanceId ?? beacon.host) !== undefined
        const isNews = isMachine ? yield* snapshots.sighted(beacon) : true
        if (!isBeacon(text)) yield* systemEvents.add(key, text)
        else if (isNews) yield* systemEvents.add(key, brief(text, beacon))
        return { ok: true }
      })

      const wake = Effect.fn("Gateway.wake")(function* (params: {
        readonly mode: "now" | "next-heartbeat"
        readonly text: string
        readonly sessionKey?: string | undefined
        readonly agentId?: string | undefined
      }) {
        const text = params.text.trim()
        if (text === "") return { ok: false }
        const { agentId, key } = yield* Agents.liveSessionKey(params.sessionKey ?? "main", params.agentId)
        if (params.mode === "next-heartbeat") {
          yield* systemEvents.add(key, text)
          return { ok: true }
        }
        yield* SessionRows.notArchived(key)
        const { client } = yield* CurrentConnection
        const receivedAt = yield* Time.now
        const request = {
          runId: RunId.make(randomUUID()),
          sessionKey: key,
          agentId,
          text: linesOf([{ text, at: receivedAt }]).join("\n"),
          receivedAt,
          sender: { id: client.id }
        }
        yield* Effect.mapError(turns.submit(request), turnNotAccepted)
        return { ok: true }
      })

      return {
        "system.info": info,
        "logs.tail": logs,
        "gateway.identity.get": () => Effect.mapError(identity, storageFailed),
        "update.status": () => Effect.succeed({ sentinel: null, updateAvailable: null }),
        "secrets.reload": reload,
        "system-event": event,
        wake,
        "last-heartbeat": () => Effect.succeed(null)
      }
    })
  )
