/**
 * `device.pair.*`: which devices may connect at all, with which role and scopes.
 *
 * Times are Unix milliseconds.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Name } from "../text.ts"
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
  approvedScopes: Schema.optional(Strings),
  tokens: Schema.optional(Schema.Array(DeviceTokenSummary)),
  createdAtMs: Schema.optional(Schema.Natural),
  approvedAtMs: Schema.optional(Schema.Natural)
})
export type PairedDevice = typeof PairedDevice.Type

const RequestId = Schema.Struct({ requestId: Name })

export const DeviceMethods = RpcGroup.make(
  method("device.pair.list", {
    access: "operator.pairing",
    params: NoParams,
    result: Schema.Struct({ pending: Schema.Array(PendingDevice), paired: Schema.Array(PairedDevice) })
  }),
  method("device.pair.approve", {
    access: "operator.pairing",
    params: RequestId,
    result: Schema.Struct({ requestId: Schema.NonEmptyString, device: PairedDevice })
  }),
  method("device.pair.reject", {
    access: "operator.pairing",
    params: RequestId,
    result: Schema.Struct({ requestId: Schema.NonEmptyString, deviceId: Schema.NonEmptyString })
  })
)
