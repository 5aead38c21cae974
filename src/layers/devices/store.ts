/**
 * The device tables: who was approved for what, who waits, and which token is good.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Struct from "effect/Struct"
import { DeviceId } from "../../domain/Ids.ts"
import { covers } from "../../protocol/Role.ts"
import type { DeviceClaim, DeviceDecision, TokenReplaced } from "../../services/DeviceRegistry.ts"
import { RegistryStorageFailed } from "../../services/NodeRegistry.ts"
import * as Time from "../now.ts"
import { DeviceRow, issuedAtOf, RequestRow, RoleRow, StoredClaim, tokenScopesOf } from "./rows.ts"
import * as Tokens from "./tokens.ts"

/** A request that nobody answered is forgotten. */
export const REQUEST_TTL_MS = 3_600_000
/** Requests kept at most; the oldest goes first. */
const MAX_REQUESTS = 256

const decodeDevices = Schema.decodeUnknownEffect(Schema.Array(DeviceRow))
const decodeRoles = Schema.decodeUnknownEffect(Schema.Array(RoleRow))
const decodeRequests = Schema.decodeUnknownEffect(Schema.Array(RequestRow))

export const stored = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(
    effect,
    (error) => new RegistryStorageFailed({ message: `the device registry failed: ${error.message}` })
  )

export const claimOf = (claim: DeviceClaim): StoredClaim => Struct.omit(claim, ["deviceId"])

const equalClaims = Schema.toEquivalence(StoredClaim)
/** Wherever it asks from: a phone that roams would otherwise have a new request at every connect. */
const sameClaim = (left: StoredClaim, right: StoredClaim): boolean =>
  equalClaims(Struct.omit(left, ["remoteIp"]), Struct.omit(right, ["remoteIp"]))

/** The scopes beside those that they do not cover, each once. */
export const widened = (had: ReadonlyArray<string>, asked: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...had,
  ...Array.from(new Set(asked)).filter((scope) => !covers(had, scope))
]

export type ApprovedVia = "silent" | "owner" | "bootstrap"

export const make = (tokens: Tokens.Tokens) =>
  Effect.map(SqlClient.SqlClient, (sql) => {
    const device = Effect.fnUntraced(function* (deviceId: string) {
      return (yield* decodeDevices(yield* sql`SELECT * FROM devices WHERE device_id = ${deviceId}`))[0]
    })
    const roles = Effect.fnUntraced(function* (deviceId: string) {
      return yield* decodeRoles(yield* sql`SELECT * FROM device_roles WHERE device_id = ${deviceId} ORDER BY role`)
    })
    const role = Effect.fnUntraced(function* (deviceId: string, name: string) {
      return (yield* roles(deviceId)).find((row) => row.role === name)
    })
    const request = Effect.fnUntraced(function* (requestId: string) {
      const oldest = (yield* Time.now) - REQUEST_TTL_MS
      return (yield* decodeRequests(
        yield* sql`SELECT * FROM device_requests WHERE request_id = ${requestId} AND ts > ${oldest}`
      ))[0]
    })

    /**
     * Gives a role a token that none had before. Never the same time twice, whatever the clock does: by it a connection
     * knows whether its token still holds. The token that was replaced, if any, is returned.
     */
    const putToken = Effect.fnUntraced(function* (
      deviceId: string,
      name: string,
      scopes: ReadonlyArray<string>,
      tokenScopes: ReadonlyArray<string> | null,
      reason: TokenReplaced["reason"]
    ) {
      const before = yield* role(deviceId, name)
      const now = yield* Time.now
      const carried = tokenScopes === null ? null : JSON.stringify(tokenScopes)
      if (before === undefined) {
        yield* sql`
          INSERT INTO device_roles (device_id, role, scopes, token_id, created_at, token_scopes)
          VALUES (${deviceId}, ${name}, ${JSON.stringify(scopes)}, ${Tokens.newTokenId()}, ${now}, ${carried})`
        return undefined
      }
      const issuedAtMs = Math.max(now, issuedAtOf(before) + 1)
      yield* sql`
        UPDATE device_roles SET
          scopes = ${JSON.stringify(scopes)}, token_scopes = ${carried}, token_id = ${Tokens.newTokenId()},
          rotated_at = ${issuedAtMs}, revoked_at = NULL
        WHERE device_id = ${deviceId} AND role = ${name}`
      return {
        deviceId: DeviceId.make(deviceId),
        role: name,
        reason,
        issuedAtMs
      } satisfies TokenReplaced as TokenReplaced
    })

    return {
      sql,
      device,
      roles,
      role,
      request,
      putToken,
      devices: Effect.flatMap(sql`SELECT * FROM devices ORDER BY created_at, device_id`, decodeDevices),
      allRoles: Effect.flatMap(sql`SELECT * FROM device_roles ORDER BY role`, decodeRoles),
      requests: Effect.gen(function* () {
        const oldest = (yield* Time.now) - REQUEST_TTL_MS
        return yield* decodeRequests(yield* sql`SELECT * FROM device_requests WHERE ts > ${oldest} ORDER BY ts`)
      }),

      /**
       * Writes what was approved, beside what was approved before. The token changes only when what it stands for does, or
       * when it was revoked; the token that was replaced by it, if any, is returned.
       */
      grant: Effect.fnUntraced(function* (deviceId: string, claim: StoredClaim, via: ApprovedVia) {
        const now = yield* Time.now
        yield* sql`
          INSERT INTO devices (device_id, public_key, display_name, platform, device_family, client_id, client_mode, remote_ip, approved_via, created_at, approved_at)
          VALUES (${deviceId}, ${claim.publicKey}, ${claim.displayName ?? null}, ${claim.platform ?? null}, ${claim.deviceFamily ?? null}, ${claim.clientId}, ${claim.clientMode}, ${claim.remoteIp ?? null}, ${via}, ${now}, ${now})
          ON CONFLICT (device_id) DO UPDATE SET
            display_name = excluded.display_name, platform = excluded.platform, device_family = excluded.device_family,
            client_id = excluded.client_id, client_mode = excluded.client_mode, remote_ip = excluded.remote_ip,
            approved_via = excluded.approved_via, approved_at = excluded.approved_at`
        const before = yield* role(deviceId, claim.role)
        const had = before?.scopes ?? []
        const scopes = widened(had, claim.scopes)
        if (before !== undefined && before.revoked_at === null && scopes.length === had.length) return undefined
        const narrow = before === undefined || before.revoked_at !== null ? null : before.token_scopes
        const carried = narrow === null ? null : widened(narrow, claim.scopes)
        return yield* putToken(deviceId, claim.role, scopes, carried, "upgraded")
      }),

      /** The same machine, with a newer system. */
      movedTo: (deviceId: string, platform: string | undefined) =>
        sql`UPDATE devices SET platform = ${platform ?? null} WHERE device_id = ${deviceId}`,

      /** The token that holds for a role, made anew when it carries less than is asked for and was approved. */
      admitted: Effect.fnUntraced(function* (deviceId: string, name: string, asked: ReadonlyArray<string>) {
        const now = yield* Time.now
        const before = yield* role(deviceId, name)
        if (before === undefined) return yield* new RegistryStorageFailed({ message: "a row is lost" })
        const carried = tokenScopesOf(before)
        const replaced = asked.every((scope) => covers(carried, scope))
          ? undefined
          : yield* putToken(deviceId, name, before.scopes, widened(carried, asked), "upgraded")
        const row = replaced === undefined ? before : ((yield* role(deviceId, name)) ?? before)
        yield* sql`UPDATE device_roles SET last_used_at = ${now} WHERE device_id = ${deviceId} AND role = ${name}`
        yield* sql`UPDATE devices SET last_seen_at = ${now} WHERE device_id = ${deviceId}`
        const decision: DeviceDecision = {
          _tag: "Approved",
          token: tokens.issue(deviceId, name, row.token_id),
          issuedAtMs: issuedAtOf(row)
        }
        return { decision, replaced }
      }),

      /** The request that stands for this claim: the one that is there when it asks for the same, else a new one. */
      ask: Effect.fnUntraced(function* (deviceId: string, claim: StoredClaim, isRepair: boolean) {
        const now = yield* Time.now
        const asked = JSON.stringify(claim)
        yield* sql`DELETE FROM device_requests WHERE ts <= ${now - REQUEST_TTL_MS}`
        const before = (yield* decodeRequests(
          yield* sql`SELECT * FROM device_requests WHERE device_id = ${deviceId} AND role = ${claim.role}`
        ))[0]
        if (before !== undefined && sameClaim(before.claim, claim)) {
          if (before.claim.remoteIp !== claim.remoteIp) {
            yield* sql`UPDATE device_requests SET claim = ${asked} WHERE request_id = ${before.request_id}`
          }
          return { requestId: before.request_id, created: undefined, superseded: undefined }
        }
        const row: RequestRow = {
          request_id: randomUUID(),
          device_id: deviceId,
          claim,
          is_repair: isRepair ? 1 : 0,
          ts: now
        }
        yield* sql`
          INSERT INTO device_requests (request_id, device_id, role, claim, is_repair, ts)
          VALUES (${row.request_id}, ${row.device_id}, ${claim.role}, ${asked}, ${row.is_repair}, ${now})
          ON CONFLICT (device_id, role) DO UPDATE SET
            request_id = excluded.request_id, claim = excluded.claim, is_repair = excluded.is_repair, ts = excluded.ts`
        yield* sql`
          DELETE FROM device_requests WHERE request_id NOT IN
            (SELECT request_id FROM device_requests ORDER BY ts DESC, request_id LIMIT ${MAX_REQUESTS})`
        return { requestId: row.request_id, created: row, superseded: before?.request_id }
      })
    }
  })

export type Store = Effect.Success<ReturnType<typeof make>>
