/**
 * Judges `connect`: lockout first, then the device's proof, then the credential, then what the device was approved for.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { DeviceId } from "../../domain/Ids.ts"
import type { ConnectParams } from "../../protocol/Connect.ts"
import { covers } from "../../protocol/Role.ts"
import { OperatorScope } from "../../protocol/Role.ts"
import {
  Authenticator,
  AuthRequired,
  type ConnectAttempt,
  DeviceIdentityRequired,
  type Grant,
  type HttpAttempt,
  LockedOut,
  OriginNotAllowed,
  type AuthMethod,
  PairingRequired,
  ScopeMismatch,
  TokenMismatch
} from "../../services/Authenticator.ts"
import { Config } from "../../services/Config.ts"
import { type DeviceClaim, type DeviceDecision, DeviceRegistry } from "../../services/DeviceRegistry.ts"
import { lockoutKey } from "./Addresses.ts"
import * as DeviceProof from "./DeviceProof.ts"
import * as Lockout from "./Lockout.ts"
import type { GatewayAuth } from "./options.ts"

/** Web pages: a page must say where it comes from. */
const isPage = ({ id, mode }: ConnectParams["client"]): boolean =>
  mode === "webchat" || id === "openclaw-control-ui" || id === "webchat-ui" || id === "openclaw-browser-copilot"
/** Operator interfaces: they must prove a device, and go on asking while they wait to be approved. */
const uiClients: ReadonlySet<string> = new Set(["openclaw-control-ui", "openclaw-browser-copilot", "openclaw-tui"])

/** A program of this machine's own; it is not paired, whatever it can prove. */
const isBackend = ({ id, mode }: ConnectParams["client"]): boolean => id === "gateway-client" && mode === "backend"
/** Clients that keep the scopes they ask for without a device, when they hold the shared secret on this machine. */
const keepsScopes = (client: ConnectParams["client"]): boolean =>
  isBackend(client) || (client.id === "cli" && client.mode === "cli")

const digest = (text: string) => createHash("sha256").update(text, "utf8").digest()

const trimmed = (text: string | undefined): string | undefined => text?.trim() || undefined

/** What the client offers as the shared secret: either field does; of two the one that this Gateway's secret is named after. */
const offeredSecret = (auth: ConnectParams["auth"], mode: AuthMethod): string | undefined => {
  const token = trimmed(auth?.token)
  const password = trimmed(auth?.password)
  return mode === "password" ? (password ?? token) : (token ?? password)
}

/** Each scope once. What is signed is the list as it was sent. */
const scopesOf = ({ scopes = [] }: ConnectParams): ReadonlyArray<string> => Array.from(new Set(scopes))

type Credential =
  | { readonly _tag: "Shared" }
  /** `scopes`: what the token carries. */
  | { readonly _tag: "Device"; readonly scopes: ReadonlyArray<string> }
  | { readonly _tag: "Setup"; readonly token: string }
  | { readonly _tag: "None" }

const make = Effect.fnUntraced(function* (auth: GatewayAuth) {
  const devices = yield* DeviceRegistry
  const config = yield* Config
  const lockout = Lockout.make()
  const secret =
    auth.mode === "none" ? undefined : digest(Redacted.value(auth.mode === "token" ? auth.token : auth.password))

  const sharedMethod: AuthMethod = auth.mode

  const matches = (offered: string | undefined): boolean =>
    secret !== undefined && offered !== undefined && timingSafeEqual(digest(offered), secret)

  /** The device's token, in its own field or, as older clients send it, in `token`. */
  const deviceTokenOf = (attempt: ConnectAttempt, device: DeviceProof.ProvenDevice) => {
    const token = trimmed(attempt.params.auth?.deviceToken) ?? trimmed(attempt.params.auth?.token)
    return token === undefined ? Effect.undefined : devices.verifyToken(device.deviceId, attempt.role, token)
  }

  const credential = Effect.fnUntraced(function* (
    attempt: ConnectAttempt,
    key: string,
    device: DeviceProof.ProvenDevice | undefined
  ) {
    if (auth.mode === "none") return { _tag: "Shared" } as Credential
    const sent = attempt.params.auth
    const offered = offeredSecret(sent, auth.mode)
    if (matches(offered)) {
      yield* lockout.forgive(key)
      return { _tag: "Shared" } as Credential
    }
    if (device !== undefined) {
      const found = yield* deviceTokenOf(attempt, device)
      if (found !== undefined) return { _tag: "Device", scopes: found.scopes } as Credential
    }
    const own = trimmed(sent?.deviceToken)
    // Beside a device token that is wrong a code is not looked at.
    const code = own === undefined && device !== undefined ? trimmed(sent?.bootstrapToken) : undefined
    if (code !== undefined) return { _tag: "Setup", token: code } as Credential
    // What is a device's is nothing without the device: nothing was guessed.
    if (offered === undefined && (own === undefined || device === undefined)) return { _tag: "None" } as Credential
    yield* lockout.failed(key, attempt.local)
    const kind = device !== undefined && own !== undefined ? "device-token" : auth.mode
    return yield* new TokenMismatch({ kind, device: device !== undefined })
  })

  /** Without a device: the secret alone opens the door, and only some clients on this machine keep their scopes. */
  const deviceless = Effect.fnUntraced(function* (attempt: ConnectAttempt, shared: boolean) {
    const { client } = attempt.params
    if (uiClients.has(client.id)) return yield* new DeviceIdentityRequired({ controlUi: true })
    if (!shared || attempt.role === "node") return yield* new DeviceIdentityRequired({ controlUi: false })
    const kept = attempt.local && !attempt.browser && keepsScopes(client)
    const scopes = kept ? scopesOf(attempt.params) : []
    return { role: attempt.role, scopes, method: sharedMethod } satisfies Grant as Grant
  })

  const claimOf = (attempt: ConnectAttempt, device: DeviceProof.ProvenDevice): DeviceClaim => {
    const { client } = attempt.params
    return {
      deviceId: device.deviceId,
      publicKey: device.publicKey,
      role: attempt.role,
      scopes: attempt.role === "node" ? [] : scopesOf(attempt.params),
      clientId: client.id,
      clientMode: client.mode,
      platform: client.platform,
      remoteIp: attempt.address,
      ...(client.displayName === undefined ? undefined : { displayName: client.displayName }),
      ...(client.deviceFamily === undefined ? undefined : { deviceFamily: client.deviceFamily })
    }
  }

  /** `waits`: the client may go on asking until the request is answered. */
  const decided = (claim: DeviceClaim, decision: DeviceDecision, method: AuthMethod) =>
    decision._tag === "PairingRequired"
      ? Effect.fail(
          new PairingRequired({
            reason: decision.reason,
            requestId: decision.requestId,
            deviceId: claim.deviceId,
            requestedRole: claim.role,
            requestedScopes: claim.scopes,
            approvedRoles: decision.approvedRoles,
            approvedScopes: decision.approvedScopes,
            waits:
              claim.role === "operator"
                ? uiClients.has(claim.clientId)
                : method === "bootstrap-token" && decision.reason === "not-paired"
          })
        )
      : Effect.succeed({
          role: claim.role,
          scopes: claim.scopes,
          method,
          deviceId: claim.deviceId,
          deviceToken: decision.token,
          issuedAtMs: decision.issuedAtMs
        } satisfies Grant as Grant)

  const paired = Effect.fnUntraced(function* (claim: DeviceClaim, silent: boolean, method: AuthMethod) {
    return yield* decided(claim, yield* devices.admit(claim, { silent }), method)
  })

  /** Let in for the secret it holds; the token comes along where it was paired for as much before. */
  const unpaired = Effect.fnUntraced(function* (claim: DeviceClaim) {
    const { deviceId, role, scopes } = claim
    const known = yield* devices.known(claim)
    const token = known === undefined ? undefined : { deviceToken: known.token, issuedAtMs: known.issuedAtMs }
    return { role, scopes, method: sharedMethod, deviceId, ...token } satisfies Grant as Grant
  })

  /** A device that shows a setup code: let in for it, or put before an operator like any other. */
  const redeemed = Effect.fnUntraced(function* (
    attempt: ConnectAttempt,
    key: string,
    claim: DeviceClaim,
    token: string,
    silent: boolean
  ) {
    const found = yield* devices.setups.redeem(claim, token, { silent })
    if (found._tag === "Invalid") {
      yield* lockout.failed(key, attempt.local)
      return yield* new TokenMismatch({ kind: "bootstrap-token", device: true })
    }
    const grant = yield* decided(claim, found.decision, "bootstrap-token")
    const { handed, setupId, trusted } = found
    return { ...grant, setup: { setupId, trusted }, deviceTokens: handed } satisfies Grant as Grant
  })

  /** `gateway.nodes.pairing.autoApproveLocal`, as the file says it now. */
  const approvesLocal = Effect.match(config.get, {
    onSuccess: ({ gateway }) => gateway?.nodes?.pairing?.autoApproveLocal !== false,
    onFailure: () => false
  })

  /** The account of the peer's failures, unless it is locked. One that speaks for others shares none with this machine's own. */
  const account = Effect.fnUntraced(function* ({
    address,
    local
  }: {
    readonly address: string
    readonly local: boolean
  }) {
    const key = local ? "local" : lockoutKey(address)
    const wait = yield* lockout.remaining(key)
    return wait > 0 ? yield* new LockedOut({ retryAfterMs: wait }) : key
  })

  const authenticate = Effect.fn("Authenticator.authenticate")(function* (attempt: ConnectAttempt) {
    const { params } = attempt
    const key = yield* account(attempt)
    if (isPage(params.client) && !attempt.browser) {
      return yield* new OriginNotAllowed({ reason: "origin missing or invalid" })
    }
    const now = yield* Clock.currentTimeMillis
    const device =
      params.device === undefined
        ? undefined
        : yield* Effect.fromResult(
            DeviceProof.check(params, params.device, { role: attempt.role, nonce: attempt.nonce, now })
          )
    const proof = yield* credential(attempt, key, device)
    if (device === undefined) return yield* deviceless(attempt, proof._tag === "Shared")
    if (proof._tag === "None") return yield* new AuthRequired({ mode: auth.mode === "password" ? "password" : "token" })
    const claim = claimOf(attempt, device)
    // Pages of others that this Gateway lets in are not this machine's own programs.
    const own = attempt.local && (!attempt.browser || isPage(params.client) || uiClients.has(params.client.id))
    const silent = proof._tag !== "Device" && own && (yield* approvesLocal)
    switch (proof._tag) {
      case "Setup":
        return yield* redeemed(attempt, key, claim, proof.token, silent)
      case "Device":
        if (!claim.scopes.every((scope) => covers(proof.scopes, scope))) return yield* new ScopeMismatch()
        return yield* paired(claim, false, "device-token")
      case "Shared": {
        const backend = attempt.local && !attempt.browser && claim.role === "operator" && isBackend(params.client)
        return yield* backend ? unpaired(claim) : paired(claim, silent, sharedMethod)
      }
    }
  })

  /** The scopes of the operator's device whose token this is. */
  const deviceScopes = Effect.fnUntraced(function* (token: string) {
    for (const { deviceId } of (yield* devices.list).paired) {
      const found = yield* devices.verifyToken(DeviceId.make(deviceId), "operator", token)
      if (found !== undefined) return found.scopes
    }
    return undefined
  })

  const authorize = Effect.fn("Authenticator.authorize")(function* (attempt: HttpAttempt) {
    const key = yield* account(attempt)
    if (auth.mode === "none") return attempt.local ? OperatorScope.literals : []
    const { credential } = attempt
    if (credential === undefined) return yield* new AuthRequired({ mode: auth.mode })
    if (matches(credential)) {
      yield* lockout.forgive(key)
      return OperatorScope.literals
    }
    const scopes = attempt.deviceTokens ? yield* deviceScopes(credential) : undefined
    if (scopes !== undefined) return scopes
    yield* lockout.failed(key, attempt.local)
    return yield* new TokenMismatch({ kind: auth.mode, device: false })
  })

  return Authenticator.of({ mode: auth.mode, authenticate, authorize })
})

export const layer = (auth: GatewayAuth): Layer.Layer<Authenticator, never, DeviceRegistry | Config> =>
  Layer.effect(Authenticator, make(auth))
