/**
 * Whom a request comes from, by its socket and its headers. Pure: what a proxy says counts only where the configuration
 * trusts that proxy, and what Tailscale says only at the listener that nobody else is told of.
 */
import * as Result from "effect/Result"
import * as Ip from "../../domain/IpAddress.ts"
import type { Ingress, Origin, ProxyUserProblem, TailscaleProblem, Unattributable } from "../../services/Ingress.ts"
import { isForwarded, isLoopbackAddress, normalizeAddress } from "./Addresses.ts"

/** `gateway.auth.trustedProxy`; header names in lower case. */
export interface ProxyUsers {
  readonly userHeader: string
  readonly requiredHeaders: ReadonlyArray<string>
  /** Empty: everybody whom the proxy lets in. */
  readonly allowUsers: ReadonlyArray<string>
  readonly allowLoopback: boolean
}

export interface ProxyPolicy {
  readonly trusted: ReadonlyArray<Ip.IpRange>
  readonly realIpFallback: boolean
  /** Only with `gateway.auth.mode: "trusted-proxy"`. */
  readonly users?: ProxyUsers
}

/** A request as it is looked at here. */
export interface Asking {
  readonly remoteAddress: string | undefined
  /** By lower-case name, as Node gives them. */
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly rawHeaders: ReadonlyArray<string>
}

/** Every line of a header. */
const linesOf = ({ rawHeaders }: Asking, name: string): ReadonlyArray<string> =>
  rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name)

/** Of a header that must stand there once; `undefined` where it does not, or is blank. */
const single = (asking: Asking, name: string): string | undefined => {
  const lines = linesOf(asking, name)
  return lines.length === 1 ? lines[0]?.trim() || undefined : undefined
}

/** Printable ASCII without a space at its ends: what a name may be that is compared. */
const clean = /^[!-~](?:[ -~]{0,253}[!-~])?$/

/** One hop: an address, which may have a port or brackets. Nobody comes from `0.0.0.0`. */
export const hop = (text: string): Ip.IpAddress | undefined => {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::\d{1,5})?$/.exec(text)
  const address = Ip.parse(match?.[1] ?? match?.[2] ?? text)
  // Brackets are for IPv6.
  if (address === undefined || Ip.isUnspecified(address) || (match?.[1] !== undefined && !match[1].includes(":"))) {
    return undefined
  }
  return address
}

/**
 * The client in `X-Forwarded-For`: from the right, past the proxies that are trusted, the first that is not. What stands left
 * of it was sent by the client and is not looked at.
 */
export const walk = (
  chain: string,
  trusts: (address: Ip.IpAddress) => boolean
): Result.Result<Ip.IpAddress, Unattributable> => {
  if (chain.trim() === "") return Result.fail("missing")
  const hops = chain.split(",")
  for (let at = hops.length - 1; at >= 0; at--) {
    const address = hop(hops[at]?.trim() ?? "")
    if (address === undefined) return Result.fail("malformed")
    if (trusts(address)) continue
    // A proxy's own machine is nobody's client, and least of all this one.
    return Ip.isLoopback(address) ? Result.fail("loopback") : Result.succeed(address)
  }
  return Result.fail("only-proxies")
}

/** Unreadable socket addresses, as of a socket that is closed already, are nobody's. */
const peerOf = ({ remoteAddress }: Asking) => {
  const address = normalizeAddress(remoteAddress ?? "unknown")
  return { address, ip: Ip.parse(address) }
}

const clientOf = (asking: Asking, policy: ProxyPolicy, trusts: (address: Ip.IpAddress) => boolean) => {
  const chain = linesOf(asking, "x-forwarded-for")
  if (chain.length > 0) return walk(chain.join(","), trusts)
  const lines = policy.realIpFallback ? linesOf(asking, "x-real-ip") : []
  if (lines.length === 0) return Result.fail<Unattributable>("missing")
  const address = lines.length === 1 ? hop(lines[0]?.trim() ?? "") : undefined
  if (address === undefined) return Result.fail<Unattributable>("malformed")
  return Ip.isLoopback(address) ? Result.fail<Unattributable>("loopback") : Result.succeed(address)
}

/** The user whom the proxy at this socket names. `own`: the addresses of this machine's interfaces, if they can be read. */
const proxyUser = (
  asking: Asking,
  { trusted, users }: ProxyPolicy & { readonly users: ProxyUsers },
  own: () => ReadonlyArray<string> | undefined
): Result.Result<string, ProxyUserProblem> => {
  const { address, ip } = peerOf(asking)
  const fail = (check: Exclude<ProxyUserProblem["check"], "missing-header">) => Result.fail<ProxyUserProblem>({ check })
  if (isLoopbackAddress(address)) {
    if (!users.allowLoopback) return fail("loopback-source")
  } else if (own()?.every((mine) => normalizeAddress(mine) !== address) !== true) {
    // A program of this machine that dials an address of its own is no proxy.
    return fail("own-address")
  }
  if (ip === undefined || !trusted.some((range) => Ip.contains(range, ip))) return fail("untrusted-source")
  const missing = users.requiredHeaders.find((name) => single(asking, name) === undefined)
  if (missing !== undefined) return Result.fail({ check: "missing-header", header: missing })
  const user = single(asking, users.userHeader)
  if (user === undefined || !clean.test(user)) return fail("user-missing")
  return users.allowUsers.length === 0 || users.allowUsers.includes(user)
    ? Result.succeed(user)
    : fail("user-not-allowed")
}

const capOf = (asking: Asking): ReadonlyArray<string> | undefined => {
  const lines = linesOf(asking, "x-openclaw-scopes")
  if (lines.length === 0) return undefined
  return lines
    .join(",")
    .split(",")
    .map((scope) => scope.trim())
    .filter((scope) => scope !== "")
}

/** A request at the listener that everybody knows. */
export const attribute = (
  asking: Asking,
  policy: ProxyPolicy,
  own: () => ReadonlyArray<string> | undefined
): Origin => {
  const { address, ip } = peerOf(asking)
  const { users } = policy
  // Who names a user speaks for somebody, whatever else it says.
  const forwarded = isForwarded(asking.headers) || (users !== undefined && linesOf(asking, users.userHeader).length > 0)
  const trusts = (candidate: Ip.IpAddress) => policy.trusted.some((range) => Ip.contains(range, candidate))
  const named = users === undefined ? undefined : proxyUser(asking, { ...policy, users }, own)
  const user = named === undefined ? undefined : { proxyUser: named }
  if (ip === undefined || !trusts(ip) || (Ip.isLoopback(ip) && !forwarded)) {
    return { address, local: isLoopbackAddress(address) && !forwarded, ingress: { _tag: "Direct" }, ...user }
  }
  const client = clientOf(asking, policy, trusts)
  if (Result.isFailure(client)) {
    return { address, local: false, ingress: { _tag: "Unattributed", reason: client.failure }, ...user }
  }
  const cap = capOf(asking)
  const ingress: Ingress = { _tag: "Proxy", funnel: asking.headers["tailscale-funnel-request"] !== undefined }
  return {
    address: Ip.format(client.success),
    local: false,
    ingress,
    ...user,
    ...(cap === undefined ? undefined : { scopeCap: cap })
  }
}

const loginOf = (asking: Asking): Result.Result<string, TailscaleProblem> => {
  const lines = linesOf(asking, "tailscale-user-login")
  if (lines.length === 0) return Result.fail("login-missing")
  if (lines.length > 1) return Result.fail("login-repeated")
  const login = lines[0] ?? ""
  return clean.test(login) ? Result.succeed(login) : Result.fail("login-malformed")
}

/** A request at the listener that only Tailscale is told of, on 127.0.0.1. It is never this machine's own. */
export const attributeTailscale = (asking: Asking, mode: "serve" | "funnel"): Origin => {
  const { address } = peerOf(asking)
  const refuse = (reason: Unattributable): Origin => ({
    address,
    local: false,
    ingress: { _tag: "Unattributed", reason }
  })
  const said = ["x-forwarded-proto", "x-forwarded-host"].every((name) => single(asking, name) !== undefined)
  const client = hop(single(asking, "x-forwarded-for") ?? "")
  // Tailscale names the one whom it talks to, and nobody before them.
  if (!isLoopbackAddress(address) || !said || client === undefined) return refuse("not-tailscale")
  if (Ip.isLoopback(client)) return refuse("loopback")
  const marks = linesOf(asking, "tailscale-funnel-request")
  if (marks.length > 0 && (mode === "serve" || marks.length > 1 || marks[0] !== "?1")) return refuse("funnel")
  return {
    address: Ip.format(client),
    local: false,
    ingress: mode === "funnel" ? { _tag: "Funnel" } : { _tag: "Serve", login: loginOf(asking) }
  }
}
