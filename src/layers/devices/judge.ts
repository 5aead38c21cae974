/**
 * What a device's claim comes to: let in, or a request that waits for an operator.
 */
import * as Effect from "effect/Effect"
import type { DeviceId } from "../../domain/Ids.ts"
import { covers, OperatorScope } from "../../protocol/Role.ts"
import type { DeviceClaim, DeviceDecision, TokenReplaced } from "../../services/DeviceRegistry.ts"
import { platformOf } from "../nodes/policy.ts"
import type { DeviceRow, RequestRow, RoleRow } from "./rows.ts"
import { claimOf, type Store } from "./store.ts"

const word = (text: string | null | undefined): string => (text ?? "").trim().toLowerCase()

/** An app that names its system's version, and the node host, which names the same system in two ways. */
const versioned: ReadonlySet<string> = new Set([
  "node-host",
  "openclaw-android",
  "openclaw-ios",
  "openclaw-macos",
  "openclaw-watchos"
])
/** Apps with a window of their own: who updates the system below one that runs here need not be asked. */
const native: ReadonlySet<string> = new Set(["openclaw-android", "openclaw-ios", "openclaw-macos"])

/** One system, whatever its version. */
const sameSystem = (claim: DeviceClaim, before: string | null): boolean => {
  const now = platformOf(claim.platform, undefined)
  return versioned.has(claim.clientId) && now !== "unknown" && now === platformOf(before ?? "", undefined)
}

/** Known once and now said otherwise: another machine may hold the key. */
const moved = (device: DeviceRow, claim: DeviceClaim): boolean => {
  const platform = word(device.platform)
  const family = word(device.device_family)
  return (
    (platform !== "" && platform !== word(claim.platform) && !sameSystem(claim, device.platform)) ||
    (family !== "" && claim.deviceFamily !== undefined && family !== word(claim.deviceFamily))
  )
}

/** Scopes that OpenClaw knows. One that it does not is not given away without a person's look. */
const grantable: ReadonlySet<string> = new Set([
  ...OperatorScope.literals,
  "operator.questions",
  "operator.talk",
  "operator.talk.secrets"
])

/** A decision, and what is to be announced once it is stored. */
export interface Verdict {
  readonly decision: DeviceDecision
  readonly created?: RequestRow | undefined
  readonly replaced?: TokenReplaced | undefined
  /** It was let in without a person; whoever looks after devices is told. */
  readonly silent?: DeviceId | undefined
}

/** What a claim goes beyond; `undefined` when it was approved as it is. */
const beyond = (device: DeviceRow | undefined, role: RoleRow | undefined, claim: DeviceClaim) => {
  if (device === undefined) return "not-paired"
  if (moved(device, claim)) return "metadata-upgrade"
  if (role === undefined || role.revoked_at !== null) return "role-upgrade"
  return claim.scopes.every((scope) => covers(role.scopes, scope)) ? undefined : "scope-upgrade"
}

/** The token of a claim that was approved as it is, if it was, and the one that it may have replaced. */
export const known = (store: Store, claim: DeviceClaim) =>
  Effect.gen(function* () {
    const role = yield* store.role(claim.deviceId, claim.role)
    if (beyond(yield* store.device(claim.deviceId), role, claim) !== undefined) return undefined
    return yield* store.admitted(claim.deviceId, claim.role, claim.scopes)
  })

export const make = (store: Store) =>
  Effect.fnUntraced(function* (claim: DeviceClaim, silent: boolean) {
    const device = yield* store.device(claim.deviceId)
    const roles = yield* store.roles(claim.deviceId)
    const role = roles.find((row) => row.role === claim.role)
    const reason = beyond(device, role, claim)
    if (reason === undefined) {
      if (device?.platform !== claim.platform) yield* store.movedTo(claim.deviceId, claim.platform)
      return (yield* store.admitted(claim.deviceId, claim.role, claim.scopes)) satisfies Verdict as Verdict
    }
    // A second role is never silent: a page that may operate must not become a node, nor a node an operator.
    const secondRole = device !== undefined && role === undefined
    const trusted = !secondRole && (reason !== "metadata-upgrade" || native.has(claim.clientId))
    if (silent && trusted && claim.scopes.every((scope) => grantable.has(scope))) {
      const replaced = yield* store.grant(claim.deviceId, claimOf(claim), "silent")
      const admitted = yield* store.admitted(claim.deviceId, claim.role, claim.scopes)
      return {
        decision: admitted.decision,
        replaced: admitted.replaced ?? replaced,
        silent: claim.deviceId
      } satisfies Verdict as Verdict
    }
    const { created, requestId } = yield* store.ask(claim.deviceId, claimOf(claim), device !== undefined)
    const decision: DeviceDecision = {
      _tag: "PairingRequired",
      requestId,
      reason,
      approvedRoles: roles.map((row) => row.role),
      approvedScopes: Array.from(new Set(roles.flatMap((row) => row.scopes)))
    }
    return { decision, created } satisfies Verdict as Verdict
  })
