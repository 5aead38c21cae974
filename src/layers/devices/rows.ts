/**
 * Rows of the device tables, decoded, and how clients see them.
 */
import * as Schema from "effect/Schema"
import type { PairedDevice, PendingDevice } from "../../protocol/methods/devices.ts"

const Scopes = Schema.fromJsonString(Schema.Array(Schema.String))
const text = Schema.NullOr(Schema.String)

export const DeviceRow = Schema.Struct({
  device_id: Schema.String,
  public_key: Schema.String,
  display_name: text,
  platform: text,
  device_family: text,
  client_id: Schema.String,
  client_mode: Schema.String,
  remote_ip: text,
  approved_via: Schema.String,
  created_at: Schema.Natural,
  approved_at: Schema.Natural,
  operator_label: text,
  last_seen_at: Schema.NullOr(Schema.Natural)
})
export type DeviceRow = typeof DeviceRow.Type

export const RoleRow = Schema.Struct({
  device_id: Schema.String,
  role: Schema.String,
  scopes: Scopes,
  token_id: Schema.String,
  created_at: Schema.Natural,
  last_used_at: Schema.NullOr(Schema.Natural),
  token_scopes: Schema.NullOr(Scopes),
  rotated_at: Schema.NullOr(Schema.Natural),
  revoked_at: Schema.NullOr(Schema.Natural)
})
export type RoleRow = typeof RoleRow.Type

/** What the role's token carries. */
export const tokenScopesOf = (row: RoleRow): ReadonlyArray<string> => row.token_scopes ?? row.scopes
/** Unix milliseconds of the token that holds now. */
export const issuedAtOf = (row: RoleRow): number => row.rotated_at ?? row.created_at

/** What a device asked for, kept exactly as it was when an operator looks at it. */
export const StoredClaim = Schema.Struct({
  publicKey: Schema.String,
  role: Schema.Literals(["operator", "node"]),
  scopes: Schema.Array(Schema.String),
  clientId: Schema.String,
  clientMode: Schema.String,
  displayName: Schema.optional(Schema.String),
  platform: Schema.optional(Schema.String),
  deviceFamily: Schema.optional(Schema.String),
  remoteIp: Schema.optional(Schema.String)
})
export type StoredClaim = typeof StoredClaim.Type

export const RequestRow = Schema.Struct({
  request_id: Schema.String,
  device_id: Schema.String,
  claim: Schema.fromJsonString(StoredClaim),
  is_repair: Schema.Natural,
  ts: Schema.Natural
})
export type RequestRow = typeof RequestRow.Type

const named = <K extends string>(key: K, value: string | null | undefined): { readonly [P in K]?: string } =>
  value === null || value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: string })

export const pendingOf = ({ claim, device_id, is_repair, request_id, ts }: RequestRow): PendingDevice => ({
  requestId: request_id,
  deviceId: device_id,
  publicKey: claim.publicKey,
  ...named("displayName", claim.displayName),
  ...named("platform", claim.platform),
  ...named("deviceFamily", claim.deviceFamily),
  clientId: claim.clientId,
  clientMode: claim.clientMode,
  role: claim.role,
  roles: [claim.role],
  scopes: claim.scopes,
  ...named("remoteIp", claim.remoteIp),
  silent: false,
  isRepair: is_repair !== 0,
  ts
})

export const pairedOf = (device: DeviceRow, roles: ReadonlyArray<RoleRow>): PairedDevice => {
  const scopes = Array.from(new Set(roles.flatMap((role) => role.scopes)))
  return {
    deviceId: device.device_id,
    publicKey: device.public_key,
    ...named("displayName", device.display_name),
    ...named("operatorLabel", device.operator_label),
    ...named("platform", device.platform),
    ...named("deviceFamily", device.device_family),
    clientId: device.client_id,
    clientMode: device.client_mode,
    ...named("role", roles[0]?.role),
    roles: roles.map((role) => role.role),
    scopes,
    approvedScopes: scopes,
    approvedVia: device.approved_via,
    ...named("remoteIp", device.remote_ip),
    tokens: roles.map((role) => ({
      role: role.role,
      scopes: tokenScopesOf(role),
      createdAtMs: role.created_at,
      ...(role.rotated_at === null ? undefined : { rotatedAtMs: role.rotated_at }),
      ...(role.revoked_at === null ? undefined : { revokedAtMs: role.revoked_at }),
      ...(role.last_used_at === null ? undefined : { lastUsedAtMs: role.last_used_at })
    })),
    createdAtMs: device.created_at,
    approvedAtMs: device.approved_at,
    ...(device.last_seen_at === null
      ? undefined
      : { lastSeenAtMs: device.last_seen_at, lastSeenReason: "connect" as const })
  }
}
