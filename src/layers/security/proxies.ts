/**
 * Whom the Gateway believes about others: proxies that name users and addresses.
 */
import { isLoopback, parseRange } from "../../domain/IpAddress.ts"
import { type Facts, type Finding, finding, isExposed, when } from "./Finding.ts"

/** A range with fewer fixed bits has strangers in it. */
const WIDE = { 4: 8, 6: 16 } as const

const believed = ({ config }: Facts): ReadonlyArray<Finding> => {
  const gateway = config.gateway ?? {}
  const proxies = gateway.trustedProxies ?? []
  const ranges = proxies.flatMap((text) => {
    const range = parseRange(text)
    return range === undefined ? [] : [{ text, range }]
  })
  const local = ranges.filter(({ range }) => isLoopback(range.base))
  const wide = ranges.filter(({ range }) => range.prefix < WIDE[range.base.family])
  const list = (found: typeof ranges) => found.map(({ text }) => text).join(", ")
  return [
    ...when(
      wide.length > 0,
      finding(
        "gateway.trusted_proxies_wide",
        "critical",
        "Strangers are believed about who they are",
        `gateway.trustedProxies has ${list(wide)}: everybody there may name any address as their own.`,
        "list the addresses of your proxies"
      )
    ),
    ...when(
      local.length > 0,
      finding(
        "gateway.trusted_proxies_loopback",
        "warn",
        "Every program on this machine is believed about who it speaks for",
        `gateway.trustedProxies has ${list(local)}.`,
        "keep it only while a reverse proxy runs on this machine, and let nobody else run programs here"
      )
    ),
    ...when(
      gateway.allowRealIpFallback === true,
      finding(
        "gateway.real_ip_fallback_enabled",
        isExposed(gateway) ? "critical" : "warn",
        "A header that clients can send may name their address",
        "gateway.allowRealIpFallback is true: a trusted proxy that passes X-Real-IP on lets its clients choose their address.",
        "set gateway.allowRealIpFallback to false and let the proxy send X-Forwarded-For"
      )
    )
  ]
}

const identities = ({ auth, config }: Facts): ReadonlyArray<Finding> => {
  if (auth.mode !== "trusted-proxy") return []
  const gateway = config.gateway ?? {}
  const proxy = gateway.auth?.trustedProxy
  return [
    finding(
      "gateway.trusted_proxy_auth",
      "critical",
      "A proxy decides who comes in",
      'gateway.auth.mode is "trusted-proxy": whoever reaches the Gateway past that proxy, or makes it pass a header on, is who they say.',
      "let a firewall close every other way to the Gateway, and have the proxy remove the user header from what it is sent"
    ),
    ...when(
      (gateway.trustedProxies ?? []).length === 0,
      finding(
        "gateway.trusted_proxy_no_proxies",
        "critical",
        "No proxy is named",
        "gateway.trustedProxies is empty, so that nobody is let in.",
        "set gateway.trustedProxies to the addresses of your proxy"
      )
    ),
    ...when(
      (proxy?.userHeader ?? "") === "",
      finding(
        "gateway.trusted_proxy_no_user_header",
        "critical",
        "The proxy has no way to say who came",
        "gateway.auth.trustedProxy.userHeader is missing.",
        "set gateway.auth.trustedProxy.userHeader to the header that your proxy sets"
      )
    ),
    ...when(
      (proxy?.allowUsers ?? []).length === 0,
      finding(
        "gateway.trusted_proxy_no_allowlist",
        "warn",
        "Everybody whom the proxy lets in is an operator here",
        "gateway.auth.trustedProxy.allowUsers is empty.",
        "list the users in gateway.auth.trustedProxy.allowUsers"
      )
    ),
    ...when(
      proxy?.allowLoopback === true,
      finding(
        "gateway.trusted_proxy_allow_loopback",
        "warn",
        "Every program on this machine can name a user and is believed",
        "gateway.auth.trustedProxy.allowLoopback is true.",
        "run the proxy on a host or in a container of its own and set it to false"
      )
    )
  ]
}

/** Scopes beyond those of a device that a verified login has. */
const scopes = ({ config }: Facts): ReadonlyArray<Finding> => {
  const given = Object.entries(config.gateway?.auth?.identityScopes ?? {})
  const admins = given.filter(([, granted]) => granted.includes("operator.admin")).map(([login]) => login)
  return [
    ...when(
      admins.length > 0,
      finding(
        "gateway.auth_identity_scopes_admin",
        "info",
        "A login alone makes administrators",
        `gateway.auth.identityScopes gives operator.admin to ${admins.length === 1 ? "one login" : `${admins.length} logins`}.`,
        "give the scopes that they need, and let devices be approved for more"
      )
    )
  ]
}

export const proxies = (facts: Facts): ReadonlyArray<Finding> => [
  ...believed(facts),
  ...identities(facts),
  ...scopes(facts)
]
