/**
 * Which address `gateway.bind` means on this machine, and by which names the configuration says that it is reached.
 */
import { lookup } from "node:dns/promises"
import { isIP } from "node:net"
import { networkInterfaces } from "node:os"
import * as Effect from "effect/Effect"
import * as Ip from "../../domain/IpAddress.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { BindAddressMissing } from "../../services/Gateway.ts"
import { isLoopbackBind } from "./Addresses.ts"

export type Bind = "auto" | "lan" | "loopback" | "custom" | "tailnet"

const LOOPBACK = "127.0.0.1"

const isTailnet = (text: string): boolean => {
  const address = Ip.parse(text)
  return address !== undefined && Ip.isTailnet(address)
}

/** An address of this machine, as its interfaces have them. */
interface Own {
  readonly address: string
  readonly family: string
}

/** The address by which a tailnet knows this machine, IPv4 first; `undefined` where there is none. */
export const tailnetAddress = (own: ReadonlyArray<Own>): string | undefined => {
  const found = own.filter(({ address }) => isTailnet(address))
  return (found.find(({ family }) => family === "IPv4") ?? found[0])?.address
}

/** The addresses of this machine's interfaces. */
export const interfaces = Effect.sync(() => Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []))

/** `gateway.customBindHost` without the brackets that an IPv6 address may have. */
const customHost = (custom: string | undefined): string => custom?.trim().replace(/^\[(.*)\]$/, "$1") ?? ""

/** Letters are in every name: 127.1 and 0x7f000001 are other spellings of an address, and nobody's name. */
const isName = (host: string): boolean =>
  host.length <= 253 &&
  /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/i.test(host) &&
  !/(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/i.test(host)

/** Milliseconds that a name server has. */
const NAME_WITHIN = 5_000

/**
 * The address that `gateway.customBindHost` means, in one spelling. A name is looked up once, so that what is judged and what is
 * listened on are the same.
 */
const customAddress = Effect.fnUntraced(function* (given: string) {
  const address = Ip.parse(given)
  if (address !== undefined) return Ip.format(address)
  // With a zone.
  if (isIP(given) !== 0) return given
  if (/^localhost\.?$/i.test(given)) return LOOPBACK
  const unknown = new BindAddressMissing({ bind: "custom", given })
  if (!isName(given)) return yield* unknown
  const found = yield* Effect.tryPromise({ try: () => lookup(given), catch: () => unknown }).pipe(
    Effect.timeoutOrElse({ duration: NAME_WITHIN, orElse: () => Effect.fail(unknown) })
  )
  return found.address
})

/** `loopback` unless told otherwise; `auto` is loopback too, because nothing should be reachable by accident. */
export const resolveHost = Effect.fnUntraced(function* (bind: Bind, custom: string | undefined) {
  switch (bind) {
    case "auto":
    case "loopback":
      return LOOPBACK
    case "lan":
      return "0.0.0.0"
    case "custom": {
      const host = customHost(custom)
      return host === "" ? yield* new BindAddressMissing({ bind }) : yield* customAddress(host)
    }
    case "tailnet":
      return tailnetAddress(yield* interfaces) ?? (yield* new BindAddressMissing({ bind }))
  }
})

/** Listening on one address of several leaves this machine's own programs out, so they get 127.0.0.1 besides. */
export const needsLoopback = (host: string): boolean => !isLoopbackBind(host) && host !== "0.0.0.0" && host !== "::"

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
  const custom = customHost(gateway?.customBindHost).toLowerCase()
  return { allowedOrigins, allowedHosts: [...allowedOrigins.flatMap(nameIn), ...(custom === "" ? [] : [custom])] }
}
