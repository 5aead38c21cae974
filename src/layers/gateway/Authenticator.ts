/**
 * Judges `connect`: lockout first, then the device's proof, then the credential, then what the device was approved for.
 */
import { timingSafeEqual } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
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
import type { ProxyIdentityRefused, TailscaleIdentityRefused } from "../../services/identityErrors.ts"
import { Tailscale } from "../../services/Tailscale.ts"
import { lockoutKey } from "./Addresses.ts"
import * as DeviceProof from "./DeviceProof.ts"
import * as Identities from "./identity.ts"
import { isBackend, isControlUi, isPage, keepsScopes, uiClients } from "./clients.ts"
import { digest, offeredSecret, secretOf, trimmed } from "./secrets.ts"
import * as Lockout from "./Lockout.ts"
import type { GatewayAuth } from "./options.ts"

/** Each scope once. What is signed is the list as it was sent. */
const scopesOf = ({ scopes = [] }: ConnectParams): ReadonlyArray<string> => Array.from(new Set(scopes))

type Credential =
  | { readonly _tag: "Shared" }
  /** `scopes`: what the token carries. */
  | { readonly _tag: "Device"; readonly scopes: ReadonlyArray<string> }
  | { readonly _tag: "Setup"; readonly token: string }
  | { readonly _tag: "Identity"; readonly identity: Identities.Identity }
  | { readonly _tag: "None" }

const make = Effect.fnUntraced(function* (auth: GatewayAuth, identities: Identities.IdentityOptions) {
  const tailscale = yield* Tailscale
  const devices = yield* DeviceRegistry
  const config = yield* Config
  const lockout = Lockout.make()
  const plain = secretOf(auth)
  const secret = plain === undefined ? undefined : digest(plain)
  const proxied = auth.mode === "trusted-proxy"

  const sharedMethod = proxied ? "password" : auth.mode
  const secretKind = auth.mode === "token" ? "token" : "password"

  const matches = (offered: string | undefined): boolean =>
    secret !== undefined && offered !== undefined && timingSafeEqual(digest(offered), secret)

  /** The device's token, in its own field or, as older clients send it, in `token`. */
  const deviceTokenOf = (attempt: ConnectAttempt, device: DeviceProof.ProvenDevice) => {
    const token = trimmed(attempt.params.auth?.deviceToken) ?? trimmed(attempt.params.auth?.token)
    return token === undefined ? Effect.undefined : devices.verifyToken(device.deviceId, attempt.role, token)
  }

  /** Who it is by the proxy's or Tailscale's word; `undefined` where nobody's is asked for. A secret goes before Tailscale's. */
  const identify = Effect.fnUntraced(function* (
    attempt: ConnectAttempt,
    offered: string | undefined
  ): Effect.fn.Return<Result.Result<Identities.Identity, ProxyIdentityRefused | TailscaleIdentityRefused> | undefined> {
    if (proxied) return Identities.byProxy(attempt)
    const asked = identities.allowTailscale && attempt.ingress._tag === "Serve" && offered === undefined
    return asked ? yield* Effect.result(Identities.byTailscale(tailscale, attempt)) : undefined
  })

  const credential = Effect.fnUntraced(function* (
    attempt: ConnectAttempt,
    key: string,
    device: DeviceProof.ProvenDevice | undefined
  ) {
    if (auth.mode === "none") return { _tag: "Shared" } as Credential
    const sent = attempt.params.auth
    const offered = offeredSecret(sent, sharedMethod)
    const own = trimmed(sent?.deviceToken)
    // Beside a device token that is wrong a code is not looked at.
    const code = own === undefined && device !== undefined ? trimmed(sent?.bootstrapToken) : undefined
    const identified = yield* identify(attempt, offered)
    // For a node a code is worth more than who brings it: it is let in without anybody's approval.
    const spends = code !== undefined && attempt.role === "node"
    if (identified !== undefined && Result.isSuccess(identified) && !spends) {
      return { _tag: "Identity", identity: identified.success } as Credential
    }
    if ((!proxied || attempt.local) && matches(offered)) {
      yield* lockout.forgive(key)
      return { _tag: "Shared" } as Credential
    }
    if (device !== undefined) {
      const found = yield* deviceTokenOf(attempt, device)
      if (found !== undefined) return { _tag: "Device", scopes: found.scopes } as Credential
    }
    if (code !== undefined) return { _tag: "Setup", token: code } as Credential
    // What is a device's is nothing without the device: nothing was guessed.
    const guessed = offered !== undefined || (own !== undefined && device !== undefined)
    if (guessed) yield* lockout.failed(key, attempt.local)
    // Who offers a password on this machine is told of that.
    const told = proxied ? !attempt.local || offered === undefined || secret === undefined : !guessed
    if (identified !== undefined && Result.isFailure(identified) && told) return yield* identified.failure
    if (!guessed) return { _tag: "None" } as Credential
    const kind = device !== undefined && own !== undefined ? "device-token" : secretKind
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

  /** Whom the proxy let in and who cannot prove a device, as a browser without keys: nothing that they say of themselves counts. */
  const browsing = Effect.fnUntraced(function* (
    { params: { client }, role }: ConnectAttempt,
    { method }: Identities.Identity
  ) {
    const page = isControlUi(client)
    if (role === "node" || method === "tailscale" || (uiClients.has(client.id) && !page)) {
      return yield* new DeviceIdentityRequired({ controlUi: uiClients.has(client.id) })
    }
    return { role, scopes: [], method } satisfies Grant as Grant
  })

  const claimOf = (attempt: ConnectAttempt, device: DeviceProof.ProvenDevice): DeviceClaim => {
    const { client } = attempt.params
    return {
      deviceId: device.deviceId,
      publicKey: device.publicKey,
      role: attempt.role,
      scopes: attempt.role === "node" ? [] : Identities.capped(scopesOf(attempt.params), attempt.scopeCap),
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

  /** Let in for what it showed besides; the token comes along where it was paired for as much before. */
  const unpaired = Effect.fnUntraced(function* (claim: DeviceClaim, method: AuthMethod) {
    const { deviceId, role, scopes } = claim
    const known = yield* devices.known(claim)
    const token = known === undefined ? undefined : { deviceToken: known.token, issuedAtMs: known.issuedAtMs }
    return { role, scopes, method, deviceId, ...token } satisfies Grant as Grant
  })

  /** Let in by somebody's word: with what the device has, and what is given to them by name, within what the proxy allows. */
  const vouched = Effect.fnUntraced(function* (
    attempt: ConnectAttempt,
    identity: Identities.Identity,
    claim: DeviceClaim | undefined
  ) {
    const { method, user } = identity
    const trusted = method === "tailscale" && attempt.role === "operator" && isControlUi(attempt.params.client)
    const grant =
      claim === undefined
        ? yield* browsing(attempt, identity)
        : yield* trusted ? unpaired(claim, method) : paired(claim, false, method)
    const scopes = Identities.capped(
      Array.from(new Set([...grant.scopes, ...Identities.scopesOf(identities, identity, attempt.role)])),
      attempt.scopeCap
    )
    return { ...grant, scopes, user } satisfies Grant as Grant
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
    yield* Identities.attributed(attempt, auth.mode === "none")
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
    const claim = device === undefined ? undefined : claimOf(attempt, device)
    if (proof._tag === "Identity") return yield* vouched(attempt, proof.identity, claim)
    if (claim === undefined) return yield* deviceless(attempt, proof._tag === "Shared")
    if (proof._tag === "None") return yield* new AuthRequired({ mode: secretKind })
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
        return yield* backend ? unpaired(claim, sharedMethod) : paired(claim, silent, sharedMethod)
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
    yield* Identities.attributed(attempt, auth.mode === "none")
    const key = yield* account(attempt)
    if (auth.mode === "none") return attempt.local ? OperatorScope.literals : []
    const { credential } = attempt
    const user = auth.mode === "trusted-proxy" ? Identities.byProxy(attempt) : undefined
    if (user !== undefined && Result.isSuccess(user)) {
      return Identities.capped(OperatorScope.literals, attempt.scopeCap)
    }
    if (credential === undefined) {
      return yield* user === undefined ? new AuthRequired({ mode: secretKind }) : user.failure
    }
    if ((!proxied || attempt.local) && matches(credential)) {
      yield* lockout.forgive(key)
      return OperatorScope.literals
    }
    const scopes = attempt.deviceTokens ? yield* deviceScopes(credential) : undefined
    if (scopes !== undefined) return scopes
    yield* lockout.failed(key, attempt.local)
    return yield* user === undefined || attempt.local
      ? new TokenMismatch({ kind: secretKind, device: false })
      : user.failure
  })

  return Authenticator.of({ mode: auth.mode, authenticate, authorize })
})

export const layer = (
  auth: GatewayAuth,
  identities: Identities.IdentityOptions = Identities.noIdentity
): Layer.Layer<Authenticator, never, DeviceRegistry | Config | Tailscale> =>
  Layer.effect(Authenticator, make(auth, identities))
