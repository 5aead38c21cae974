/**
 * What operators do with devices that are paired: name them, take their tokens, forget them.
 */
import * as Effect from "effect/Effect"
import { DeviceId } from "../../domain/Ids.ts"
import { covers } from "../../protocol/Role.ts"
import { DeviceNotFound, TokenNotGranted, type TokenReplaced } from "../../services/DeviceRegistry.ts"
import type { EventBus } from "../../services/EventBus.ts"
import * as Time from "../now.ts"
import { issuedAtOf, type RoleRow, tokenScopesOf } from "./rows.ts"
import { type Store, stored } from "./store.ts"
import type { Tokens } from "./tokens.ts"

export const make = (
  store: Store,
  tokens: Tokens,
  taken: (replaced: TokenReplaced) => Effect.Effect<void>,
  events: EventBus["Service"]
) => {
  const { sql } = store

  /** The token of this role is no more: what stands on it ends. */
  const gone = (row: RoleRow, now: number): TokenReplaced => ({
    deviceId: DeviceId.make(row.device_id),
    role: row.role,
    reason: "taken",
    issuedAtMs: Math.max(now, issuedAtOf(row) + 1)
  })

  const forget = Effect.fnUntraced(function* (deviceId: string) {
    yield* sql`DELETE FROM device_requests WHERE device_id = ${deviceId}`
    yield* sql`DELETE FROM device_roles WHERE device_id = ${deviceId}`
    yield* sql`DELETE FROM devices WHERE device_id = ${deviceId}`
  })

  return {
    rename: Effect.fn("DeviceRegistry.rename")(function* (deviceId: string, label: string) {
      const rows = yield* stored(
        sql`UPDATE devices SET operator_label = ${label} WHERE device_id = ${deviceId} RETURNING device_id`
      )
      if (rows.length === 0) return yield* new DeviceNotFound({ deviceId })
      yield* events.publish("device.pair.changed", {})
    }),

    remove: Effect.fn("DeviceRegistry.remove")(function* (deviceId: string) {
      const now = yield* Time.now
      const roles = yield* Effect.gen(function* () {
        if ((yield* store.device(deviceId)) === undefined) return undefined
        const rows = yield* store.roles(deviceId)
        yield* forget(deviceId)
        return rows
      }).pipe(sql.withTransaction, stored)
      if (roles === undefined) return yield* new DeviceNotFound({ deviceId })
      yield* Effect.logInfo("a device was removed").pipe(Effect.annotateLogs({ deviceId }))
      yield* Effect.forEach(roles, (row) => taken(gone(row, now)), { discard: true })
    }),

    removeRole: Effect.fn("DeviceRegistry.removeRole")(function* (deviceId: string, role: string) {
      const now = yield* Time.now
      const row = yield* Effect.gen(function* () {
        const roles = yield* store.roles(deviceId)
        const found = roles.find((candidate) => candidate.role === role)
        if (found === undefined) return undefined
        if (roles.length === 1) yield* forget(deviceId)
        else {
          yield* sql`DELETE FROM device_roles WHERE device_id = ${deviceId} AND role = ${role}`
          yield* sql`DELETE FROM device_requests WHERE device_id = ${deviceId} AND role = ${role}`
        }
        return found
      }).pipe(sql.withTransaction, stored)
      if (row === undefined) return false
      yield* taken(gone(row, now))
      return true
    }),

    rotate: Effect.fn("DeviceRegistry.rotate")(function* (
      deviceId: string,
      role: string,
      scopes?: ReadonlyArray<string>
    ) {
      const rotated = yield* Effect.gen(function* () {
        const row = yield* store.role(deviceId, role)
        if (row === undefined) return undefined
        const wanted = Array.from(new Set(scopes ?? tokenScopesOf(row)))
        if (!wanted.every((scope) => covers(row.scopes, scope))) return undefined
        const replaced = yield* store.putToken(deviceId, role, row.scopes, wanted, "taken")
        const now = yield* store.role(deviceId, role)
        return replaced === undefined || now === undefined ? undefined : { replaced, now, wanted }
      }).pipe(sql.withTransaction, stored)
      if (rotated === undefined) return yield* new TokenNotGranted({ deviceId, role })
      yield* taken(rotated.replaced)
      return {
        token: tokens.issue(deviceId, role, rotated.now.token_id),
        scopes: rotated.wanted,
        rotatedAtMs: issuedAtOf(rotated.now)
      }
    }),

    revoke: Effect.fn("DeviceRegistry.revoke")(function* (deviceId: string, role: string) {
      const now = yield* Time.now
      const row = yield* Effect.gen(function* () {
        const found = yield* store.role(deviceId, role)
        if (found === undefined) return undefined
        yield* sql`UPDATE device_roles SET revoked_at = ${now} WHERE device_id = ${deviceId} AND role = ${role}`
        return found
      }).pipe(sql.withTransaction, stored)
      if (row === undefined) return yield* new TokenNotGranted({ deviceId, role })
      yield* taken(gone(row, now))
      return now
    }),

    tokenScopes: Effect.fn("DeviceRegistry.tokenScopes")(function* (deviceId: string, role: string) {
      const row = yield* stored(store.role(deviceId, role))
      return row === undefined ? undefined : tokenScopesOf(row)
    })
  }
}
