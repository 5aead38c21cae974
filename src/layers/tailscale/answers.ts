/**
 * What the `tailscale` program prints, read. Its JSON is no promise of Tailscale's, so every field may be missing.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Ip from "../../domain/IpAddress.ts"
import { type Route, TailscaleUnavailable, type TailscaleStatus, type Whois } from "../../services/Tailscale.ts"

const text = Schema.optional(Schema.NullOr(Schema.String))
const texts = Schema.optional(Schema.NullOr(Schema.Array(Schema.String)))
const flag = Schema.optional(Schema.NullOr(Schema.Boolean))
const map = <S extends Schema.Top>(value: S) => Schema.optional(Schema.NullOr(Schema.Record(Schema.String, value)))

const Status = Schema.Struct({
  Version: text,
  BackendState: Schema.String,
  TailscaleIPs: texts,
  Health: texts,
  CertDomains: texts,
  CurrentTailnet: Schema.optional(Schema.NullOr(Schema.Struct({ MagicDNSEnabled: flag }))),
  Self: Schema.optional(
    Schema.NullOr(
      Schema.Struct({ DNSName: text, TailscaleIPs: texts, Capabilities: texts, CapMap: map(Schema.Unknown) })
    )
  )
})

const WhoisAnswer = Schema.Struct({
  Node: Schema.optional(Schema.NullOr(Schema.Struct({ Name: text, Tags: texts }))),
  UserProfile: Schema.optional(Schema.NullOr(Schema.Struct({ LoginName: text })))
})

const Web = map(Schema.Struct({ Handlers: map(Schema.Struct({ Proxy: text, Path: text, Text: text })) }))
const serveConfig = { Web, AllowFunnel: map(Schema.Boolean) }
const ServeStatus = Schema.Struct({ ...serveConfig, Foreground: map(Schema.Struct(serveConfig)) })

const reader = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
  return (what: string, printed: string) =>
    Effect.mapError(
      decode(printed),
      () =>
        new TailscaleUnavailable({ reason: "strange", detail: `the answer of \`tailscale ${what}\` cannot be read` })
    )
}
const readStatus = reader(Status)
const readWhois = reader(WhoisAnswer)
const readServe = reader(ServeStatus)

/** On one line, printable, bounded. */
export const oneLine = (said: string): string =>
  said
    .slice(0, 4000)
    .replace(/[\s\p{Cc}\p{Cf}]+/gu, " ")
    .trim()
    .slice(0, 300)

const given = (value: string | null | undefined): string | undefined => {
  const found = oneLine(value ?? "")
  return found === "" ? undefined : found
}

/** What no name of a host has would be a way into logs and policies. */
const hostName = (name: string | null | undefined): string | undefined => {
  const bare = (name ?? "").replace(/\.$/, "").toLowerCase()
  return /^(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+$/.test(bare) && bare.length <= 253 ? bare : undefined
}

const FUNNEL = /^(?:https:\/\/tailscale\.com\/cap\/)?funnel$/

export const status = (printed: string): Effect.Effect<TailscaleStatus, TailscaleUnavailable> =>
  Effect.map(readStatus("status --json", printed), (found) => {
    const addresses = (found.Self?.TailscaleIPs ?? found.TailscaleIPs ?? [])
      .map(Ip.parse)
      .filter((address) => address !== undefined)
    const capabilities = [...(found.Self?.Capabilities ?? []), ...Object.keys(found.Self?.CapMap ?? {})]
    return {
      version: given(found.Version),
      state: oneLine(found.BackendState),
      name: hostName(found.Self?.DNSName),
      addresses: addresses.toSorted((one, other) => one.family - other.family).map(Ip.format),
      magicDns: found.CurrentTailnet?.MagicDNSEnabled === true,
      https: (found.CertDomains ?? []).length > 0,
      funnel: capabilities.some((name) => FUNNEL.test(name)),
      health: (found.Health ?? []).slice(0, 10).map(oneLine)
    }
  })

export const whois = (printed: string): Effect.Effect<Whois, TailscaleUnavailable> =>
  Effect.map(readWhois("whois --json", printed), ({ Node, UserProfile }) => ({
    // What a tagged machine is said to be is the same for all of them.
    login: (Node?.Tags ?? []).length > 0 ? undefined : given(UserProfile?.LoginName),
    node: hostName(Node?.Name)
  }))

type ServeConfig = Pick<typeof ServeStatus.Type, "Web" | "AllowFunnel">

const routesIn = ({ AllowFunnel, Web: web }: ServeConfig, foreground: boolean): ReadonlyArray<Route> =>
  Object.entries(web ?? {}).flatMap(([host, server]) =>
    Object.entries(server.Handlers ?? {}).map(([path, handler]) => ({
      url: oneLine(`https://${host.replace(/:443$/, "")}${path}`),
      target: oneLine(handler.Proxy ?? handler.Path ?? "a text"),
      funnel: AllowFunnel?.[host] === true,
      foreground
    }))
  )

export const routes = (printed: string): Effect.Effect<ReadonlyArray<Route>, TailscaleUnavailable> =>
  Effect.map(readServe("serve status --json", printed.trim() === "" ? "{}" : printed), (found) => [
    ...routesIn(found, false),
    ...Object.values(found.Foreground ?? {}).flatMap((session) => routesIn(session, true))
  ])

/** Why `tailscale` did not do it, by what it wrote. */
export const refusal = (said: string): TailscaleUnavailable => {
  const detail = oneLine(said)
  const reasons: ReadonlyArray<readonly [RegExp, TailscaleUnavailable["reason"]]> = [
    [/failed to connect to local tailscale|connection refused|503 service unavailable/i, "not-running"],
    [/access denied|permission denied|operation not permitted|must be root|use 'sudo/i, "not-permitted"],
    [/listener already exists|already in use|port \d+ is already/i, "port-taken"],
    [/(?:serve|funnel) is not enabled on your tailnet|funnel (?:not available|is not enabled)/i, "serve-off"],
    [/https (?:is )?(?:disabled|not enabled)|does not support getting TLS certs|enable https/i, "https-off"],
    [/logged out|not logged in|needslogin/i, "logged-out"],
    [/peer not found|no match for ip/i, "unknown"]
  ]
  const reason = reasons.find(([pattern]) => pattern.test(said))?.[1] ?? "failed"
  return new TailscaleUnavailable({ reason, detail: detail === "" ? "it ended without a word" : detail })
}

/** A daemon that cannot open anything yet, and why. */
export const notReady = ({ https, state }: TailscaleStatus): TailscaleUnavailable | undefined => {
  const refuse = (reason: TailscaleUnavailable["reason"], detail: string) =>
    new TailscaleUnavailable({ reason, detail })
  switch (state) {
    case "Running":
      return https ? undefined : refuse("https-off", "the tailnet gives out no HTTPS certificates")
    case "NoState":
    case "Starting":
      return refuse("starting", `the daemon is still starting (${state})`)
    case "NeedsLogin":
    case "NeedsMachineAuth":
      return refuse("logged-out", `the daemon waits for a login (${state})`)
    default:
      return refuse("stopped", `the daemon is not connected (${state})`)
  }
}
