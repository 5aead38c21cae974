/**
 * `device.*`: which devices may connect at all, with which role and scopes; their tokens; codes that let a new one in.
 *
 * Times are Unix milliseconds.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Address, Name } from "../text.ts"
import { method, NoParams } from "./method.ts"

const Strings = Schema.Array(Schema.String)

const identity = {
  deviceId: Schema.NonEmptyString,
  publicKey: Schema.optional(Schema.String),
  displayName: Schema.optional(Schema.String),
  platform: Schema.optional(Schema.String),
  deviceFamily: Schema.optional(Schema.String),
  clientId: Schema.optional(Schema.String),
  clientMode: Schema.optional(Schema.String),
  role: Schema.optional(Schema.String),
  roles: Schema.optional(Strings),
  scopes: Schema.optional(Strings),
  remoteIp: Schema.optional(Schema.String)
}

export const PendingDevice = Schema.Struct({
  requestId: Schema.NonEmptyString,
  ...identity,
  silent: Schema.optional(Schema.Boolean),
  isRepair: Schema.optional(Schema.Boolean),
  ts: Schema.Natural
})
export type PendingDevice = typeof PendingDevice.Type

/** One issued token, without its secret. */
export const DeviceTokenSummary = Schema.Struct({
  role: Schema.String,
  scopes: Strings,
  createdAtMs: Schema.Natural,
  rotatedAtMs: Schema.optional(Schema.Natural),
  revokedAtMs: Schema.optional(Schema.Natural),
  lastUsedAtMs: Schema.optional(Schema.Natural)
})

export const PairedDevice = Schema.Struct({
  ...identity,
  /** What an operator calls it; shown before its own name. */
  operatorLabel: Schema.optional(Schema.String),
  /** `silent` (this machine, with the shared secret), `owner` (an operator approved it), `bootstrap` (a setup code). */
  approvedVia: Schema.optional(Schema.String),
  approvedScopes: Schema.optional(Strings),
  tokens: Schema.optional(Schema.Array(DeviceTokenSummary)),
  createdAtMs: Schema.optional(Schema.Natural),
  approvedAtMs: Schema.optional(Schema.Natural),
  lastSeenAtMs: Schema.optional(Schema.Natural),
  lastSeenReason: Schema.optional(Schema.String),
  connected: Schema.optional(Schema.Boolean)
})
export type PairedDevice = typeof PairedDevice.Type

/** What a setup code hands over: a node with a full or a limited operator token, or a node alone. */
export const SetupAccess = Schema.Literals(["full", "limited", "node"])
export type SetupAccess = typeof SetupAccess.Type

/** What became of a setup code; the event of a device that was let in by one. */
export const SetupOutcome = Schema.Struct({
  setupId: Schema.NonEmptyString,
  deviceId: Schema.NonEmptyString,
  deviceName: Schema.optional(Schema.NonEmptyString),
  access: SetupAccess,
  ts: Schema.Natural
})
export type SetupOutcome = typeof SetupOutcome.Type

const RequestId = Schema.Struct({ requestId: Name })
const DeviceOfId = Schema.Struct({ deviceId: Name })
const LABEL_LENGTH = 64

export const DeviceMethods = RpcGroup.make(
  /** The paired devices, and the requests that wait. */
  method("device.pair.list", {
    access: "operator.pairing",
    params: NoParams,
    result: Schema.Struct({ pending: Schema.Array(PendingDevice), paired: Schema.Array(PairedDevice) })
  }),
  /** Lets a device in, with the role and the scopes that it asked for. */
  method("device.pair.approve", {
    access: "operator.pairing",
    params: RequestId,
    result: Schema.Struct({ requestId: Schema.NonEmptyString, device: PairedDevice })
  }),
  /** Refuses a device's request. */
  method("device.pair.reject", {
    access: "operator.pairing",
    params: RequestId,
    result: Schema.Struct({ requestId: Schema.NonEmptyString, deviceId: Schema.NonEmptyString })
  }),
  /** Forgets a device: its tokens open nothing any longer, and its connections end. */
  method("device.pair.remove", {
    access: "operator.pairing",
    params: DeviceOfId,
    result: Schema.Struct({ deviceId: Schema.NonEmptyString })
  }),
  /** Gives a device a label that people read. */
  method("device.pair.rename", {
    access: "operator.pairing",
    params: Schema.Struct({ deviceId: Name, label: Name.pipe(Schema.check(Schema.isMaxLength(LABEL_LENGTH))) }),
    result: Schema.Struct({ deviceId: Schema.NonEmptyString, label: Schema.NonEmptyString })
  }),
  /** Replaces a device's token for a role; the old one opens nothing any longer. */
  method("device.token.rotate", {
    access: "operator.pairing",
    params: Schema.Struct({ deviceId: Name, role: Name, scopes: Schema.optional(Schema.Array(Name)) }),
    result: Schema.Struct({
      deviceId: Schema.NonEmptyString,
      role: Schema.NonEmptyString,
      /** Only for who asks for its own device on the strength of the token that is replaced. */
      token: Schema.optional(Schema.NonEmptyString),
      scopes: Strings,
      rotatedAtMs: Schema.Natural,
      tokenDelivery: Schema.optional(Schema.Literals(["in-band", "withheld-cross-device"]))
    })
  }),
  /** Takes a device's token for a role away, and ends the connections that came by it. */
  method("device.token.revoke", {
    access: "operator.pairing",
    params: Schema.Struct({ deviceId: Name, role: Name }),
    result: Schema.Struct({
      deviceId: Schema.NonEmptyString,
      role: Schema.NonEmptyString,
      revokedAtMs: Schema.Natural
    })
  }),
  /** Makes a code, and a QR picture where asked, by which a phone finds this Gateway and is paired at once. */
  method("device.pair.setupCode", {
    access: "operator.admin",
    params: Schema.Struct({
      publicUrl: Schema.optional(Address),
      preferRemoteUrl: Schema.optional(Schema.Boolean),
      includeQr: Schema.optional(Schema.Boolean),
      bootstrapProfile: Schema.optional(Schema.Literals(["limited", "node"]))
    }),
    result: Schema.Struct({
      setupId: Schema.optional(Schema.NonEmptyString),
      setupCode: Schema.NonEmptyString,
      qrDataUrl: Schema.optional(Schema.String),
      gatewayUrl: Schema.NonEmptyString,
      auth: Schema.Literals(["token", "password"]),
      urlSource: Schema.NonEmptyString,
      access: Schema.optional(SetupAccess),
      /** Less than was asked for, because the address is not encrypted. */
      accessDowngraded: Schema.optional(Schema.Boolean),
      expiresAtMs: Schema.optional(Schema.Natural)
    })
  }),
  /** What became of a setup code. */
  method("device.pair.setupStatus", {
    access: "operator.admin",
    params: Schema.Struct({ setupId: Name.pipe(Schema.check(Schema.isMaxLength(128))) }),
    result: Schema.Struct({
      completion: Schema.optional(SetupOutcome),
      deliveryUncertain: Schema.optional(SetupOutcome)
    }),
    repeat: "safe"
  }),
  /** A device asks for more scopes than it has; somebody has to approve it. */
  method("device.scopes.requestUpgrade", {
    access: "operator.read",
    params: Schema.Struct({
      scopes: Schema.Array(Name).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(8), Schema.isUnique()))
    }),
    result: Schema.Struct({ requestId: Schema.NonEmptyString }),
    repeat: "safe"
  }),
  /** Waits until a request for scopes is decided. */
  method("device.scopes.waitUpgrade", {
    access: "operator.read",
    params: RequestId,
    result: Schema.Union([
      Schema.Struct({
        status: Schema.Literal("approved"),
        requestId: Schema.NonEmptyString,
        deviceToken: Schema.NonEmptyString,
        scopes: Strings
      }),
      Schema.Struct({ status: Schema.Literals(["rejected", "expired"]), requestId: Schema.NonEmptyString })
    ]),
    repeat: "safe"
  })
)
