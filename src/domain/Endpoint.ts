/**
 * Where a Gateway listens: a `ws:` or `wss:` URL without credentials in it.
 *
 * `wss:` may name any host. Plain `ws:` is for hosts that a stranger cannot stand in front of: loopback, private,
 * link-local and carrier-grade NAT addresses (which Tailscale uses), `.local` and `.ts.net` names. This is the list that
 * OpenClaw's own client accepts.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Ip from "./IpAddress.ts"

/** The text is no Gateway address. The input itself is not repeated: it may hold a secret. */
export class InvalidEndpoint extends Schema.TaggedError<InvalidEndpoint>()("InvalidEndpoint", {
  /** Where the address came from: a flag, a variable or a configuration key. */
  source: Schema.String,
  problem: Schema.String,
  /** What to do when it is not an address that is to be given. */
  fix: Schema.optional(Schema.String)
}) {
  override get message() {
    const fix = this.fix ?? "give a WebSocket address such as ws://127.0.0.1:18789 or wss://gateway.example.com"
    return `The Gateway address from ${this.source} ${this.problem}.\nFix: ${fix}.`
  }
}

/** Plain `ws://` to a host that others can reach: the token and everything said would travel unencrypted. */
export class InsecureEndpoint extends Schema.TaggedError<InsecureEndpoint>()("InsecureEndpoint", {
  url: Schema.String
}) {
  override get message() {
    return `${this.url} would send credentials unencrypted to a public address; nothing was sent.\nFix: use wss://, or reach the Gateway through an SSH tunnel or Tailscale.`
  }
}

const bare = (url: URL): string => url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "")

const isLoopbackHost = (host: string): boolean => {
  const address = Ip.parse(host)
  return address === undefined ? host === "localhost" || host.endsWith(".localhost") : Ip.isLoopback(address)
}

const mayBePlain = (host: string): boolean => {
  const address = Ip.parse(host)
  if (address !== undefined) return Ip.isPrivate(address)
  return isLoopbackHost(host) || host.endsWith(".local") || host.endsWith(".ts.net")
}

const isEndpoint = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return (
    (url.protocol === "wss:" || (url.protocol === "ws:" && mayBePlain(bare(url)))) &&
    url.username === "" &&
    url.password === "" &&
    url.search === "" &&
    url.hash === ""
  )
}

/** A Gateway's address, safe to print and to dial. Made by `parse`. */
export const Endpoint = Schema.String.pipe(
  Schema.check(Schema.makeFilter(isEndpoint, { expected: "a ws:// or wss:// address without credentials" })),
  Schema.brand("Endpoint")
)
export type Endpoint = typeof Endpoint.Type

/** Reads an address that came from `source` (`--url`, `OPENCLAW_GATEWAY_URL`, `gateway.remote.url`). */
export const parse = (input: string, source: string): Result.Result<Endpoint, InvalidEndpoint | InsecureEndpoint> => {
  const text = input.trim()
  const invalid = (problem: string) => Result.fail(new InvalidEndpoint({ source, problem }))
  if (!URL.canParse(text)) return invalid("is not a URL")
  const url = new URL(text)
  if (url.protocol !== "ws:" && url.protocol !== "wss:") return invalid("is not a ws:// or wss:// URL")
  if (url.username !== "" || url.password !== "") {
    return invalid("has a user name or password in it; credentials belong in --token or --password")
  }
  if (url.search !== "" || url.hash !== "") return invalid("has a query or a fragment, which a Gateway does not use")
  const normal = url.pathname === "/" ? url.href.slice(0, -1) : url.href
  if (url.protocol === "ws:" && !mayBePlain(bare(url))) return Result.fail(new InsecureEndpoint({ url: normal }))
  return Result.succeed(Endpoint.make(normal))
}

/** The port that a Gateway listens on unless told otherwise. */
export const DEFAULT_PORT = 18_789

/** The Gateway of this machine at a port. */
export const loopback = (port: number, scheme: "ws" | "wss" = "ws"): Endpoint =>
  Endpoint.make(`${scheme}://127.0.0.1:${port}`)

/** The address names this machine, so nothing sent there can be overheard on the way. */
export const isLoopback = (endpoint: Endpoint): boolean => isLoopbackHost(bare(new URL(endpoint)))

/** The connection is encrypted and the Gateway's certificate is checked. */
export const isEncrypted = (endpoint: Endpoint): boolean => endpoint.startsWith("wss:")

/** The port that is dialled, also where the address leaves it out. */
export const portOf = (endpoint: Endpoint): number => {
  const { port, protocol } = new URL(endpoint)
  if (port !== "") return Number(port)
  return protocol === "wss:" ? 443 : 80
}

/** The same at another port of its host. */
export const atPort = (endpoint: Endpoint, port: number): Endpoint => {
  const url = new URL(endpoint)
  url.port = String(port)
  return Endpoint.make(url.pathname === "/" ? url.href.slice(0, -1) : url.href)
}

/** An address as the URL parser writes it; without the zone of a link-local one, which says only by which interface. */
const normal = (address: string): string | undefined => {
  const url = `ws://${address.includes(":") ? `[${address.replace(/%.*$/s, "")}]` : address}`
  return URL.canParse(url) ? bare(new URL(url)) : undefined
}

/**
 * Whether the host of a `ws:` endpoint may turn out to be at this IP address: `localhost` on this machine only, any other name
 * where plain `ws:` may go.
 */
export const mayLeadTo = (endpoint: Endpoint, address: string): boolean => {
  const host = normal(address)
  if (host === undefined || Ip.parse(host) === undefined) return false
  return isLoopback(endpoint) ? isLoopbackHost(host) : mayBePlain(host)
}
