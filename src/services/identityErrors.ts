/**
 * Why nobody is let in on the word of a proxy or of Tailscale. Each says which check failed.
 */
import * as Schema from "effect/Schema"

const unattributable = {
  missing: "the trusted proxy sent no X-Forwarded-For",
  malformed: "a forwarding header is malformed",
  loopback: "a forwarding header names a loopback address as the client",
  "only-proxies": "X-Forwarded-For names trusted proxies only",
  "not-tailscale": "the request did not come through Tailscale",
  funnel: "the request came through Tailscale Funnel"
} as const

/** A proxy speaks for somebody and does not say for whom. Nothing that it shows is looked at. */
export class ProxyAttributionRequired extends Schema.TaggedError<ProxyAttributionRequired>()(
  "ProxyAttributionRequired",
  { reason: Schema.Literals(["missing", "malformed", "loopback", "only-proxies", "not-tailscale", "funnel"]) }
) {
  override get message() {
    return `unauthorized: ${unattributable[this.reason]} (have the proxy overwrite X-Forwarded-For with the client's address, and list in gateway.trustedProxies what lies between)`
  }
}

const proxyUser = {
  "untrusted-source": "the request did not come through one of gateway.trustedProxies",
  "loopback-source":
    "a proxy on this machine is not believed (set gateway.auth.trustedProxy.allowLoopback, and list its address in gateway.trustedProxies); programs of this machine show the password of gateway.auth.password",
  "own-address": "the request came from this machine itself by one of its own addresses, not from a proxy",
  "user-missing": "the header of gateway.auth.trustedProxy.userHeader is missing, repeated or malformed",
  "user-not-allowed": "gateway.auth.trustedProxy.allowUsers does not name the user",
  "missing-header": "a header of gateway.auth.trustedProxy.requiredHeaders is missing or repeated"
} as const

/** The Gateway lets in whom its proxy let in, and this request does not show that. */
export class ProxyIdentityRefused extends Schema.TaggedError<ProxyIdentityRefused>()("ProxyIdentityRefused", {
  check: Schema.Literals([
    "untrusted-source",
    "loopback-source",
    "own-address",
    "user-missing",
    "user-not-allowed",
    "missing-header"
  ]),
  /** For `missing-header`: which one. */
  header: Schema.optional(Schema.String)
}) {
  override get message() {
    const which = this.header === undefined ? "" : `: ${this.header}`
    return `unauthorized: ${proxyUser[this.check]}${which}`
  }
}

const tailscale = {
  "login-missing": "Tailscale named no login, as it does for tagged devices",
  "login-repeated": "the Tailscale login came more than once",
  "login-malformed": "the Tailscale login is malformed",
  "node-role": "a node is not let in for a Tailscale login",
  "whois-failed": "Tailscale could not say whose address it is",
  "whois-mismatch": "the address is not that login's by `tailscale whois`"
} as const

/** Nothing was shown besides a Tailscale login, and that is not believed. */
export class TailscaleIdentityRefused extends Schema.TaggedError<TailscaleIdentityRefused>()(
  "TailscaleIdentityRefused",
  {
    check: Schema.Literals([
      "login-missing",
      "login-repeated",
      "login-malformed",
      "node-role",
      "whois-failed",
      "whois-mismatch"
    ])
  }
) {
  override get message() {
    return `unauthorized: ${tailscale[this.check]} (use the Gateway's token or password, or see \`openclaw doctor tailscale\`)`
  }
}
