/**
 * Devices in SQLite: who was approved for what, who waits, and whose token is good.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import type * as SqlClient from "effect/sql/SqlClient"
import { DeviceId } from "../../domain/Ids.ts"
import { covers } from "../../protocol/Role.ts"
import { type DeviceClaim, DeviceRegistry, type TokenReplaced } from "../../services/DeviceRegistry.ts"
import { EventBus } from "../../services/EventBus.ts"
import { ApproverLacksScope, PairingRequestNotFound, type RegistryStorageFailed } from "../../services/NodeRegistry.ts"
import type { StateDir } from "../../services/StateDir.ts"
import * as Time from "../now.ts"
import * as Judge from "./judge.ts"
import * as Management from "./management.ts"
import { pairedOf, pendingOf, type RequestRow, tokenScopesOf } from "./rows.ts"
import * as Setups from "./setups.ts"
import * as Store from "./store.ts"
import { stored } from "./store.ts"
import * as Tokens from "./tokens.ts"
import * as Upgrades from "./upgrades.ts"

const make = Effect.gen(function* () {
  const events = yield* EventBus
  const tokens = yield* Tokens.load
  const store = yield* Store.make(tokens)
  const { sql } = store
  const replacements = yield* PubSub.unbounded<TokenReplaced>()
  const judge = Judge.make(store)
  const replace = (replaced: TokenReplaced) => Effect.asVoid(PubSub.publish(replacements, replaced))

  const announce = Effect.fnUntraced(function* ({ created, replaced, silent }: Omit<Judge.Verdict, "decision">) {
    if (silent !== undefined) {
      const answer = { requestId: randomUUID(), deviceId: silent, decision: "approved" as const }
      yield* events.publish("device.pair.resolved", { ...answer, ts: yield* Time.now })
    }
    if (created !== undefined) yield* events.publish("device.pair.requested", pendingOf(created))
    if (replaced !== undefined) yield* replace(replaced)
  })
  const upgrades = yield* Upgrades.make(store, tokens, (created) => announce({ created }), replacements)
  const setups = Setups.make(store, judge, announce, events)
  const management = Management.make(store, tokens, replace, events)

  const admit = Effect.fn("DeviceRegistry.admit")(function* (
    claim: DeviceClaim,
    options: { readonly silent: boolean }
  ) {
    const verdict = yield* stored(sql.withTransaction(judge(claim, options.silent)))
    yield* announce(verdict)
    return verdict.decision
  })

  const known = Effect.fn("DeviceRegistry.known")(function* (claim: DeviceClaim) {
    const found = yield* stored(sql.withTransaction(Judge.known(store, claim)))
    if (found?.replaced !== undefined) yield* replace(found.replaced)
    return found?.decision._tag === "Approved" ? found.decision : undefined
  })

  const verifyToken = Effect.fn("DeviceRegistry.verifyToken")(function* (
    deviceId: DeviceId,
    role: string,
    token: string
  ) {
    const row = yield* stored(store.role(deviceId, role))
    // The comparison runs also for a device that is not known, so that its answer takes as long.
    const holds = tokens.matches(token, deviceId, role, row?.token_id ?? "")
    return row !== undefined && row.revoked_at === null && holds ? { scopes: tokenScopesOf(row) } : undefined
  })

  const list = Effect.gen(function* () {
    const requests = yield* store.requests
    const devices = yield* store.devices
    const roles = yield* store.allRoles
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
    const request = yield* stored(store.request(requestId))
    return request === undefined ? yield* new PairingRequestNotFound({ requestId }) : request
  })

  /** Every scope asked for, and `operator.admin` to let anything in that is no operator, as OpenClaw asks. */
  const checkApprover = (request: RequestRow, approver: ReadonlyArray<string>) => {
    const required = request.claim.role === "operator" ? request.claim.scopes : ["operator.admin"]
    const missing = required.find((scope) => !covers(approver, scope) && !approver.includes("operator.admin"))
    return missing === undefined
      ? Effect.void
      : Effect.fail(
          new ApproverLacksScope({ requestId: request.request_id, missingScope: missing, requiredScopes: required })
        )
  }

  const resolved = Effect.fnUntraced(function* (request: RequestRow, decision: "approved" | "rejected") {
    const ts = yield* Time.now
    const requestId = request.request_id
    const deviceId = request.device_id
    yield* upgrades.answered({ requestId, deviceId, decision })
    yield* events.publish("device.pair.resolved", { requestId, deviceId, decision, ts })
  })

  const approve = Effect.fn("DeviceRegistry.approve")(function* (
    requestId: string,
    approverScopes: ReadonlyArray<string>
  ) {
    const request = yield* find(requestId)
    yield* checkApprover(request, approverScopes)
    const approved = yield* Effect.gen(function* () {
      const taken = yield* sql`DELETE FROM device_requests WHERE request_id = ${requestId} RETURNING request_id`
      if (taken.length === 0) return undefined
      const replaced = yield* store.grant(request.device_id, request.claim, "owner")
      const row = yield* store.device(request.device_id)
      return row === undefined ? undefined : { replaced, device: pairedOf(row, yield* store.roles(request.device_id)) }
    }).pipe(sql.withTransaction, stored)
    if (approved === undefined) return yield* new PairingRequestNotFound({ requestId })
    yield* resolved(request, "approved")
    if (approved.replaced !== undefined) yield* replace(approved.replaced)
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
    ...management,
    admit,
    known,
    verifyToken,
    list,
    approve,
    reject,
    requestUpgrade: upgrades.request,
    awaitUpgrade: upgrades.wait,
    setups,
    replacements: PubSub.subscribe(replacements)
  })
})

/** Needs the migrated state database, the state directory for the token key, and the bus for its events. */
export const layer: Layer.Layer<DeviceRegistry, RegistryStorageFailed, SqlClient.SqlClient | StateDir | EventBus> =
  Layer.effect(DeviceRegistry, make)
