/**
 * The ways in: which names and origins may be used there, and whom a request comes from.
 */
import type { IncomingMessage } from "node:http"
import { hostname, networkInterfaces } from "node:os"
import * as Result from "effect/Result"
import type { Origin } from "../../services/Ingress.ts"
import type { Exposure } from "../../services/Tailscale.ts"
import { type HostPolicy, isLoopbackBind } from "./Addresses.ts"
import { type Asking, attribute, attributeTailscale, type ProxyPolicy } from "./ingress.ts"
import type { GatewayOptions } from "./options.ts"

export interface Door {
  readonly policy: () => HostPolicy
  readonly originOf: (request: IncomingMessage) => Origin
}

const noProxies: ProxyPolicy = { trusted: [], realIpFallback: false }

const asking = ({ headers, rawHeaders, socket }: IncomingMessage): Asking => ({
  remoteAddress: socket.remoteAddress,
  headers,
  rawHeaders
})

/** The addresses of this machine, if it tells them. */
const own = (): ReadonlyArray<string> | undefined =>
  Result.getOrUndefined(
    Result.try(() =>
      Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address))
    )
  )

const lower = (names: ReadonlyArray<string> | undefined) => (names ?? []).map((name) => name.toLowerCase())

/** The listener of `gateway.bind`, or the app's. `secure`: pages come over TLS there. */
export const ordinary = (options: GatewayOptions, secure = options.tls !== undefined): Door => {
  const machine = hostname().toLowerCase()
  const loopbackBind = isLoopbackBind(options.host)
  const configured = lower(options.allowedHosts)
  const policy: HostPolicy = {
    loopbackBind,
    secure,
    // Nothing on this machine calls a loopback listener by the machine's name, but a rebinding page might.
    names: loopbackBind ? configured : [machine, `${machine}.local`, ...configured],
    origins: options.allowedOrigins ?? []
  }
  return {
    policy: () => policy,
    originOf: (request) => attribute(asking(request), options.proxies ?? noProxies, own)
  }
}

/** The listener that only Tailscale is told of. `name`: by which the tailnet knows this machine, once it is claimed. */
export const tailscale = (options: GatewayOptions, mode: Exposure, name: () => string | undefined): Door => ({
  policy: () => {
    const claimed = name()
    return {
      loopbackBind: true,
      // Tailscale ends the TLS of browsers.
      secure: true,
      names: [...(claimed === undefined ? [] : [claimed]), ...lower(options.allowedHosts)],
      origins: (options.allowedOrigins ?? []).filter((origin) => origin !== "*")
    }
  },
  originOf: (request) => attributeTailscale(asking(request), mode)
})
