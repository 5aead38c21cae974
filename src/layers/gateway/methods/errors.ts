/**
 * Errors of services as the wire's errors, with the codes that OpenClaw 2026.9.6 sends for the same.
 */
import * as GatewayError from "../../../protocol/GatewayError.ts"
import type { ChannelNotConfigured, InvalidDestination } from "../../../services/ChannelRouter.ts"
import type { DeliveryFailed } from "../../../services/Channel.ts"
import type { ApproverLacksScope, InvokeError, PairingRequestNotFound } from "../../../services/NodeRegistry.ts"
import type { RunIdConflict, TurnNotAccepted } from "../../../services/Turns.ts"

/** Storage did not take or give what was asked; trying again may help. */
export const storageFailed = (error: { readonly message: string }): GatewayError.GatewayError =>
  GatewayError.unavailable(error.message, { retryable: true, retryAfterMs: 1000 })

export const turnNotAccepted = (error: TurnNotAccepted | RunIdConflict): GatewayError.GatewayError =>
  error._tag === "RunIdConflict"
    ? GatewayError.invalidRequest(error.message, { details: { reason: "chat-request-conflict" } })
    : storageFailed(error)

/** What a node answered or why none did, as `node.invoke` reports it. */
const nodeError = (code: string, message: string, dispatched: boolean): GatewayError.GatewayError =>
  GatewayError.unavailable(`${code}: ${message}`, {
    details: { nodeError: { code, message }, nodeCommandDispatched: dispatched }
  })

export const invokeFailed = (error: InvokeError): GatewayError.GatewayError => {
  switch (error._tag) {
    case "NodeNotConnected":
      return error.known
        ? GatewayError.unavailable("node not connected", {
            details: {
              code: "NOT_CONNECTED",
              nodeError: { code: "NOT_CONNECTED", message: error.message },
              nodeCommandDispatched: false
            }
          })
        : GatewayError.unavailable(error.message, { retryable: true, details: { code: "PAIRING_CHANGED" } })
    case "CommandNotAllowed":
      return GatewayError.invalidRequest(error.message, { details: { reason: error.reason, command: error.command } })
    case "InvokeTimeout":
      return nodeError("TIMEOUT", "node invoke timed out", true)
    case "NodeDisconnected":
      return nodeError("DISCONNECTED", `node disconnected (${error.command})`, true)
    case "InvokeFailed":
      return nodeError(error.code, error.message, true)
    case "IdempotencyConflict":
      return GatewayError.conflict(error.message)
  }
}

export const unknownRequest = ({ requestId }: PairingRequestNotFound): GatewayError.GatewayError =>
  GatewayError.invalidRequest("unknown requestId", { details: { requestId } })

export const approverLacksScope = (error: ApproverLacksScope): GatewayError.GatewayError =>
  GatewayError.missingScope(error.missingScope, error.requiredScopes)

export const deliveryFailed = (
  error: ChannelNotConfigured | InvalidDestination | DeliveryFailed
): GatewayError.GatewayError => {
  switch (error._tag) {
    case "ChannelNotConfigured":
    case "InvalidDestination":
      return GatewayError.invalidRequest(error.message)
    case "DeliveryFailed":
      return GatewayError.unavailable(error.message, {
        retryable: error.outcome === "never-sent" || error.outcome === "unfinished",
        details: { code: "OUTBOUND_DELIVERY_FAILED", outcome: error.outcome },
        ...(error.retryAfterMs === undefined ? undefined : { retryAfterMs: Math.max(0, Math.ceil(error.retryAfterMs)) })
      })
  }
}
