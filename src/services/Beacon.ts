/**
 * How a Gateway is found on a network: a DNS-SD service of this type, with these TXT keys. Nothing of it is proved, so it is
 * something to show to people, and never a reason to trust.
 */

export const SERVICE_TYPE = "_openclaw-gw._tcp"
export const DOMAIN = "local."
/** As it stands in records. */
export const SERVICE_NAME = `${SERVICE_TYPE}.local`

/** OpenClaw's names for what a Gateway tells. The last three only in mode `full`. */
export const TXT_KEYS = [
  "role",
  "transport",
  "displayName",
  "lanHost",
  "gatewayPort",
  "gatewayTls",
  "gatewayTlsSha256",
  "gatewayDirectReachable",
  "tailnetDns",
  "sshPort",
  "cliPath"
] as const
export type TxtKey = (typeof TXT_KEYS)[number]
export type Txt = { readonly [Key in TxtKey]?: string | undefined }

/** DNS names are compared so. */
export const sameName = (a: string, b: string): boolean =>
  a.replace(/\.$/, "").toLowerCase() === b.replace(/\.$/, "").toLowerCase()
