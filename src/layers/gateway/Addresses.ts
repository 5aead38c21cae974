/**
 * Addresses, hosts and origins: who is this machine, and which web pages may connect. Pure.
 */
import { isIP, isIPv4, isIPv6 } from "node:net"

const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** One spelling per peer: an IPv4 address inside IPv6 becomes the IPv4 address. */
export const normalizeAddress = (address: string): string => mapped.exec(address)?.[1] ?? address.toLowerCase()

export const isLoopbackAddress = (address: string): boolean => {
  const plain = normalizeAddress(address)
  return plain === "::1" || (isIPv4(plain) && plain.startsWith("127."))
}

/** Whether an address to listen on is reachable from this machine only. */
export const isLoopbackBind = (host: string): boolean => host === "localhost" || isLoopbackAddress(host)

/** The address without its last 64 bits, when it is IPv6: a household or an attacker has all of a /64. */
export const lockoutKey = (address: string): string => {
  const plain = normalizeAddress(address)
  if (!isIPv6(plain)) return plain
  const bare = plain.split("%", 1)[0] ?? plain
  const [head = "", tail] = bare.split("::")
  const front = head === "" ? [] : head.split(":")
  const back = tail === undefined || tail === "" ? [] : tail.split(":")
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length)
  const groups = [...front, ...Array.from({ length: zeros }, () => "0"), ...back]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`
}

/** Headers by which a proxy says that it speaks for somebody else. Such a peer is never taken for this machine. */
const forwarding =
  /^(?:forwarded|via|x-forwarded(?:-.+)?|x-original-.+|x-real-ip|x-(?:cluster-)?client-ip|(?:true|fastly)-client-ip|cf-.+|tailscale-.+|x-(?:envoy|azure|appengine)-.+)$/

/** `headers` by lower-case name. */
export const isForwarded = (headers: Readonly<Record<string, unknown>>): boolean =>
  Object.keys(headers).some((name) => forwarding.test(name))

/** Host and port of a `Host` header, or `undefined` when it is malformed. The name is as written, brackets removed. */
export const parseHost = (header: string): { readonly name: string; readonly literal: boolean } | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(header)
  if (match === null) return undefined
  const [, v6, name, port] = match
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return undefined
  if (v6 !== undefined) return isIPv6(v6) ? { name: v6.toLowerCase(), literal: true } : undefined
  if (name === undefined || name.endsWith(".") || name.startsWith(".") || name.includes("..")) return undefined
  if (isIP(name) !== 0) return { name, literal: true }
  // 2130706433, 0x7f000001, 127.1: other spellings of an address are nobody's name.
  const last = name.slice(name.lastIndexOf(".") + 1)
  if (/^(?:\d+|0[xX][0-9a-fA-F]*)$/.test(last)) return undefined
  return { name: name.toLowerCase(), literal: false }
}

export interface HostPolicy {
  readonly loopbackBind: boolean
  /** The Gateway's own pages come over TLS. */
  readonly secure: boolean
  /** This machine's names and those that the configuration adds, in lower case. */
  readonly names: ReadonlyArray<string>
  /** Exact origins, or `*`. */
  readonly origins: ReadonlyArray<string>
}

/** The verdict on an HTTP request's `Host` and `Origin`; `undefined` lets it pass. */
export interface Refusal {
  readonly status: 400 | 403
  readonly reason: string
}

const count = (rawHeaders: ReadonlyArray<string>, name: string): number =>
  rawHeaders.filter((header, index) => index % 2 === 0 && header.toLowerCase() === name).length

/**
 * Judges where a request says that it goes and comes from. A `Host` that names another machine is how DNS rebinding
 * looks; a name that only a native client uses (no `Origin`) is let through on a bind that others can reach, because the
 * Gateway cannot know every name it has.
 */
export const judge = (
  policy: HostPolicy,
  headers: { readonly host?: string | undefined; readonly origin?: string | undefined },
  rawHeaders: ReadonlyArray<string>
): Refusal | undefined => {
  if (headers.host === undefined || count(rawHeaders, "host") !== 1) return { status: 400, reason: "one Host header" }
  if (count(rawHeaders, "origin") > 1) return { status: 403, reason: "more than one Origin" }
  const host = parseHost(headers.host)
  if (host === undefined) return { status: 400, reason: "malformed Host" }
  const { origin } = headers
  const ours =
    host.name === "localhost" ||
    (host.literal && (policy.loopbackBind ? isLoopbackAddress(host.name) : true)) ||
    policy.names.includes(host.name)
  if (!ours && (policy.loopbackBind || origin !== undefined)) return { status: 403, reason: "Host is not this Gateway" }
  if (origin === undefined) return undefined
  const allowed =
    origin === `${policy.secure ? "https" : "http"}://${headers.host}` ||
    policy.origins.includes(origin) ||
    (policy.loopbackBind && policy.origins.includes("*"))
  return allowed ? undefined : { status: 403, reason: "Origin is not allowed" }
}
