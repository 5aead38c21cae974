/**
 * Devices in SQLite: who was approved for what, who waits, and whose token is good.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Struct from "effect/Struct"
import { DeviceId } from "../../domain/Ids.ts"
import { OperatorScope, satisfies } from "../../protocol/Role.ts"
import {
  type DeviceClaim,
  type DeviceDecision,
  DeviceRegistry,
  type TokenReplaced
} from "../../services/DeviceRegistry.ts"
import { EventBus } from "../../services/EventBus.ts"
import { ApproverLacksScope, PairingRequestNotFound, RegistryStorageFailed } from "../../services/NodeRegistry.ts"
import type { StateDir } from "../../services/StateDir.ts"
import * as Time from "../now.ts"
import { DeviceRow, pairedOf, pendingOf, RequestRow, RoleRow, StoredClaim } from "./rows.ts"
import * as Tokens from "./tokens.ts"

/** A request that nobody answered is forgotten. */
const REQUEST_TTL_MS = 3_600_000
/** Requests kept at most; the oldest goes first. */
const MAX_REQUESTS = 256

const decodeDevices = Schema.decodeUnknownEffect(Schema.Array(DeviceRow))
const decodeRoles = Schema.decodeUnknownEffect(Schema.Array(RoleRow))
const decodeRequests = Schema.decodeUnknownEffect(Schema.Array(RequestRow))
const isOperatorScope = Schema.is(OperatorScope)

const stored = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(
    effect,
    (error) => new RegistryStorageFailed({ message: `the device registry failed: ${error.message}` })
  )

const claimOf = (claim: DeviceClaim): StoredClaim => Struct.omit(claim, ["deviceId"])

const equalClaims = Schema.toEquivalence(StoredClaim)
/** Wherever it asks from: a phone that roams would otherwise have a new request at every connect. */
const sameClaim = (left: StoredClaim, right: StoredClaim): boolean =>
  equalClaims(Struct.omit(left, ["remoteIp"]), Struct.omit(right, ["remoteIp"]))

/** A scope that we know is covered by a stronger one; an unknown scope only by itself. */
const covered = (granted: ReadonlyArray<string>, scope: string): boolean =>
  isOperatorScope(scope) ? satisfies(granted, scope) : granted.includes(scope)

/** Known once and now said otherwise: another machine may hold the key. */
const changed = (before: string | null, now: string | undefined): boolean =>
  before !== null && now !== undefined && before.trim().toLowerCase() !== now.trim().toLowerCase()

/** A decision, and what is to be announced once it is stored. */
const verdict = (
  decision: DeviceDecision,
  news: { readonly created?: RequestRow | undefined; readonly replaced?: TokenReplaced | undefined } = {}
) => ({ decision, ...news })

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* EventBus
  const tokens = yield* Tokens.load
  const replacements = yield* PubSub.unbounded<TokenReplaced>()

  const deviceRow = Effect.fnUntraced(function* (deviceId: string) {
    return (yield* decodeDevices(yield* sql`SELECT * FROM devices WHERE device_id = ${deviceId}`))[0]
  })
  const roleRows = Effect.fnUntraced(function* (deviceId: string) {
    return yield* decodeRoles(yield* sql`SELECT * FROM device_roles WHERE device_id = ${deviceId} ORDER BY role`)
  })
  const requestRow = Effect.fnUntraced(function* (requestId: string) {
    const oldest = (yield* Time.now) - REQUEST_TTL_MS
    return (yield* decodeRequests(
      yield* sql`SELECT * FROM device_requests WHERE request_id = ${requestId} AND ts > ${oldest}`
    ))[0]
  })

  /**
   * Writes what was approved, beside what was approved before. The token changes only when what it stands for does; the
   * token that was replaced by it, if any, is returned.
   */
  const grant = Effect.fnUntraced(function* (deviceId: string, claim: StoredClaim, via: "silent" | "owner") {
    const now = yield* Time.now
    yield* sql`
      INSERT INTO devices (device_id, public_key, display_name, platform, device_family, client_id, client_mode, remote_ip, approved_via, created_at, approved_at)
      VALUES (${deviceId}, ${claim.publicKey}, ${claim.displayName ?? null}, ${claim.platform ?? null}, ${claim.deviceFamily ?? null}, ${claim.clientId}, ${claim.clientMode}, ${claim.remoteIp ?? null}, ${via}, ${now}, ${now})
      ON CONFLICT (device_id) DO UPDATE SET
        display_name = excluded.display_name, platform = excluded.platform, device_family = excluded.device_family,
        client_id = excluded.client_id, client_mode = excluded.client_mode, remote_ip = excluded.remote_ip,
        approved_via = excluded.approved_via, approved_at = excluded.approved_at`
    const before = (yield* roleRows(deviceId)).find((row) => row.role === claim.role)
    const had = before?.scopes ?? []
    const more = Array.from(new Set(claim.scopes)).filter((scope) => !covered(had, scope))
    if (before !== undefined && more.length === 0) return undefined
    // Never the same time twice, whatever the clock does: by it a connection knows whether its token still holds.
    const issuedAtMs = Math.max(now, (before?.created_at ?? 0) + 1)
    yield* sql`
      INSERT INTO device_roles (device_id, role, scopes, token_id, created_at)
      VALUES (${deviceId}, ${claim.role}, ${JSON.stringify([...had, ...more])}, ${Tokens.newTokenId()}, ${issuedAtMs})
      ON CONFLICT (device_id, role) DO UPDATE SET
        scopes = excluded.scopes, token_id = excluded.token_id, created_at = excluded.created_at, last_used_at = NULL`
    if (before === undefined) return undefined
    return { deviceId: DeviceId.make(deviceId), role: claim.role, issuedAtMs } satisfies TokenReplaced as TokenReplaced
  })

  const approvedAnswer = Effect.fnUntraced(function* (deviceId: string, role: string) {
    const now = yield* Time.now
    const row = (yield* roleRows(deviceId)).find((candidate) => candidate.role === role)
    if (row === undefined) return yield* new RegistryStorageFailed({ message: "the device registry lost a row" })
    yield* sql`UPDATE device_roles SET last_used_at = ${now} WHERE device_id = ${deviceId} AND role = ${role}`
    return {
      _tag: "Approved",
      token: tokens.issue(deviceId, role, row.token_id),
      issuedAtMs: row.created_at
    } satisfies DeviceDecision as DeviceDecision
  })

  /** The request that stands for this claim: the one that is there when it asks for the same, else a new one. */
  const ask = Effect.fnUntraced(function* (claim: DeviceClaim, isRepair: boolean) {
    const now = yield* Time.now
    const asked = JSON.stringify(claimOf(claim))
    yield* sql`DELETE FROM device_requests WHERE ts <= ${now - REQUEST_TTL_MS}`
    const before = (yield* decodeRequests(
      yield* sql`SELECT * FROM device_requests WHERE device_id = ${claim.deviceId} AND role = ${claim.role}`
    ))[0]
    if (before !== undefined && sameClaim(before.claim, claimOf(claim))) {
      if (before.claim.remoteIp !== claim.remoteIp) {
        yield* sql`UPDATE device_requests SET claim = ${asked} WHERE request_id = ${before.request_id}`
      }
      return { requestId: before.request_id, created: undefined }
    }
    const row: RequestRow = {
      request_id: randomUUID(),
      device_id: claim.deviceId,
      claim: claimOf(claim),
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
    return { requestId: row.request_id, created: row }
  })

  const judge = Effect.fnUntraced(function* (claim: DeviceClaim, silent: boolean) {
    const device = yield* deviceRow(claim.deviceId)
    const roles = yield* roleRows(claim.deviceId)
    const role = roles.find((row) => row.role === claim.role)
    const approvedScopes = Array.from(new Set(roles.flatMap((row) => row.scopes)))
    const reason =
      device === undefined
        ? "not-paired"
        : role === undefined
          ? "role-upgrade"
          : !claim.scopes.every((scope) => covered(role.scopes, scope))
            ? "scope-upgrade"
            : changed(device.platform, claim.platform) || changed(device.device_family, claim.deviceFamily)
              ? "metadata-upgrade"
              : undefined
    if (reason === undefined) return verdict(yield* approvedAnswer(claim.deviceId, claim.role))
    // A second role is never silent: a page that may operate must not become a node, nor a node an operator.
    if (silent && reason !== "role-upgrade") {
      const replaced = yield* grant(claim.deviceId, claimOf(claim), "silent")
      return verdict(yield* approvedAnswer(claim.deviceId, claim.role), { replaced })
    }
    const { created, requestId } = yield* ask(claim, device !== undefined)
    const approvedRoles = roles.map((row) => row.role)
    return verdict({ _tag: "PairingRequired", requestId, reason, approvedRoles, approvedScopes }, { created })
  })

  const admit = Effect.fn("DeviceRegistry.admit")(function* (
    claim: DeviceClaim,
    options: { readonly silent: boolean }
  ) {
    const { created, decision, replaced } = yield* stored(sql.withTransaction(judge(claim, options.silent)))
    if (created !== undefined) yield* events.publish("device.pair.requested", pendingOf(created))
    if (replaced !== undefined) yield* PubSub.publish(replacements, replaced)
    return decision
  })

  const verifyToken = Effect.fn("DeviceRegistry.verifyToken")(function* (
    deviceId: DeviceId,
    role: string,
    token: string
  ) {
    const row = (yield* stored(roleRows(deviceId))).find((candidate) => candidate.role === role)
    // The comparison runs also for a device that is not known, so that its answer takes as long.
    const holds = tokens.matches(token, deviceId, role, row?.token_id ?? "")
    return row !== undefined && holds ? { scopes: row.scopes } : undefined
  })

  const list = Effect.gen(function* () {
    const oldest = (yield* Time.now) - REQUEST_TTL_MS
    const requests = yield* decodeRequests(yield* sql`SELECT * FROM device_requests WHERE ts > ${oldest} ORDER BY ts`)
    const devices = yield* decodeDevices(yield* sql`SELECT * FROM devices ORDER BY created_at, device_id`)
    const roles = yield* decodeRoles(yield* sql`SELECT * FROM device_roles ORDER BY role`)
    return {
      pending: requests.map(pendingOf),
      paired: devices.map((device) =>
        pairedOf(
          device,
          roles.filter((role) => role.device_id === device.device_id)
        )
      )
    }
  }).pipe(stored)

  const find = Effect.fnUntraced(function* (requestId: string) {
    const request = yield* stored(requestRow(requestId))
    return request === undefined ? yield* new PairingRequestNotFound({ requestId }) : request
  })

  /** Every scope asked for, and `operator.admin` to let anything in that is no operator, as OpenClaw asks. */
  const checkApprover = (request: RequestRow, approver: ReadonlyArray<string>) => {
    const required = request.claim.role === "operator" ? request.claim.scopes : ["operator.admin"]
    const missing = required.find((scope) => !covered(approver, scope) && !approver.includes("operator.admin"))
    return missing === undefined
      ? Effect.void
      : Effect.fail(
          new ApproverLacksScope({ requestId: request.request_id, missingScope: missing, requiredScopes: required })
        )
  }

  const resolved = (request: RequestRow, decision: "approved" | "rejected") =>
    Effect.flatMap(Time.now, (ts) =>
      events.publish("device.pair.resolved", {
        requestId: request.request_id,
        deviceId: request.device_id,
        decision,
        ts
      })
    )

  const approve = Effect.fn("DeviceRegistry.approve")(function* (
    requestId: string,
    approverScopes: ReadonlyArray<string>
  ) {
    const request = yield* find(requestId)
    yield* checkApprover(request, approverScopes)
    const approved = yield* Effect.gen(function* () {
      const taken = yield* sql`DELETE FROM device_requests WHERE request_id = ${requestId} RETURNING request_id`
      if (taken.length === 0) return undefined
      const replaced = yield* grant(request.device_id, request.claim, "owner")
      const row = yield* deviceRow(request.device_id)
      return row === undefined ? undefined : { replaced, device: pairedOf(row, yield* roleRows(request.device_id)) }
    }).pipe(sql.withTransaction, stored)
    if (approved === undefined) return yield* new PairingRequestNotFound({ requestId })
    if (approved.replaced !== undefined) yield* PubSub.publish(replacements, approved.replaced)
    yield* resolved(request, "approved")
    return approved.device
  })

  const reject = Effect.fn("DeviceRegistry.reject")(function* (requestId: string) {
    const request = yield* find(requestId)
    const taken = yield* stored(sql`DELETE FROM device_requests WHERE request_id = ${requestId} RETURNING request_id`)
    if (taken.length === 0) return yield* new PairingRequestNotFound({ requestId })
    yield* resolved(request, "rejected")
    return DeviceId.make(request.device_id)
  })

  return DeviceRegistry.of({
    admit,
    verifyToken,
    list,
    approve,
    reject,
    replacements: PubSub.subscribe(replacements)
  })
})

/** Needs the migrated state database, the state directory for the token key, and the bus for its events. */
export const layer: Layer.Layer<DeviceRegistry, RegistryStorageFailed, SqlClient.SqlClient | StateDir | EventBus> =
  Layer.effect(DeviceRegistry, make)
