/**
 * How a handshake ends badly: the error frame, if one is sent, and the close code.
 */
import * as GatewayError from "../../../protocol/GatewayError.ts"
import { PROTOCOL_VERSION, MINIMUM_PROBE_PROTOCOL } from "../../../protocol/Frame.ts"
import type { AuthError } from "../../../services/Authenticator.ts"
import type { RegistryStorageFailed } from "../../../services/NodeRegistry.ts"

export interface HandshakeRefused {
  readonly _tag: "HandshakeRefused"
  /** The id of the request that is answered; without it nothing is sent before the close. */
  readonly id?: string
  readonly error?: GatewayError.GatewayError
  readonly code: number
  readonly reason: string
}

/** Closes without a word. */
export const silent = (code: number, reason: string): HandshakeRefused => ({ _tag: "HandshakeRefused", code, reason })

/** Answers, then closes with the same text. */
export const answered = (
  id: string,
  error: GatewayError.GatewayError,
  close: { readonly code?: number; readonly reason?: string } = {}
): HandshakeRefused => ({
  _tag: "HandshakeRefused",
  id,
  error,
  code: close.code ?? 1008,
  reason: close.reason ?? error.message
})

export const protocolMismatch = (id: string, asked: { readonly min: number; readonly max: number }): HandshakeRefused =>
  answered(
    id,
    GatewayError.invalidRequest("protocol mismatch", {
      details: {
        code: "PROTOCOL_MISMATCH",
        clientMinProtocol: asked.min,
        clientMaxProtocol: asked.max,
        expectedProtocol: PROTOCOL_VERSION,
        minimumProbeProtocol: MINIMUM_PROBE_PROTOCOL
      }
    }),
    { code: 1002 }
  )

const mismatchCodes = {
  token: "AUTH_TOKEN_MISMATCH",
  password: "AUTH_PASSWORD_MISMATCH",
  "device-token": "AUTH_DEVICE_TOKEN_MISMATCH",
  "bootstrap-token": "AUTH_BOOTSTRAP_TOKEN_INVALID"
} as const

const proofCodes = {
  "id-mismatch": ["DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch"],
  "nonce-missing": ["DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing"],
  "nonce-mismatch": ["DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch"],
  signature: ["DEVICE_AUTH_SIGNATURE_INVALID", "device-signature"],
  "signature-stale": ["DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale"]
} as const

const proxyReasons = {
  "untrusted-source": "trusted_proxy_untrusted_source",
  "loopback-source": "trusted_proxy_loopback_source",
  "own-address": "trusted_proxy_local_interface_source",
  "user-missing": "trusted_proxy_user_missing",
  "user-not-allowed": "trusted_proxy_user_not_allowed",
  "missing-header": "trusted_proxy_missing_header_"
} as const

const tailscaleCodes = {
  "login-missing": ["AUTH_TAILSCALE_IDENTITY_MISSING", "tailscale_user_missing"],
  "login-repeated": ["AUTH_TAILSCALE_IDENTITY_MISSING", "tailscale_user_missing"],
  "login-malformed": ["AUTH_TAILSCALE_IDENTITY_MISSING", "tailscale_user_missing"],
  "node-role": ["AUTH_TAILSCALE_IDENTITY_MISSING", "tailscale_user_missing"],
  "whois-failed": ["AUTH_TAILSCALE_WHOIS_FAILED", "tailscale_whois_failed"],
  "whois-mismatch": ["AUTH_TAILSCALE_IDENTITY_MISMATCH", "tailscale_user_mismatch"]
} as const

const remediation = {
  "not-paired": "Run `openclaw devices list` and approve the request.",
  "role-upgrade": "Check the role that is asked for, then approve the request.",
  "scope-upgrade": "Check the scopes that are asked for, then approve the request.",
  "metadata-upgrade": "Check what the device says of itself now, then approve the request."
} as const

/** A list that has something in it. */
const some = (key: string, list: ReadonlyArray<string>) => (list.length === 0 ? undefined : { [key]: list })

/** Every way in which authentication fails, as OpenClaw's clients expect to read it. */
export const fromAuthError = (id: string, error: AuthError | RegistryStorageFailed): HandshakeRefused => {
  switch (error._tag) {
    case "AuthRequired":
      return answered(
        id,
        GatewayError.invalidRequest(error.message, {
          details: {
            code: error.mode === "token" ? "AUTH_TOKEN_MISSING" : "AUTH_PASSWORD_MISSING",
            authReason: `${error.mode}_missing`,
            canRetryWithDeviceToken: false,
            recommendedNextStep: "update_auth_configuration"
          }
        })
      )
    case "TokenMismatch": {
      const retry = error.device && (error.kind === "token" || error.kind === "password")
      return answered(
        id,
        GatewayError.invalidRequest(error.message, {
          details: {
            code: mismatchCodes[error.kind],
            authReason:
              error.kind === "bootstrap-token" ? "bootstrap_token_invalid" : `${error.kind.replace("-", "_")}_mismatch`,
            canRetryWithDeviceToken: retry,
            recommendedNextStep: retry
              ? "retry_with_device_token"
              : error.kind === "bootstrap-token"
                ? "review_auth_configuration"
                : "update_auth_credentials"
          }
        })
      )
    }
    case "ScopeMismatch":
      return answered(
        id,
        GatewayError.invalidRequest(error.message, {
          details: {
            code: "AUTH_SCOPE_MISMATCH",
            authReason: "scope_mismatch",
            canRetryWithDeviceToken: false,
            recommendedNextStep: "review_auth_configuration"
          }
        })
      )
    case "ProxyAttributionRequired":
      return answered(
        id,
        GatewayError.invalidRequest(error.message, {
          details: {
            code: "AUTH_UNAUTHORIZED",
            authReason: "proxy_attribution_required",
            check: error.reason,
            canRetryWithDeviceToken: false,
            recommendedNextStep: "review_auth_configuration"
          }
        })
      )
    case "ProxyIdentityRefused":
      return answered(
        id,
        GatewayError.invalidRequest(error.message, {
          details: {
            code: error.check === "missing-header" ? "AUTH_IDENTITY_HEADER_REQUIRED" : "AUTH_UNAUTHORIZED",
            authReason: `${proxyReasons[error.check]}${error.header ?? ""}`,
            check: error.check,
            canRetryWithDeviceToken: false,
            recommendedNextStep: "review_auth_configuration"
          }
        })
      )
    case "TailscaleIdentityRefused": {
      const [code, authReason] = tailscaleCodes[error.check]
      return answered(
        id,
        GatewayError.invalidRequest(error.message, {
          details: {
            code,
            authReason,
            check: error.check,
            canRetryWithDeviceToken: false,
            recommendedNextStep: "update_auth_configuration"
          }
        })
      )
    }
    case "LockedOut":
      return answered(
        id,
        GatewayError.invalidRequest(error.message, {
          retryable: true,
          retryAfterMs: error.retryAfterMs,
          details: {
            code: "AUTH_RATE_LIMITED",
            authReason: "rate_limited",
            canRetryWithDeviceToken: false,
            recommendedNextStep: "wait_then_retry"
          }
        })
      )
    case "OriginNotAllowed":
      return answered(
        id,
        GatewayError.invalidRequest(error.message, {
          details: { code: "CONTROL_UI_ORIGIN_NOT_ALLOWED", reason: error.reason }
        })
      )
    case "DeviceIdentityRequired":
      return answered(
        id,
        error.controlUi
          ? GatewayError.invalidRequest(error.message, { details: { code: "CONTROL_UI_DEVICE_IDENTITY_REQUIRED" } })
          : GatewayError.notPaired(error.message, { details: { code: "DEVICE_IDENTITY_REQUIRED" } })
      )
    case "DeviceProofInvalid": {
      const [code, reason] = proofCodes[error.reason]
      return answered(id, GatewayError.invalidRequest(error.message, { details: { code, reason } }))
    }
    case "PairingRequired":
      return answered(
        id,
        GatewayError.notPaired(error.message, {
          details: {
            code: "PAIRING_REQUIRED",
            reason: error.reason,
            requestId: error.requestId,
            remediationHint: remediation[error.reason],
            ...(error.waits
              ? { recommendedNextStep: "wait_then_retry", retryable: true, pauseReconnect: false }
              : undefined),
            ...some("requestedScopes", error.requestedScopes),
            ...some("approvedRoles", error.approvedRoles),
            ...some("approvedScopes", error.approvedScopes),
            deviceId: error.deviceId,
            requestedRole: error.requestedRole
          }
        }),
        { reason: `${error.message} (requestId: ${error.requestId})` }
      )
    case "RegistryStorageFailed":
      return answered(
        id,
        GatewayError.unavailable("the device registry is unavailable; retry shortly", {
          retryable: true,
          retryAfterMs: 1000
        }),
        { code: 1013, reason: "registry unavailable" }
      )
  }
}
