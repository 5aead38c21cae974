/**
 * Whose word of who somebody is counts, as the configuration says: proxies, and Tailscale.
 */
import * as Effect from "effect/Effect"
import { parseRange } from "../../domain/IpAddress.ts"
import { ConfigInvalid } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import type { Exposure } from "../../services/Tailscale.ts"
import type { IdentityOptions } from "./identity.ts"
import type { ProxyPolicy, ProxyUsers } from "./ingress.ts"
import type { GatewayAuth } from "./options.ts"

type Section = OpenClawConfig["gateway"]

interface Vouchers {
  readonly proxies: ProxyPolicy
  readonly identity: IdentityOptions
  readonly tailscale?: Exposure
}

const usersOf = Effect.fnUntraced(function* (section: Section, file: string) {
  const missing = (path: string, expected: string) =>
    new ConfigInvalid({ file, problems: [{ path, value: "nothing", expected }] })
  const { allowLoopback, allowUsers, requiredHeaders, userHeader } = section?.auth?.trustedProxy ?? {}
  if ((section?.trustedProxies ?? []).length === 0) {
    return yield* missing(
      "gateway.trustedProxies",
      'the proxy\'s address, because gateway.auth.mode is "trusted-proxy"'
    )
  }
  if (userHeader === undefined) {
    return yield* missing(
      "gateway.auth.trustedProxy.userHeader",
      "the header in which the proxy names the user, such as x-forwarded-user"
    )
  }
  return {
    userHeader: userHeader.toLowerCase(),
    requiredHeaders: (requiredHeaders ?? []).map((name) => name.toLowerCase()),
    allowUsers: allowUsers ?? [],
    allowLoopback: allowLoopback === true
  } satisfies ProxyUsers as ProxyUsers
})

/** `flag`: `--tailscale`, which goes before the file. */
export const vouchers = Effect.fnUntraced(function* (
  section: Section,
  mode: GatewayAuth["mode"],
  flag: "off" | Exposure | undefined,
  file: string
) {
  const exposure = flag ?? section?.tailscale?.mode ?? "off"
  const users = mode === "trusted-proxy" ? yield* usersOf(section, file) : undefined
  const proxies: ProxyPolicy = {
    trusted: (section?.trustedProxies ?? []).map(parseRange).filter((range) => range !== undefined),
    realIpFallback: section?.allowRealIpFallback === true,
    ...(users === undefined ? undefined : { users })
  }
  const identity: IdentityOptions = {
    // Where there is a password, it is asked for, unless somebody wrote otherwise.
    allowTailscale:
      exposure === "serve" &&
      (section?.auth?.allowTailscale ?? (mode !== "password" && mode !== "trusted-proxy")) &&
      mode !== "trusted-proxy",
    scopes: section?.auth?.identityScopes ?? {}
  }
  return {
    proxies,
    identity,
    ...(exposure === "off" ? undefined : { tailscale: exposure })
  } satisfies Vouchers as Vouchers
})
