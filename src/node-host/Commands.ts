/**
 * The commands of this node, by name.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { RECALL_CAP } from "../protocol/EventTable.ts"
import { makePrepared } from "./binding.ts"
import { type CommandError, invalid, undecodable } from "./CommandError.ts"
import { ExecApprovals } from "./ExecApprovals.ts"
import * as Executable from "./executable.ts"
import { HostInfo } from "./HostInfo.ts"
import * as SystemRun from "./SystemRun.ts"

/** One command: params in, a JSON value out. */
export type Command = (params: unknown, context: SystemRun.RunContext) => Effect.Effect<unknown, CommandError>

export type Commands = ReadonlyMap<string, Command>

/** What the node declares when it connects; the Gateway filters it and an operator approves the rest. */
export const caps: ReadonlyArray<string> = ["device", "system", RECALL_CAP]

export interface CommandOptions extends SystemRun.SystemRunOptions {
  /** This program's version, for `device.info`. */
  readonly version: string
  readonly displayName: string
}

const MOST_BINS = 64
const WhichParams = Schema.Struct({ bins: Schema.Array(Schema.String) })
const SetParams = Schema.Struct({ file: Schema.Unknown, baseHash: Schema.optional(Schema.NullOr(Schema.String)) })
const decodeWhich = Schema.decodeUnknownEffect(WhichParams)
const decodeSet = Schema.decodeUnknownEffect(SetParams)

/** Names, not paths: asking for a path would tell which files exist. */
const bareName = /^[A-Za-z0-9_.+-]{1,128}$/

export const make = Effect.fnUntraced(function* (options: CommandOptions) {
  const host = yield* HostInfo
  const approvals = yield* ExecApprovals
  const platform = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const { prepare, run } = yield* SystemRun.make(makePrepared(), options)

  const which = Effect.fn("system.which")(function* (params: unknown) {
    const { bins } = yield* Effect.mapError(decodeWhich(params), () => invalid("bins required: an array of names"))
    if (bins.length > MOST_BINS) return yield* invalid(`at most ${MOST_BINS} bins at once`)
    const lookup: Executable.Lookup = {
      path: host.env["PATH"] ?? host.env["Path"] ?? "",
      cwd: host.cwd,
      platform: host.platform,
      pathExt: host.env["PATHEXT"]
    }
    const names = bins.filter((name) => bareName.test(name))
    const found = yield* Effect.forEach(names, (name) => Executable.find(name, lookup), { concurrency: 4 })
    return {
      bins: Object.fromEntries(
        names.flatMap((name, index) => (found[index] === undefined ? [] : [[name, found[index].path]]))
      )
    }
  })

  const systemNames = { linux: "Linux", macos: "macOS", windows: "Windows", unknown: "Unknown" }
  const info = Effect.sync(() => ({
    deviceName: options.displayName,
    platform: host.platform,
    deviceFamily: host.deviceFamily,
    systemName: systemNames[host.platform],
    systemVersion: host.osVersion,
    arch: host.arch,
    appVersion: options.version
  }))

  const status = Effect.gen(function* () {
    const stats = yield* host.stats
    const { diskAvailableBytes: free, diskTotalBytes: total } = stats
    return {
      uptimeSeconds: yield* host.uptimeSeconds,
      cpu: {
        count: stats.cpuCount,
        ...(stats.loadAverage === undefined ? undefined : { loadAverage: stats.loadAverage })
      },
      memory: { totalBytes: stats.memoryTotalBytes, freeBytes: stats.memoryFreeBytes },
      ...(total === undefined || free === undefined
        ? undefined
        : { storage: { totalBytes: total, freeBytes: free, usedBytes: total - free } })
    }
  })

  const setApprovals = Effect.fnUntraced(function* (params: unknown) {
    const { baseHash, file } = yield* Effect.mapError(decodeSet(params), undecodable("exec approvals params"))
    return yield* approvals.set(file, baseHash ?? undefined)
  })

  const table: ReadonlyArray<readonly [string, Command]> = [
    ["device.info", () => info],
    ["device.status", () => status],
    ["system.execApprovals.get", () => approvals.get],
    ["system.execApprovals.set", setApprovals],
    ["system.run", (params, context) => Effect.provideContext(run(params, context), platform)],
    ["system.run.prepare", (params) => Effect.provideContext(prepare(params), platform)],
    ["system.which", (params) => Effect.provideContext(which(params), platform)]
  ]
  return new Map(table) as Commands
})
