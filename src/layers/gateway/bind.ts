/**
 * Which address `gateway.bind` means on this machine, and by which names the configuration says that it is reached.
 */
import { networkInterfaces } from "node:os"
import * as Effect from "effect/Effect"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { BindAddressMissing } from "../../services/Gateway.ts"

export type Bind = "auto" | "lan" | "loopback" | "custom" | "tailnet"

const LOOPBACK = "127.0.0.1"

/** Tailscale's addresses are in 100.64.0.0/10. */
const isTailnet = (address: string): boolean => {
  const [a, b] = address.split(".").map(Number)
  return a === 100 && b !== undefined && b >= 64 && b <= 127
}

const tailnetAddress = Effect.sync(
  () =>
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ address, family }) => family === "IPv4" && isTailnet(address))?.address
)

/** `loopback` unless told otherwise; `auto` is loopback too, because nothing should be reachable by accident. */
export const resolveHost = Effect.fnUntraced(function* (bind: Bind, custom: string | undefined) {
  switch (bind) {
    case "auto":
    case "loopback":
      return LOOPBACK
    case "lan":
      return "0.0.0.0"
    case "custom": {
      const host = custom?.trim() ?? ""
      return host === "" ? yield* new BindAddressMissing({ bind }) : host
    }
    case "tailnet":
      return (yield* tailnetAddress) ?? (yield* new BindAddressMissing({ bind }))
  }
})

/** Who may come by which name, as `gateway` in the configuration has it. */
export interface Reached {
  /** Web origins that may connect besides the Gateway's own. */
  readonly allowedOrigins: ReadonlyArray<string>
  /** Host names that lead here: those of the origins, and of `customBindHost`. */
  readonly allowedHosts: ReadonlyArray<string>
}

const nameIn = (origin: string): ReadonlyArray<string> => {
  const url = URL.canParse(origin) ? new URL(origin) : undefined
  return url === undefined || url.hostname === "" ? [] : [url.hostname.replace(/^\[|\]$/g, "")]
}

export const reachedBy = (gateway: OpenClawConfig["gateway"]): Reached => {
  const publicOrigin = gateway?.publicOrigin?.trim().replace(/\/+$/, "") ?? ""
  const allowedOrigins = [...(gateway?.controlUi?.allowedOrigins ?? []), ...(publicOrigin === "" ? [] : [publicOrigin])]
  const custom = gateway?.customBindHost?.trim().toLowerCase() ?? ""
  return { allowedOrigins, allowedHosts: [...allowedOrigins.flatMap(nameIn), ...(custom === "" ? [] : [custom])] }
}
