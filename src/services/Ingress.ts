/**
 * How a request came in: by itself, through a proxy that is believed, or through Tailscale. Read from the socket and from
 * headers, before anybody is asked for a credential.
 */
import type * as Result from "effect/Result"

/** Why a proxy's request does not say whom it comes from. Refused, whatever credential it shows. */
export type Unattributable = "missing" | "malformed" | "loopback" | "only-proxies" | "not-tailscale" | "funnel"

/** Why the user whom a proxy names is not believed. `missing-header` names the one of `requiredHeaders` besides. */
export type ProxyUserProblem =
  | { readonly check: "untrusted-source" | "loopback-source" | "own-address" | "user-missing" | "user-not-allowed" }
  | { readonly check: "missing-header"; readonly header: string }

/** Why the login that Tailscale's header names is not believed. */
export type TailscaleProblem =
  | "login-missing"
  | "login-repeated"
  | "login-malformed"
  | "node-role"
  | "whois-failed"
  | "whois-mismatch"

export type Ingress =
  /** The socket's peer speaks for itself. What it says of others is not looked at. */
  | { readonly _tag: "Direct" }
  /** One of `gateway.trustedProxies` speaks for somebody. `funnel`: everybody on the internet may be behind it. */
  | { readonly _tag: "Proxy"; readonly funnel: boolean }
  /** Tailscale Serve, at the listener that only it is told of. */
  | { readonly _tag: "Serve"; readonly login: Result.Result<string, TailscaleProblem> }
  /** Tailscale Funnel, at the same listener: anybody. */
  | { readonly _tag: "Funnel" }
  | { readonly _tag: "Unattributed"; readonly reason: Unattributable }

/** Whom a request comes from. */
export interface Origin {
  /** Of the client, as far as it is known: the socket's peer, or whom a trusted proxy names. */
  readonly address: string
  /** The peer is this machine and nothing says that it speaks for another. */
  readonly local: boolean
  readonly ingress: Ingress
  /** With `gateway.auth.mode: "trusted-proxy"`: the user whom the proxy let in. */
  readonly proxyUser?: Result.Result<string, ProxyUserProblem>
  /** `x-openclaw-scopes`: the scopes beyond which a proxy lets nobody go. */
  readonly scopeCap?: ReadonlyArray<string>
}
