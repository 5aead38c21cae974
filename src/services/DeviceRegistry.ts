/**
 * Which devices may connect, with which role and scopes; their pairing requests and tokens.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import type { DeviceId } from "../domain/Ids.ts"
import * as Schema from "effect/Schema"
import type { PairedDevice, PendingDevice, SetupAccess, SetupOutcome } from "../protocol/methods/devices.ts"
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

/** No device has this id. */
export class DeviceNotFound extends Schema.TaggedError<DeviceNotFound>()("DeviceNotFound", {
  deviceId: Schema.String
}) {
  override get message() {
    return `no device ${this.deviceId} is paired; \`openclaw devices list\` shows those that are`
  }
}

/** The device was never approved for this role, or for these scopes: a token cannot carry more than was approved. */
export class TokenNotGranted extends Schema.TaggedError<TokenNotGranted>()("TokenNotGranted", {
  deviceId: Schema.String,
  role: Schema.String
}) {
  override get message() {
    return `device ${this.deviceId} was not approved for a token of role ${this.role} with these scopes`
  }
}

/** A token for another role than the one that connects. */
export interface HandedToken {
  readonly deviceToken: string
  readonly role: string
  readonly scopes: ReadonlyArray<string>
  /** Unix milliseconds. */
  readonly issuedAtMs: number
}

/** What a setup code is worth to who shows it. */
export type SetupDecision =
  /** Unknown, expired, used, shown by another device before, or not for this role. */
  | { readonly _tag: "Invalid" }
  | {
      readonly _tag: "Decided"
      readonly decision: DeviceDecision
      readonly setupId: string
      /** An administrator made the code for exactly such a device: its first declared commands count as approved. */
      readonly trusted: boolean
      readonly handed: ReadonlyArray<HandedToken>
    }

/** What became of a request for more scopes. */
export type UpgradeOutcome =
  | { readonly status: "approved"; readonly deviceToken: string; readonly scopes: ReadonlyArray<string> }
  | { readonly status: "rejected" | "expired" }

/** A device's token for a role was replaced or taken: every connection of that device and role that is older is without ground. */
export interface TokenReplaced {
  readonly deviceId: DeviceId
  readonly role: string
  /** `upgraded`: it was approved for more. `taken`: an operator rotated, revoked or removed. */
  readonly reason: "upgraded" | "taken"
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
    /** The token of a device that is approved for all that it claims; `undefined` for any other, and nothing is asked for. */
    readonly known: (
      claim: DeviceClaim
    ) => Effect.Effect<{ readonly token: string; readonly issuedAtMs: number } | undefined, RegistryStorageFailed>
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
    /** Gives a device a name of the operator's; it stays when the device pairs again. */
    readonly rename: (deviceId: string, label: string) => Effect.Effect<void, DeviceNotFound | RegistryStorageFailed>
    /** Forgets a device, its tokens and its requests. Its connections end. */
    readonly remove: (deviceId: string) => Effect.Effect<void, DeviceNotFound | RegistryStorageFailed>
    /** Takes one role from a device; without another it is forgotten. `false`: it does not have that role. */
    readonly removeRole: (deviceId: string, role: string) => Effect.Effect<boolean, RegistryStorageFailed>
    /** Replaces a role's token. Without `scopes` the new one carries what the old one did. Connections on the old one end. */
    readonly rotate: (
      deviceId: string,
      role: string,
      scopes?: ReadonlyArray<string>
    ) => Effect.Effect<
      { readonly token: string; readonly scopes: ReadonlyArray<string>; readonly rotatedAtMs: number },
      TokenNotGranted | RegistryStorageFailed
    >
    /** Takes a role's token; the device must be approved anew for it. Connections on it end. Gives Unix milliseconds. */
    readonly revoke: (deviceId: string, role: string) => Effect.Effect<number, TokenNotGranted | RegistryStorageFailed>
    /** The scopes of a role's token, whether or not it was revoked; `undefined` when there is none. */
    readonly tokenScopes: (
      deviceId: string,
      role: string
    ) => Effect.Effect<ReadonlyArray<string> | undefined, RegistryStorageFailed>
    /** Asks for more scopes for a device that is connected as an operator; the request waits for approval. */
    readonly requestUpgrade: (
      deviceId: DeviceId,
      scopes: ReadonlyArray<string>
    ) => Effect.Effect<string, DeviceNotFound | RegistryStorageFailed>
    /** Waits for the answer to a request of this device; `expired` too when the token that it stands on is taken meanwhile. */
    readonly awaitUpgrade: (
      deviceId: DeviceId,
      requestId: string
    ) => Effect.Effect<UpgradeOutcome, PairingRequestNotFound | RegistryStorageFailed>
    readonly setups: {
      /** Makes a code that lets one device in, within ten minutes. `token` is its secret and is nowhere else. */
      readonly issue: (
        access: SetupAccess
      ) => Effect.Effect<
        { readonly setupId: string; readonly token: string; readonly expiresAtMs: number },
        RegistryStorageFailed
      >
      /** Decides the claim of a device that shows a code. The first to show it is the only one that may. */
      readonly redeem: (
        claim: DeviceClaim,
        token: string,
        options: { readonly silent: boolean }
      ) => Effect.Effect<SetupDecision, RegistryStorageFailed>
      /** Notes whether the device was sent what the code handed over. */
      readonly delivered: (setupId: string, sure: boolean) => Effect.Effect<void, RegistryStorageFailed>
      readonly status: (
        setupId: string
      ) => Effect.Effect<
        { readonly completion?: SetupOutcome; readonly deliveryUncertain?: SetupOutcome },
        RegistryStorageFailed
      >
    }
    /** Tokens that are replaced after this point, until the scope closes. */
    readonly replacements: Effect.Effect<PubSub.Subscription<TokenReplaced>, never, Scope.Scope>
  }
>()("openclaw/services/DeviceRegistry") {}
