/**
 * What of Tailscale is ready for this Gateway and what is not, as the configuration wants it. Pure.
 */
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import type { Route, TailscaleStatus, TailscaleUnavailable, Whois } from "../../services/Tailscale.ts"

/** Either what was answered, or why nothing was. */
export type Answer<A> = { readonly found: A } | { readonly error: TailscaleUnavailable }

export interface Facts {
  readonly config: OpenClawConfig
  /** How the Gateway knows its friends. */
  readonly auth: "none" | "token" | "password" | "trusted-proxy"
  readonly port: number
  readonly status: Answer<TailscaleStatus>
  readonly routes: Answer<ReadonlyArray<Route>> | undefined
  /** Of this machine's own address. */
  readonly whois: Answer<Whois> | undefined
  /** What `gateway.bind: "tailnet"` would listen on. */
  readonly bindAddress: string | undefined
}

/** `error`: the configuration wants it and it is not so. `info`: it is not so, and nothing here wants it. */
export interface Check {
  readonly id:
    | "program"
    | "daemon"
    | "name"
    | "https"
    | "funnel"
    | "address"
    | "bind"
    | "whois"
    | "routes"
    | "health"
    | "config"
  readonly status: "ok" | "info" | "warn" | "error"
  readonly detail: string
  readonly fix?: string
}

/** What the configuration wants of Tailscale. */
const wants = ({ gateway }: OpenClawConfig) => {
  const mode = gateway?.tailscale?.mode ?? "off"
  return { mode, opened: mode !== "off", funnel: mode === "funnel", bind: gateway?.bind === "tailnet" }
}

const daemon = (status: Answer<TailscaleStatus>, needed: boolean): ReadonlyArray<Check> => {
  const bad = needed ? "error" : "info"
  if ("error" in status) {
    const { detail, fix, reason } = status.error
    return [{ id: reason === "not-installed" ? "program" : "daemon", status: bad, detail, fix }]
  }
  const { state, version } = status.found
  const program: Check = { id: "program", status: "ok", detail: `version ${version ?? "unknown"}` }
  if (state === "Running") return [program, { id: "daemon", status: "ok", detail: "connected to the tailnet" }]
  const waits = state === "Starting" || state === "NoState"
  const fix = waits ? "wait a moment, and ask again" : "connect it with `tailscale up`"
  return [program, { id: "daemon", status: bad, detail: `not connected (${state})`, fix }]
}

const names = (
  { addresses, funnel, health, https, magicDns, name }: TailscaleStatus,
  wanted: ReturnType<typeof wants>
): ReadonlyArray<Check> => {
  const bad = wanted.opened ? "error" : "info"
  const admin = "https://login.tailscale.com/admin/dns"
  return [
    name !== undefined && magicDns
      ? { id: "name", status: "ok", detail: name }
      : { id: "name", status: bad, detail: "MagicDNS is off", fix: `enable MagicDNS at ${admin}` },
    https
      ? { id: "https", status: "ok", detail: "the tailnet gives out certificates" }
      : {
          id: "https",
          status: bad,
          detail: "the tailnet gives out no certificates, so Serve and Funnel cannot open anything",
          fix: `enable HTTPS certificates at ${admin}`
        },
    ...(wanted.funnel || funnel
      ? [
          funnel
            ? ({ id: "funnel", status: "ok", detail: "the tailnet lets this machine use Funnel" } as const)
            : ({
                id: "funnel",
                status: "error",
                detail: "the tailnet does not let this machine use Funnel",
                fix: "give it the node attribute `funnel` in the tailnet's policy"
              } as const)
        ]
      : []),
    addresses.length > 0
      ? { id: "address", status: "ok", detail: addresses.join(", ") }
      : { id: "address", status: bad, detail: "this machine has no address in the tailnet", fix: "run `tailscale up`" },
    ...health.map((text): Check => ({ id: "health", status: "warn", detail: text, fix: "see `tailscale status`" }))
  ]
}

const bind = (address: string | undefined, wanted: boolean, known: ReadonlyArray<string>): Check => {
  if (address === undefined) {
    return {
      id: "bind",
      status: wanted ? "error" : "info",
      detail: 'gateway.bind "tailnet" has no address: no network interface has one of the tailnet',
      fix: "start Tailscale with its network interface (not with userspace networking), or let it open the Gateway with gateway.tailscale.mode"
    }
  }
  return known.length > 0 && !known.includes(address)
    ? {
        id: "bind",
        status: "warn",
        detail: `gateway.bind "tailnet" would listen on ${address}, which is not the address that Tailscale names`,
        fix: "set gateway.bind to custom, and gateway.customBindHost to the address that is meant"
      }
    : { id: "bind", status: "ok", detail: `gateway.bind "tailnet" would listen on ${address}` }
}

const whois = (answer: Answer<Whois>, wanted: boolean): Check =>
  "found" in answer
    ? {
        id: "whois",
        status: "ok",
        detail: `this machine's address is ${answer.found.login === undefined ? "a tagged machine's" : `${answer.found.login}'s`}`
      }
    : { id: "whois", status: wanted ? "error" : "info", detail: answer.error.detail, fix: answer.error.fix }

const onMain = (target: string, port: number): boolean =>
  [`http://127.0.0.1:${port}`, `http://localhost:${port}`].includes(target.replace(/\/$/, ""))

const routes = (answer: Answer<ReadonlyArray<Route>>, opened: boolean, port: number): ReadonlyArray<Check> => {
  if ("error" in answer) {
    return [{ id: "routes", status: opened ? "error" : "info", detail: answer.error.detail, fix: answer.error.fix }]
  }
  const shown = ({ foreground, funnel, target, url }: Route) =>
    `${url} leads to ${target}${funnel ? ", for the whole internet" : ""}${foreground ? ", while its program runs" : ""}`
  if (answer.found.length === 0) return [{ id: "routes", status: "ok", detail: "nothing is opened just now" }]
  return answer.found.map((route): Check => {
    if (onMain(route.target, port)) {
      return {
        id: "routes",
        status: "warn",
        detail: `${shown(route)}: the Gateway's ordinary listener, where Tailscale's word counts for nothing`,
        fix: "end it with `tailscale serve --https=443 off`, and set gateway.tailscale.mode instead"
      }
    }
    return opened && !route.foreground && !/:\d+\/?/.test(route.url.replace("https://", ""))
      ? {
          id: "routes",
          status: "error",
          detail: `${shown(route)}: it holds the port that the Gateway would be opened at`,
          fix: "end it with `tailscale serve --https=443 off`, or set gateway.tailscale.mode to off"
        }
      : { id: "routes", status: "ok", detail: shown(route) }
  })
}

const configured = ({ auth, config: { gateway } }: Facts, { funnel, opened, mode }: ReturnType<typeof wants>) => {
  const found: Array<Check> = []
  const say = (status: Check["status"], detail: string, fix: string) =>
    found.push({ id: "config", status, detail, fix })
  if (opened && ["lan", "tailnet", "custom"].includes(gateway?.bind ?? "loopback")) {
    say(
      "error",
      `gateway.tailscale.mode is "${mode}", and gateway.bind is not "loopback"`,
      "set gateway.bind to loopback"
    )
  }
  if (funnel && auth !== "password") {
    say(
      "error",
      'gateway.tailscale.mode is "funnel", and gateway.auth.mode is not "password"',
      "set gateway.auth.mode to password, and OPENCLAW_GATEWAY_PASSWORD"
    )
  }
  if (opened && !funnel && auth === "none") {
    say(
      "error",
      'gateway.tailscale.mode is "serve", and gateway.auth.mode is "none"',
      "set gateway.auth.mode to token, or gateway.tailscale.mode to off"
    )
  }
  if (gateway?.auth?.allowTailscale === true && mode !== "serve") {
    say(
      "warn",
      'gateway.auth.allowTailscale counts only with gateway.tailscale.mode "serve"',
      "set gateway.tailscale.mode to serve, or remove the key"
    )
  }
  return found
}

/** Everything that was looked at, in the order in which it is mended. */
export const examine = (facts: Facts): ReadonlyArray<Check> => {
  const wanted = wants(facts.config)
  const status = "found" in facts.status ? facts.status.found : undefined
  return [
    ...daemon(facts.status, wanted.opened || wanted.bind),
    ...(status === undefined ? [] : names(status, wanted)),
    bind(facts.bindAddress, wanted.bind, status?.addresses ?? []),
    ...(facts.whois === undefined ? [] : [whois(facts.whois, wanted.mode === "serve")]),
    ...(facts.routes === undefined ? [] : routes(facts.routes, wanted.opened, facts.port)),
    ...configured(facts, wanted)
  ]
}
