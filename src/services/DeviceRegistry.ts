/**
 * Which devices may connect, with which role and scopes; their pairing requests and tokens.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import type { DeviceId } from "../domain/Ids.ts"
import type { PairedDevice, PendingDevice } from "../protocol/methods/devices.ts"
import type { ApproverLacksScope, PairingRequestNotFound, RegistryStorageFailed } from "./NodeRegistry.ts"

/** A device that asks to be let in with a role and scopes; its signature was checked before. */
export interface DeviceClaim {
  readonly deviceId: DeviceId
  readonly publicKey: string
  readonly role: "operator" | "node"
  readonly scopes: ReadonlyArray<string>
  readonly clientId: string
  readonly clientMode: string
  readonly displayName?: string
  readonly platform?: string
  readonly deviceFamily?: string
  readonly remoteIp?: string
}

/** What the registry decides of a claim. */
export type DeviceDecision =
  | { readonly _tag: "Approved"; readonly token: string; readonly issuedAtMs: number }
  | {
      readonly _tag: "PairingRequired"
      readonly requestId: string
      readonly reason: "not-paired" | "role-upgrade" | "scope-upgrade" | "metadata-upgrade"
      readonly approvedRoles: ReadonlyArray<string>
      readonly approvedScopes: ReadonlyArray<string>
    }

/** A device's token for a role was replaced: every connection of that device and role that is older is without ground. */
export interface TokenReplaced {
  readonly deviceId: DeviceId
  readonly role: string
  /** Unix milliseconds of the token that holds now; later than that of every token before it. */
  readonly issuedAtMs: number
}

export class DeviceRegistry extends Context.Service<
  DeviceRegistry,
  {
    /**
     * Decides a claim. `silent` approves it at once (a loopback connection that proved the shared secret); otherwise a
     * device that is not approved for this role and these scopes becomes a pending request.
     */
    readonly admit: (
      claim: DeviceClaim,
      options: { readonly silent: boolean }
    ) => Effect.Effect<DeviceDecision, RegistryStorageFailed>
    /** Whether a device token is this device's live token for the role, and which scopes it carries. Compared in constant time. */
    readonly verifyToken: (
      deviceId: DeviceId,
      role: string,
      token: string
    ) => Effect.Effect<{ readonly scopes: ReadonlyArray<string> } | undefined, RegistryStorageFailed>
    readonly list: Effect.Effect<
      { readonly pending: ReadonlyArray<PendingDevice>; readonly paired: ReadonlyArray<PairedDevice> },
      RegistryStorageFailed
    >
    /**
     * Gives the device what it asked for beside what it had. Asking for more replaces the role's token.
     */
    readonly approve: (
      requestId: string,
      approverScopes: ReadonlyArray<string>
    ) => Effect.Effect<PairedDevice, PairingRequestNotFound | ApproverLacksScope | RegistryStorageFailed>
    readonly reject: (requestId: string) => Effect.Effect<DeviceId, PairingRequestNotFound | RegistryStorageFailed>
    /** Tokens that are replaced after this point, until the scope closes. */
    readonly replacements: Effect.Effect<PubSub.Subscription<TokenReplaced>, never, Scope.Scope>
  }
>()("openclaw/services/DeviceRegistry") {}
