/**
 * Where a Gateway listens and how it knows its friends, as flags, environment and file say together.
 */
import { dirname, resolve } from "node:path"
import * as Effect from "effect/Effect"
import { Config } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import type { Exposure } from "../../services/Tailscale.ts"
import { gatewayCredential, type GatewayFlags, resolvePort, settingError } from "../config/gatewayAuth.ts"
import { type Bind, needsLoopback, reachedBy, resolveHost } from "./bind.ts"
import type { ControlUiOptions } from "./options.ts"
import { vouchers } from "./vouchers.ts"

export interface GatewaySettings {
  /** Goes before the environment and the file. */
  readonly flags?: GatewayFlags & {
    readonly bind?: Bind | undefined
    /** `--tailscale` */
    readonly tailscale?: "off" | Exposure | undefined
  }
  /** `OPENCLAW_GATEWAY_*` is looked at, and what the file names as `${NAME}`. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The port where nothing says another; 18789 when left out. */
  readonly defaultPort?: number | undefined
}

/** The page of `gateway.controlUi`, unless it is switched off or has no files. */
const controlUiOf = (section: NonNullable<OpenClawConfig["gateway"]>["controlUi"], file: string) => {
  const root = section?.root?.trim() ?? ""
  if (section?.enabled === false || root === "") return undefined
  const parts = (section?.basePath ?? "").split("/").filter((part) => part !== "")
  const found: ControlUiOptions = {
    root: resolve(dirname(file), root),
    basePath: parts.map((part) => `/${part}`).join("")
  }
  return { controlUi: found }
}

/** Reads the configuration as it is now. A token that had to be made is not stored yet. */
export const settings = Effect.fnUntraced(function* (options: GatewaySettings) {
  const config = yield* Config
  const { gateway } = yield* config.get
  const sources = { flags: options.flags ?? {}, env: options.env ?? {}, defaultPort: options.defaultPort }
  const auth = yield* gatewayCredential(sources)
  const vouched = yield* vouchers(gateway, auth.mode, options.flags?.tailscale, config.file)
  const port = yield* Effect.mapError(
    Effect.fromResult(resolvePort({ ...sources, config: yield* config.get })),
    (problem) => settingError(config.file, problem)
  )
  const host = yield* resolveHost(options.flags?.bind ?? gateway?.bind ?? "loopback", gateway?.customBindHost)
  return {
    host,
    port,
    ...(needsLoopback(host) ? { alsoLoopback: true } : undefined),
    auth,
    ...vouched,
    configPath: config.file,
    ...reachedBy(gateway),
    ...controlUiOf(gateway?.controlUi, config.file)
  }
})
