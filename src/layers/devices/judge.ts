/**
 * What a device's claim comes to: let in, or a request that waits for an operator.
 */
import * as Effect from "effect/Effect"
import { covers } from "../../protocol/Role.ts"
import type { DeviceClaim, DeviceDecision, TokenReplaced } from "../../services/DeviceRegistry.ts"
import type { RequestRow } from "./rows.ts"
import { claimOf, type Store } from "./store.ts"

/** Known once and now said otherwise: another machine may hold the key. */
const changed = (before: string | null, now: string | undefined): boolean =>
  before !== null && now !== undefined && before.trim().toLowerCase() !== now.trim().toLowerCase()

/** A decision, and what is to be announced once it is stored. */
export interface Verdict {
  readonly decision: DeviceDecision
  readonly created?: RequestRow | undefined
  readonly replaced?: TokenReplaced | undefined
}

export const make = (store: Store) =>
  Effect.fnUntraced(function* (claim: DeviceClaim, silent: boolean) {
    const device = yield* store.device(claim.deviceId)
    const roles = yield* store.roles(claim.deviceId)
    const role = roles.find((row) => row.role === claim.role)
    const reason =
      device === undefined
        ? "not-paired"
        : role === undefined || role.revoked_at !== null
          ? "role-upgrade"
          : changed(device.platform, claim.platform) || changed(device.device_family, claim.deviceFamily)
            ? "metadata-upgrade"
            : claim.scopes.every((scope) => covers(role.scopes, scope))
              ? undefined
              : "scope-upgrade"
    if (reason === undefined) {
      return (yield* store.admitted(claim.deviceId, claim.role, claim.scopes)) satisfies Verdict as Verdict
    }
    // A second role is never silent: a page that may operate must not become a node, nor a node an operator.
    if (silent && (reason !== "role-upgrade" || role !== undefined)) {
      const replaced = yield* store.grant(claim.deviceId, claimOf(claim), "silent")
      const admitted = yield* store.admitted(claim.deviceId, claim.role, claim.scopes)
      return {
        decision: admitted.decision,
        replaced: admitted.replaced ?? replaced
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
