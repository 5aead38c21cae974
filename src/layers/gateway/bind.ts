/**
 * Which address `gateway.bind` means on this machine.
 */
import { networkInterfaces } from "node:os"
import * as Effect from "effect/Effect"
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
