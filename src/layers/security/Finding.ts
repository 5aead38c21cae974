/**
 * What an audit looks at, and what it finds. The names of the checks are OpenClaw's where it has the same one.
 */
import { isLoopback, parse } from "../../domain/IpAddress.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"

export type Severity = "critical" | "warn" | "info"

/** No part of it holds a secret. */
export interface Finding {
  readonly checkId: string
  readonly severity: Severity
  readonly title: string
  readonly detail: string
  /** What to do about it. */
  readonly remediation: string
}

/** One file or folder; absent where there is none. `mode` has the permission bits. */
export interface Rights {
  readonly path: string
  readonly mode: number
  readonly kind: "file" | "directory" | "link" | "other"
  /** Another user owns it. */
  readonly foreign?: boolean
}

/**
 * How the Gateway would let people in if it started now. `secretLength` counts characters. `unresolved`: a secret is
 * configured and has no value here, or what is configured cannot be; the text names the key.
 */
export interface AuthFacts {
  readonly mode: "none" | "token" | "password" | "trusted-proxy"
  readonly secretLength?: number | undefined
  /** The secret is one of the words that scripts leave behind: `undefined`, `null`. */
  readonly placeholder?: boolean | undefined
  readonly source?: "flag" | "config" | "environment" | "generated" | undefined
  readonly unresolved?: string | undefined
}

/** What `exec-approvals.json` of this machine says, agent by agent and for all (`defaults`). */
export interface ExecRule {
  readonly where: string
  readonly security: "deny" | "allowlist" | "full"
  readonly ask: "off" | "on-miss" | "always"
  readonly autoAllowSkills: boolean
}

export interface Facts {
  readonly config: OpenClawConfig
  readonly auth: AuthFacts
  readonly stateDir?: Rights | undefined
  readonly configFile?: Rights | undefined
  /** What lies in the state directory, besides the configuration. */
  readonly stateFiles?: ReadonlyArray<Rights>
  readonly tlsKey?: Rights | undefined
  /** The certificate that `gateway.tls` names: Unix milliseconds of its end, where it is there. */
  readonly certificateValidTo?: number | undefined
  readonly execRules?: ReadonlyArray<ExecRule>
  /** Dotted paths of switches that are called dangerous or insecure and are on. */
  readonly dangerousFlags?: ReadonlyArray<string>
  /** The flags with secrets in the command line of the Gateway that runs. */
  readonly secretFlags?: ReadonlyArray<string>
  /** What else that command line says, which goes before the configuration: `config` has it. */
  readonly startedWith?: ReadonlyArray<string>
  /** Unix milliseconds. */
  readonly now: number
}

export const finding = (
  checkId: string,
  severity: Severity,
  title: string,
  detail: string,
  remediation: string
): Finding => ({ checkId, severity, title, detail, remediation })

/** The findings whose condition holds. */
export const when = (condition: boolean, ...found: ReadonlyArray<Finding>): ReadonlyArray<Finding> =>
  condition ? found : []

/** A host name or address as it is written, without brackets and zone, leads to this machine only. */
export const isOwnHost = (host: string): boolean => {
  const bare = host.trim().replace(/^\[(.*)\]$/, "$1")
  const address = parse(bare)
  return address === undefined ? bare.toLowerCase() === "localhost" : isLoopback(address)
}

type Gateway = NonNullable<OpenClawConfig["gateway"]>

/** Whether other machines reach the listener itself. `auto` is loopback here. */
export const isExposed = ({ bind, customBindHost }: Gateway): boolean =>
  bind === "lan" || bind === "tailnet" || (bind === "custom" && !isOwnHost(customBindHost ?? ""))

/** Whether people elsewhere reach the Gateway, by its listener or by Tailscale. */
export const isRemote = (gateway: Gateway): boolean =>
  isExposed(gateway) || gateway.tailscale?.mode === "serve" || gateway.tailscale?.mode === "funnel"
