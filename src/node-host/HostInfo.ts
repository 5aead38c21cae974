/**
 * The machine that this node runs on: what it is, how it is doing, and the environment that commands inherit from.
 */
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { NodeHostStats } from "../protocol/methods/nodes.ts"

export type HostPlatform = "linux" | "macos" | "windows" | "unknown"

const families: Readonly<Record<HostPlatform, string>> = {
  linux: "Linux",
  macos: "Mac",
  windows: "Windows",
  unknown: "Unknown"
}

export class HostInfo extends Context.Service<
  HostInfo,
  {
    readonly hostname: string
    /** As the Gateway's command policy names platforms. */
    readonly platform: HostPlatform
    /** Agrees with `platform`: a Gateway trusts neither when they contradict each other. */
    readonly deviceFamily: string
    readonly osVersion: string
    readonly arch: string
    readonly homeDir: string
    /** Where commands run when they do not say. */
    readonly cwd: string
    /** The host's own environment. Commands see a selection of it (`environment.ts`). */
    readonly env: Readonly<Record<string, string | undefined>>
    /** CPU, load, memory and the disk that holds the home directory, now. */
    readonly stats: Effect.Effect<NodeHostStats>
    readonly uptimeSeconds: Effect.Effect<number>
  }
>()("openclaw/node-host/HostInfo") {
  /** This machine. `env` and `cwd` are the process's own, which only an entry point may read. */
  static readonly layer = (options: {
    readonly env: Readonly<Record<string, string | undefined>>
    readonly cwd: string
  }): Layer.Layer<HostInfo> => Layer.sync(HostInfo, () => HostInfo.of(make(options)))
}

const platformNow = (): HostPlatform => {
  switch (Os.platform()) {
    case "linux":
      return "linux"
    case "darwin":
      return "macos"
    case "win32":
      return "windows"
    default:
      return "unknown"
  }
}

const natural = (value: number) => Math.max(0, Math.floor(value))

/** Left out when the file system does not tell. */
const disk = (path: string) =>
  Effect.tryPromise(() => Fs.statfs(path)).pipe(
    Effect.map(({ bavail, blocks, bsize }) => ({
      diskTotalBytes: natural(blocks * bsize),
      diskAvailableBytes: natural(Math.min(bavail, blocks) * bsize)
    })),
    Effect.orElseSucceed(() => undefined)
  )

const make = (options: {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}): HostInfo["Service"] => {
  const platform = platformNow()
  const homeDir = options.env["HOME"] ?? options.env["USERPROFILE"] ?? Os.homedir()
  return {
    hostname: Os.hostname(),
    platform,
    deviceFamily: families[platform],
    osVersion: Os.release(),
    arch: Os.arch(),
    homeDir,
    cwd: options.cwd,
    env: options.env,
    stats: Effect.map(disk(homeDir), (capacity) => {
      const [one = 0, five = 0, fifteen = 0] = Os.loadavg()
      const total = natural(Os.totalmem())
      return {
        cpuCount: Math.min(4096, Math.max(1, Os.availableParallelism())),
        // All zero is Windows' way of having none.
        ...(one + five + fifteen > 0 ? { loadAverage: [one, five, fifteen] as const } : undefined),
        memoryTotalBytes: total,
        memoryFreeBytes: Math.min(total, natural(Os.freemem())),
        ...capacity
      }
    }),
    uptimeSeconds: Effect.sync(() => natural(Os.uptime()))
  }
}
