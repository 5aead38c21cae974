/**
 * Tailscale on this machine: what its daemon says, whose an address of the tailnet is, and what it opens of this Gateway.
 *
 * The system's own `tailscale` program is asked; nothing of Tailscale is re-implemented. What it is told to open is open for
 * as long as the asking fiber runs: the claim ends with the process that holds it.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const fixes = {
  "not-installed": "install Tailscale (https://tailscale.com/download), so that `tailscale` is in PATH",
  "not-running": "start its daemon, for example with `sudo systemctl start tailscaled`",
  starting: "wait a moment; it is asked again by itself",
  "logged-out": "log in with `tailscale up`",
  stopped: "connect it with `tailscale up`",
  "https-off": "enable HTTPS certificates and MagicDNS for the tailnet (https://login.tailscale.com/admin/dns)",
  "serve-off": "let the tailnet's admin enable Serve or Funnel at the address that `tailscale serve` names",
  "port-taken": "see `tailscale serve status`, and end what holds HTTPS port 443 there",
  "not-permitted": "run `sudo tailscale set --operator=$USER` once",
  unknown: "the address belongs to no machine of the tailnet",
  "no-answer": "see `tailscale status`",
  strange: "update Tailscale; its answer could not be read",
  failed: "see `tailscale status` and `openclaw doctor tailscale`"
} as const

/** Tailscale cannot do what it was asked. */
export class TailscaleUnavailable extends Schema.TaggedError<TailscaleUnavailable>()("TailscaleUnavailable", {
  reason: Schema.Literals([
    "not-installed",
    "not-running",
    "starting",
    "logged-out",
    "stopped",
    "https-off",
    "serve-off",
    "port-taken",
    "not-permitted",
    "unknown",
    "no-answer",
    "strange",
    "failed"
  ]),
  /** What Tailscale said, on one line. */
  detail: Schema.String
}) {
  get fix() {
    return fixes[this.reason]
  }
  override get message() {
    return `Tailscale: ${this.detail}.\nFix: ${this.fix}.`
  }
}

/** What the daemon says of itself. */
export interface TailscaleStatus {
  readonly version: string | undefined
  /** `Running`, `Starting`, `NoState`, `NeedsLogin`, `NeedsMachineAuth`, `Stopped`. */
  readonly state: string
  /** By which the tailnet knows this machine; without the dot at its end. */
  readonly name: string | undefined
  /** IPv4 first. */
  readonly addresses: ReadonlyArray<string>
  readonly magicDns: boolean
  /** Certificates can be had for `name`. */
  readonly https: boolean
  /** The tailnet lets this machine use Funnel. */
  readonly funnel: boolean
  /** Its own warnings. */
  readonly health: ReadonlyArray<string>
}

/** Whose an address is. Machines with tags are nobody's: those have no login. */
export interface Whois {
  readonly login: string | undefined
  readonly node: string | undefined
}

/** Something that Tailscale opens: `https://name:port/path` leads to `target`. */
export interface Route {
  readonly url: string
  readonly target: string
  /** To the whole internet. */
  readonly funnel: boolean
  /** Held by a process in the foreground; it ends with it. */
  readonly foreground: boolean
}

export type Exposure = "serve" | "funnel"

/** What became of a claim. Times are Unix milliseconds. */
export type ClaimState =
  | { readonly _tag: "Waiting"; readonly reason: string; readonly fix: string; readonly since: number }
  | { readonly _tag: "Active"; readonly name: string; readonly url: string; readonly since: number }

export interface Claim {
  readonly mode: Exposure
  /** On 127.0.0.1, speaking plain HTTP. */
  readonly port: number
  readonly changed: (state: ClaimState) => Effect.Effect<void>
}

export class Tailscale extends Context.Service<
  Tailscale,
  {
    readonly status: Effect.Effect<TailscaleStatus, TailscaleUnavailable>
    readonly routes: Effect.Effect<ReadonlyArray<Route>, TailscaleUnavailable>
    /** Within a few seconds, whatever the daemon does. Answers are remembered briefly. */
    readonly whois: (address: string) => Effect.Effect<Whois, TailscaleUnavailable>
    /** Opens a port until it is interrupted: waits for a daemon that is not ready, and claims again what was lost. */
    readonly hold: (claim: Claim) => Effect.Effect<never>
  }
>()("openclaw/services/Tailscale") {}
