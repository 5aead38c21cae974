/**
 * What an error of the system or of a library means for who wanted to reach a Gateway.
 */
import type { Endpoint } from "../domain/Endpoint.ts"
import { GatewayUnreachable, printable } from "./errors.ts"
import { InsecureAddress } from "./finalHop.ts"

const reasons: ReadonlyArray<readonly [RegExp, GatewayUnreachable["reason"], string]> = [
  [/ECONNREFUSED/, "refused", "connection refused"],
  [/ENOTFOUND|EAI_/, "dns", "the host name has no address"],
  [/ETIMEDOUT/, "timeout", "timed out"],
  [/CERT|TLS|SSL|EPROTO|UNABLE_TO/, "tls", "the TLS certificate or handshake failed"],
  [/Unexpected server response|Invalid|Parse Error/i, "not-a-gateway", "not a WebSocket"]
]

export const unreachable = (endpoint: Endpoint, error: Error): GatewayUnreachable => {
  if (error instanceof InsecureAddress) {
    return new GatewayUnreachable({ endpoint, reason: "insecure", detail: printable(error.message) })
  }
  const code = "code" in error && typeof error.code === "string" ? error.code : ""
  const known = reasons.find(([pattern]) => pattern.test(`${code} ${error.message}`))
  const status = /Unexpected server response: (\d+)/.exec(error.message)?.[1]
  return new GatewayUnreachable({
    endpoint,
    reason: known?.[1] ?? "network",
    detail: [known?.[2] ?? printable(error.message), status === undefined ? code : `HTTP ${status}`]
      .filter((part) => part !== "")
      .join(", ")
  })
}
