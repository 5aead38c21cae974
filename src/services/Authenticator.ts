/**
 * Who may connect: the shared secret, device identities and their tokens, and the lockout of those who guess.
 *
 * One call judges one `connect`. It learns the peer's address from the socket, and from a header only where a trusted proxy
 * wrote it (`Ingress.ts`).
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DeviceId } from "../domain/Ids.ts"
import type { ConnectParams } from "../protocol/Connect.ts"
import type { Role } from "../protocol/Role.ts"
import type { HandedToken } from "./DeviceRegistry.ts"
import type { Origin } from "./Ingress.ts"
import type { RegistryStorageFailed } from "./NodeRegistry.ts"
import type { ProxyAttributionRequired, ProxyIdentityRefused, TailscaleIdentityRefused } from "./identityErrors.ts"

/** No credential was sent and one is needed. */
export class AuthRequired extends Schema.TaggedError<AuthRequired>()("AuthRequired", {
  mode: Schema.Literals(["token", "password"])
}) {
  override get message() {
    return `unauthorized: gateway ${this.mode} missing (pass --${this.mode}, or set OPENCLAW_GATEWAY_${this.mode.toUpperCase()} on the client)`
  }
}

/** A credential was sent and it is not the one. */
export class TokenMismatch extends Schema.TaggedError<TokenMismatch>()("TokenMismatch", {
  kind: Schema.Literals(["token", "password", "device-token", "bootstrap-token"]),
  /** The client proved a device identity, so its stored device token may still do. */
  device: Schema.Boolean
}) {
  override get message() {
    switch (this.kind) {
      case "token":
        return "unauthorized: gateway token mismatch (use the token of this Gateway's gateway.auth.token)"
      case "password":
        return "unauthorized: gateway password mismatch (use the password of this Gateway's gateway.auth.password)"
      case "device-token":
        return "unauthorized: device token mismatch (rotate/reissue device token)"
      case "bootstrap-token":
        return "unauthorized: setup code invalid, expired, revoked, or already used (create a new code; review `openclaw devices list`)"
    }
  }
}

/** The device token is good, but not for the scopes that are asked for. No request is made of it. */
export class ScopeMismatch extends Schema.TaggedError<ScopeMismatch>()("ScopeMismatch", {}) {
  override get message() {
    return "unauthorized: device token scope mismatch (re-pair or approve scope upgrade)"
  }
}

/** Too many wrong credentials came from this address; even the right one is refused until the time has passed. */
export class LockedOut extends Schema.TaggedError<LockedOut>()("LockedOut", { retryAfterMs: Schema.Natural }) {
  override get message() {
    return "unauthorized: too many failed authentication attempts (retry later)"
  }
}

/** A browser client without an origin. One with a foreign origin never gets this far: its upgrade is answered 403. */
export class OriginNotAllowed extends Schema.TaggedError<OriginNotAllowed>()("OriginNotAllowed", {
  reason: Schema.Literals(["origin missing or invalid"])
}) {
  override get message() {
    return "origin not allowed (open the Control UI from the Gateway itself, or list its origin in gateway.controlUi.allowedOrigins)"
  }
}

/** The client must prove a device identity and did not. */
export class DeviceIdentityRequired extends Schema.TaggedError<DeviceIdentityRequired>()("DeviceIdentityRequired", {
  controlUi: Schema.Boolean
}) {
  override get message() {
    return this.controlUi
      ? "control ui requires device identity (use HTTPS or localhost secure context)"
      : "device identity required"
  }
}

/** The proof of a device's key does not hold. */
export class DeviceProofInvalid extends Schema.TaggedError<DeviceProofInvalid>()("DeviceProofInvalid", {
  reason: Schema.Literals(["id-mismatch", "nonce-missing", "nonce-mismatch", "signature", "signature-stale"])
}) {
  override get message() {
    switch (this.reason) {
      case "id-mismatch":
        return "device identity mismatch"
      case "nonce-missing":
        return "device nonce required"
      case "nonce-mismatch":
        return "device nonce mismatch"
      case "signature":
        return "device signature invalid"
      case "signature-stale":
        return "device signature expired"
    }
  }
}

const requirements = {
  "not-paired": "device is not approved yet",
  "role-upgrade": "device is asking for a higher role than currently approved",
  "scope-upgrade": "device is asking for more scopes than currently approved",
  "metadata-upgrade": "device identity changed and must be re-approved"
} as const

/** The device waits for an operator: `openclaw devices approve <requestId>`. */
export class PairingRequired extends Schema.TaggedError<PairingRequired>()("PairingRequired", {
  reason: Schema.Literals(["not-paired", "role-upgrade", "scope-upgrade", "metadata-upgrade"]),
  requestId: Schema.String,
  deviceId: Schema.String,
  requestedRole: Schema.String,
  requestedScopes: Schema.Array(Schema.String),
  approvedRoles: Schema.Array(Schema.String),
  approvedScopes: Schema.Array(Schema.String),
  /** The client may go on asking: it is let in once the request is approved. */
  waits: Schema.Boolean
}) {
  override get message() {
    return `pairing required: ${requirements[this.reason]}`
  }
}

/** A proxy or Tailscale said, or should have said, who the peer is, and that is not believed. */
export type IdentityError = ProxyAttributionRequired | ProxyIdentityRefused | TailscaleIdentityRefused

export type AuthError =
  | AuthRequired
  | TokenMismatch
  | ScopeMismatch
  | LockedOut
  | OriginNotAllowed
  | DeviceIdentityRequired
  | DeviceProofInvalid
  | PairingRequired
  | IdentityError

/** One `connect`, as the socket saw it. */
export interface ConnectAttempt extends Origin {
  readonly params: ConnectParams
  readonly role: Role
  /** The nonce of this connection's challenge. */
  readonly nonce: string
  /** The upgrade carried an (allowed) `Origin`: a web page connects. */
  readonly browser: boolean
}

/** What an HTTP request brings along instead of a `connect`. */
export interface HttpAttempt extends Origin {
  /** The Bearer credential. */
  readonly credential: string | undefined
  /** The device token of a paired operator does too. */
  readonly deviceTokens: boolean
}

/** What a connection showed to be let in. */
export type AuthMethod =
  | "none"
  | "token"
  | "password"
  | "device-token"
  | "bootstrap-token"
  | "tailscale"
  | "trusted-proxy"

/** What a connection may do. */
export interface Grant {
  readonly method: AuthMethod
  readonly role: Role
  readonly scopes: ReadonlyArray<string>
  readonly deviceId?: DeviceId
  /** Whom the proxy or Tailscale vouched for. */
  readonly user?: string
  /** Given back in `hello-ok`; connects this device again without the shared secret. */
  readonly deviceToken?: string
  /** Unix milliseconds. */
  readonly issuedAtMs?: number
  /** The setup code that let the device in. `trusted`: its first declared commands count as approved. */
  readonly setup?: { readonly setupId: string; readonly trusted: boolean }
  /** Tokens for other roles, handed over by that code. */
  readonly deviceTokens?: ReadonlyArray<HandedToken>
}

export class Authenticator extends Context.Service<
  Authenticator,
  {
    /** How this Gateway knows its friends; shown in the snapshot of `hello-ok`. */
    readonly mode: "none" | "token" | "password" | "trusted-proxy"
    /**
     * Judges a `connect`. Secrets are compared in constant time over digests. A wrong secret from this machine is answered
     * late instead of locked out; from elsewhere ten within a minute lock the address for five minutes.
     */
    readonly authenticate: (attempt: ConnectAttempt) => Effect.Effect<Grant, AuthError | RegistryStorageFailed>
    /**
     * Judges an HTTP request and gives its operator scopes: all of them to the shared secret, a device's own to its token.
     * Wrong credentials count as those of a `connect` do. A Gateway without a secret gives every scope to this machine and none
     * to others; one behind an identity-aware proxy gives them to whom the proxy let in. Tailscale's word counts for none here.
     */
    readonly authorize: (
      attempt: HttpAttempt
    ) => Effect.Effect<
      ReadonlyArray<string>,
      AuthRequired | TokenMismatch | LockedOut | ProxyAttributionRequired | ProxyIdentityRefused | RegistryStorageFailed
    >
  }
>()("openclaw/services/Authenticator") {}
