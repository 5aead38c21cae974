/**
 * Whether a Gateway lets itself be found, and what it tells then. Pure.
 *
 * `discovery.mdns.mode` decides where it is set. Where it is not: `minimal` on macOS, whose apps look for a Gateway, and
 * `off` elsewhere, unless OpenClaw's Bonjour plugin was switched on in the same file. `OPENCLAW_DISABLE_BONJOUR` goes before
 * both, but switches nothing on that the file switches off.
 */
import { display, type TlsFingerprint } from "../../domain/TlsFingerprint.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import type { MdnsMode } from "../../services/DiscoverySection.ts"
import type { Network } from "../../services/Multicast.ts"
import { isLoopbackBind } from "../gateway/Addresses.ts"
import { label, type Offer } from "./records.ts"

export type Variables = Readonly<Record<string, string | undefined>>

/** What of the machine and of the running Gateway is told. */
export interface Facts {
  readonly platform: string
  readonly hostname: string
  /** The address that the Gateway listens on, as it was configured. */
  readonly bind: string
  readonly port: number
  readonly tls: boolean
  readonly tlsFingerprint: TlsFingerprint | undefined
}

const DEFAULT_HOST = "openclaw"
const SSH_PORT = "22"

const given = (variables: Variables, name: string): string | undefined => {
  const text = variables[name]?.trim() ?? ""
  return text === "" ? undefined : text
}

const disabled = (variables: Variables): boolean | undefined => {
  const text = given(variables, "OPENCLAW_DISABLE_BONJOUR")?.toLowerCase() ?? ""
  if (/^(?:1|true|yes|on)$/.test(text)) return true
  return /^(?:0|false|no|off)$/.test(text) ? false : undefined
}

export const modeOf = (config: OpenClawConfig, variables: Variables, platform: string): MdnsMode => {
  const mode = config.discovery?.mdns?.mode
  const plugin = config.plugins?.entries?.bonjour?.enabled
  const off = disabled(variables)
  if (off === true || mode === "off") return "off"
  const wanted = off === false || (plugin ?? (mode !== undefined || platform === "darwin"))
  return wanted ? (mode ?? "minimal") : "off"
}

/** The host's name as one label, where it can be one. */
const hostOf = (variables: Variables, hostname: string): string => {
  const [first = ""] = (given(variables, "OPENCLAW_MDNS_HOSTNAME") ?? hostname).split(".")
  return /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(first) ? first : DEFAULT_HOST
}

/** `undefined` where the Gateway is not to be found. */
export const offerOf = (config: OpenClawConfig, variables: Variables, facts: Facts): Offer | undefined => {
  const mode = modeOf(config, variables, facts.platform)
  if (mode === "off") return undefined
  const host = hostOf(variables, facts.hostname)
  const full = (value: string | undefined) => (mode === "full" ? value : undefined)
  return {
    instance: label(`${host} (OpenClaw)`),
    host,
    port: facts.port,
    txt: {
      role: "gateway",
      transport: "gateway",
      displayName: host,
      lanHost: `${host}.local`,
      gatewayPort: String(facts.port),
      gatewayTls: facts.tls ? "1" : undefined,
      gatewayTlsSha256: facts.tlsFingerprint === undefined ? undefined : display(facts.tlsFingerprint),
      gatewayDirectReachable: isLoopbackBind(facts.bind) ? undefined : "1",
      tailnetDns: full(given(variables, "OPENCLAW_TAILNET_DNS")),
      sshPort: full(given(variables, "OPENCLAW_SSH_PORT") ?? SSH_PORT),
      cliPath: full(given(variables, "OPENCLAW_CLI_PATH"))
    }
  }
}

/** The networks on which a Gateway is found: all, unless it listens on one address of this machine only. */
export const networksFor = (bind: string, all: ReadonlyArray<Network>): ReadonlyArray<Network> =>
  isLoopbackBind(bind) || bind === "0.0.0.0" || bind === "::"
    ? all
    : all.filter(({ address, more }) => address === bind || more.includes(bind))
