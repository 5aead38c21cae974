/**
 * Who somebody is by the word of a proxy or of Tailscale, and what that gives them.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { covers, type Role } from "../../protocol/Role.ts"
import type { ConnectAttempt } from "../../services/Authenticator.ts"
import {
  ProxyAttributionRequired,
  ProxyIdentityRefused,
  TailscaleIdentityRefused
} from "../../services/identityErrors.ts"
import type { Origin } from "../../services/Ingress.ts"
import type { Tailscale } from "../../services/Tailscale.ts"

/** Whose word counts, and for what. */
export interface IdentityOptions {
  /** `gateway.auth.allowTailscale` */
  readonly allowTailscale: boolean
  /** `gateway.auth.identityScopes` */
  readonly scopes: Readonly<Record<string, ReadonlyArray<string>>>
}

export const noIdentity: IdentityOptions = { allowTailscale: false, scopes: {} }

/** Somebody who is verified, and by what. */
export interface Identity {
  readonly user: string
  readonly method: "tailscale" | "trusted-proxy"
}

/** Logins and addresses of mail mean the same in any case; other names are compared as they are. */
const same = (one: string, other: string): boolean =>
  one === other || (one.includes("@") && one.toLowerCase() === other.toLowerCase())

/** Nobody goes on whose proxy does not say whom it speaks for, or who comes from the whole internet where nothing is asked. */
export const attributed = ({ ingress }: Origin, open: boolean): Effect.Effect<void, ProxyAttributionRequired> => {
  if (ingress._tag === "Unattributed") return Effect.fail(new ProxyAttributionRequired({ reason: ingress.reason }))
  const everybody = ingress._tag === "Funnel" || (ingress._tag === "Proxy" && ingress.funnel)
  return open && everybody ? Effect.fail(new ProxyAttributionRequired({ reason: "funnel" })) : Effect.void
}

/** Whom the trusted proxy let in. */
export const byProxy = ({ ingress, proxyUser }: Origin): Result.Result<Identity, ProxyIdentityRefused> => {
  if (proxyUser === undefined) return Result.fail(new ProxyIdentityRefused({ check: "untrusted-source" }))
  if (Result.isFailure(proxyUser)) return Result.fail(new ProxyIdentityRefused(proxyUser.failure))
  // A proxy that forwards nothing looks like any program on its machine.
  return ingress._tag === "Proxy"
    ? Result.succeed({ user: proxyUser.success, method: "trusted-proxy" })
    : Result.fail(new ProxyIdentityRefused({ check: "untrusted-source" }))
}

/** Whom Tailscale Serve let in: the login that it names must be the address's own by the daemon's word. */
export const byTailscale = Effect.fnUntraced(function* (
  tailscale: Tailscale["Service"],
  { address, ingress, role }: Pick<ConnectAttempt, "address" | "ingress" | "role">
): Effect.fn.Return<Identity, TailscaleIdentityRefused> {
  const refuse = (check: TailscaleIdentityRefused["check"]) => new TailscaleIdentityRefused({ check })
  if (ingress._tag !== "Serve") return yield* refuse("login-missing")
  if (Result.isFailure(ingress.login)) return yield* refuse(ingress.login.failure)
  if (role === "node") return yield* refuse("node-role")
  const { login } = yield* Effect.mapError(
    Effect.tapError(tailscale.whois(address), (error) =>
      Effect.annotateLogs(Effect.logWarning(`whose address it is: ${error.message}`), { address })
    ),
    () => refuse("whois-failed")
  )
  if (login === undefined || login.toLowerCase() !== ingress.login.success.toLowerCase()) {
    return yield* refuse("whois-mismatch")
  }
  return { user: login, method: "tailscale" }
})

/** Scopes of `granted` as far as `cap` has them; a stronger one on either side gives what the weaker one is. */
export const capped = (
  granted: ReadonlyArray<string>,
  cap: ReadonlyArray<string> | undefined
): ReadonlyArray<string> => {
  if (cap === undefined) return granted
  const both = [...granted.filter((scope) => covers(cap, scope)), ...cap.filter((scope) => covers(granted, scope))]
  return Array.from(new Set(both))
}

/** What an operator may do besides what their device may, for as long as they are connected. */
export const scopesOf = ({ scopes }: IdentityOptions, { user }: Identity, role: Role): ReadonlyArray<string> =>
  role === "operator" ? Object.keys(scopes).flatMap((name) => (same(name, user) ? (scopes[name] ?? []) : [])) : []
