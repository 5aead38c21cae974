/** Rotating, revoking, removing, naming; who may do what to which device. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Rig from "../gateway/rig.ts"
import { conforms } from "../protocol/published.ts"
import * as Kit from "./kit.ts"

const read = { scopes: ["operator.read"] }
const REMOVED = { code: 4001, reason: "device removed" }

describe("device.token.rotate", () => {
  it.live("C12 an administrator's: the old token and its sockets end, the new one is not shown, others stay", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const mine = Rig.makeDevice()
      const before = yield* kit.device(mine, { scopes: ["operator.read", "operator.write"] })
      const { deviceToken } = before.hello.payload.auth
      const other = yield* kit.device(Rig.makeDevice(), read)
      const rotated = yield* admin.raw.request("device.token.rotate", {
        deviceId: mine.id,
        role: "operator",
        scopes: ["operator.read"]
      })
      conforms("DeviceTokenRotateResult", rotated.payload)
      assert.deepInclude(rotated.payload, { scopes: ["operator.read"], tokenDelivery: "withheld-cross-device" })
      assert.isUndefined(rotated.payload.token)
      assert.deepStrictEqual(yield* before.raw.close, REMOVED)
      assert.isTrue((yield* other.raw.request("node.list")).ok)
      const old = yield* kit.device(mine, { ...read, auth: { deviceToken } })
      assert.strictEqual(old.hello.error?.details.code, "AUTH_DEVICE_TOKEN_MISMATCH")
      // What was approved stays: with the shared secret the device may have it back.
      const narrow = yield* kit.listed(admin.raw, mine.id)
      assert.deepStrictEqual(narrow.tokens[0].scopes, ["operator.read"])
      assert.isNumber(narrow.tokens[0].rotatedAtMs)
      assert.isFalse(narrow.connected)
      const again = yield* kit.device(mine, { scopes: ["operator.write"] }, { afar: true })
      assert.isTrue(again.hello.ok, JSON.stringify(again.hello.error))
    }).pipe(Effect.scoped)
  )

  it.live("C12 a backend that is given its device's token back takes the narrow one, and its sockets, away", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const mine = Rig.makeDevice()
      yield* kit.device(mine, { scopes: ["operator.read", "operator.write"] })
      const only = { role: "operator", scopes: ["operator.read"] }
      yield* admin.raw.request("device.token.rotate", { deviceId: mine.id, ...only })
      const narrow = yield* kit.device(mine, read)
      const { deviceToken } = narrow.hello.payload.auth
      const client = { id: "gateway-client", version: "1", platform: "linux", mode: "backend" }
      const wide = yield* kit.device(mine, { client, scopes: ["operator.write"] })
      assert.notStrictEqual(wide.hello.payload.auth.deviceToken, deviceToken)
      assert.deepStrictEqual(yield* narrow.raw.close, { code: 1008, reason: "device credentials changed" })
      assert.isTrue((yield* wide.raw.request("node.list")).ok)
    }).pipe(Effect.scoped)
  )

  it.live("its own, standing on the token: the new one comes in the answer, then the socket ends", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const mine = Rig.makeDevice()
      const scopes = ["operator.read", "operator.pairing"]
      const first = yield* kit.device(mine, { scopes })
      const { deviceToken } = first.hello.payload.auth
      const { raw } = yield* kit.device(mine, { scopes, auth: { deviceToken } })
      const params = { deviceId: mine.id, role: "operator" }
      const rotated = yield* raw.request("device.token.rotate", params)
      conforms("DeviceTokenRotateResult", rotated.payload)
      assert.strictEqual(rotated.payload.tokenDelivery, "in-band")
      assert.deepStrictEqual(yield* raw.close, REMOVED)
      assert.deepStrictEqual(yield* first.raw.close, REMOVED)
      const next = yield* kit.device(mine, { scopes, auth: { deviceToken: rotated.payload.token } })
      assert.isTrue(next.hello.ok)
    }).pipe(Effect.scoped)
  )

  it.live("C4 nobody gets a token that was not approved, or reaches another device with a device's token", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const [mine, theirs] = [Rig.makeDevice(), Rig.makeDevice()]
      const scopes = ["operator.read", "operator.pairing"]
      const first = yield* kit.device(mine, { scopes })
      yield* kit.device(theirs, { scopes: ["operator.admin"] })
      const { raw } = yield* kit.device(mine, { scopes, auth: { deviceToken: first.hello.payload.auth.deviceToken } })
      const denied = Effect.fnUntraced(function* (by: Rig.Raw, method: string, params: unknown, message: string) {
        const { error } = yield* by.request(method, params)
        assert.deepStrictEqual(error, { code: "INVALID_REQUEST", message }, `${method} ${JSON.stringify(params)}`)
      })
      const rotation = "device token rotation denied"
      const revocation = "device token revocation denied"
      const operator = (deviceId: string) => ({ deviceId, role: "operator" })
      yield* denied(admin.raw, "device.token.rotate", operator("nobody"), rotation)
      yield* denied(admin.raw, "device.token.rotate", { deviceId: mine.id, role: "node" }, rotation)
      const wide = { ...operator(mine.id), scopes: ["operator.admin"] }
      yield* denied(admin.raw, "device.token.rotate", wide, rotation)
      yield* denied(admin.raw, "device.token.revoke", operator("nobody"), revocation)
      yield* denied(raw, "device.token.rotate", operator(theirs.id), rotation)
      yield* denied(raw, "device.token.revoke", operator(theirs.id), revocation)
      yield* denied(raw, "device.token.rotate", { deviceId: mine.id, role: "node" }, rotation)
      yield* denied(raw, "device.pair.remove", { deviceId: theirs.id }, "device pairing removal denied")
      yield* denied(raw, "device.pair.rename", { deviceId: theirs.id, label: "x" }, "device pairing rename denied")
      // With the shared secret too: no more than it holds itself.
      yield* denied(first.raw, "device.token.rotate", operator(theirs.id), rotation)
      const seen = (yield* raw.request("device.pair.list")).payload.paired
      assert.deepStrictEqual(
        seen.map((row: { readonly deviceId: string }) => row.deviceId),
        [mine.id],
        "it is shown itself only"
      )
      const reader = yield* kit.connect({ scopes: ["operator.read"] })
      for (const method of ["device.pair.remove", "device.token.rotate", "device.token.revoke", "device.pair.rename"]) {
        assert.strictEqual((yield* reader.raw.request(method, {})).error?.code, "FORBIDDEN", method)
      }
    }).pipe(Effect.scoped)
  )
})

describe("device.token.revoke", () => {
  it.live("ends the sockets; from afar the device must be approved again, as for a higher role", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const mine = Rig.makeDevice()
      const { hello, raw } = yield* kit.device(mine, read)
      const revoked = yield* admin.raw.request("device.token.revoke", { deviceId: mine.id, role: "operator" })
      assert.deepInclude(revoked.payload, { deviceId: mine.id, role: "operator" })
      assert.isNumber(revoked.payload.revokedAtMs)
      assert.deepStrictEqual(yield* raw.close, REMOVED)
      const { deviceToken } = hello.payload.auth
      const gone = yield* kit.device(mine, { ...read, auth: { deviceToken } })
      assert.strictEqual(gone.hello.error?.details.code, "AUTH_DEVICE_TOKEN_MISMATCH")
      const asks = yield* kit.device(mine, read, { afar: true })
      assert.deepInclude(asks.hello.error?.details, { reason: "role-upgrade", approvedRoles: ["operator"] })
      const { requestId } = asks.hello.error!.details
      assert.isTrue((yield* admin.raw.request("device.pair.approve", { requestId })).ok)
      const back = yield* kit.device(mine, read, { afar: true })
      assert.isTrue(back.hello.ok)
      assert.notStrictEqual(back.hello.payload.auth.deviceToken, deviceToken)
    }).pipe(Effect.scoped)
  )
})

describe("device.pair.remove and rename", () => {
  it.live("a label is shown, stays over a new approval, and everybody is told", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const mine = Rig.makeDevice()
      yield* kit.device(mine, read)
      const named = yield* admin.raw.request("device.pair.rename", { deviceId: mine.id, label: "  Desk " })
      assert.deepStrictEqual(named.payload, { deviceId: mine.id, label: "Desk" })
      yield* admin.raw.event("device.pair.changed")
      yield* kit.device(mine, { scopes: ["operator.write"] })
      assert.deepInclude(yield* kit.listed(admin.raw, mine.id), { operatorLabel: "Desk", connected: true })
      const message = (params: unknown) =>
        Effect.map(admin.raw.request("device.pair.rename", params), ({ error }) => error?.message ?? "")
      assert.strictEqual(yield* message({ deviceId: mine.id, label: "  " }), "label required")
      assert.strictEqual(yield* message({ deviceId: "nobody", label: "x" }), "unknown deviceId")
      assert.include(yield* message({ deviceId: mine.id, label: "x".repeat(65) }), "at /label")
    }).pipe(Effect.scoped)
  )

  it.live("a removed device is forgotten: sockets, tokens, requests and what it may run as a node", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const mine = Rig.makeDevice()
      const { hello, raw } = yield* kit.node(mine)
      const { payload: pending } = yield* admin.raw.event("node.pair.requested")
      yield* admin.raw.request("node.pair.approve", { requestId: pending.requestId })
      const removed = yield* admin.raw.request("device.pair.remove", { deviceId: mine.id })
      assert.deepStrictEqual(removed.payload, { deviceId: mine.id })
      assert.deepStrictEqual(yield* raw.close, REMOVED)
      assert.isUndefined(yield* kit.listed(admin.raw, mine.id))
      assert.deepStrictEqual((yield* admin.raw.request("node.pair.list")).payload, { pending: [], paired: [] })
      const { deviceToken } = hello.payload.auth
      const gone = yield* kit.node(mine, { auth: { deviceToken } })
      assert.strictEqual(gone.hello.error?.details.code, "AUTH_DEVICE_TOKEN_MISMATCH")
      const unknown = yield* admin.raw.request("device.pair.remove", { deviceId: mine.id })
      assert.deepStrictEqual(unknown.error, { code: "INVALID_REQUEST", message: "unknown deviceId" })
    }).pipe(Effect.scoped)
  )
})

describe("device.scopes", () => {
  it.live("a device asks for more while it is connected, waits, and gets its new token before it is closed", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const mine = Rig.makeDevice()
      const { raw } = yield* kit.device(mine, read)
      const scopes = ["operator.read", "operator.admin"]
      const asked = yield* raw.request("device.scopes.requestUpgrade", { scopes })
      conforms("ScopeUpgradeRegistration", asked.payload)
      const { requestId } = asked.payload
      const same = yield* raw.request("device.scopes.requestUpgrade", { scopes })
      assert.strictEqual(same.payload.requestId, requestId)
      raw.send({ type: "req", id: "w", method: "device.scopes.waitUpgrade", params: { requestId } })
      assert.isTrue((yield* admin.raw.request("device.pair.approve", { requestId })).ok)
      const waited = yield* raw.answer("w")
      conforms("ScopeUpgradeResult", waited.payload)
      assert.strictEqual(waited.payload.status, "approved")
      const next = yield* kit.device(mine, { scopes, auth: { deviceToken: waited.payload.deviceToken } })
      assert.isTrue(next.hello.ok)

      const more = yield* next.raw.request("device.scopes.requestUpgrade", { scopes: ["x.more"] })
      yield* admin.raw.request("device.pair.reject", { requestId: more.payload.requestId })
      const late = yield* next.raw.request("device.scopes.waitUpgrade", { requestId: more.payload.requestId })
      assert.deepStrictEqual(late.payload, { status: "rejected", requestId: more.payload.requestId })
      const replaced = yield* next.raw.request("device.scopes.requestUpgrade", { scopes: ["x.one"] })
      yield* next.raw.request("device.scopes.requestUpgrade", { scopes: ["x.two"] })
      const old = yield* next.raw.request("device.scopes.waitUpgrade", { requestId: replaced.payload.requestId })
      assert.strictEqual(old.payload.status, "expired")
      const strange = yield* next.raw.request("device.scopes.waitUpgrade", { requestId: "nobody's" })
      assert.strictEqual(strange.error?.message, "unknown requestId")
      const without = yield* admin.raw.request("device.scopes.requestUpgrade", { scopes })
      assert.strictEqual(without.error?.code, "INVALID_REQUEST")
    }).pipe(Effect.scoped)
  )

  it.live("C12 who waits for more is closed too when the token is taken, and is told nothing more", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const takeAway = [
        { method: "device.token.revoke", more: { role: "operator" } },
        { method: "device.token.rotate", more: { role: "operator" } },
        { method: "device.pair.remove", more: {} }
      ]
      for (const { method, more } of takeAway) {
        const mine = Rig.makeDevice()
        const { raw } = yield* kit.device(mine, read)
        const asked = yield* raw.request("device.scopes.requestUpgrade", { scopes: ["operator.admin"] })
        const { requestId } = asked.payload
        raw.send({ type: "req", id: "w", method: "device.scopes.waitUpgrade", params: { requestId } })
        assert.isTrue((yield* raw.request("health")).ok)
        assert.isTrue((yield* admin.raw.request(method, { deviceId: mine.id, ...more })).ok, method)
        assert.deepStrictEqual((yield* raw.answer("w")).payload, { status: "expired", requestId }, method)
        assert.deepStrictEqual(yield* raw.close, REMOVED, method)
      }
    }).pipe(Effect.scoped)
  )

  it.live("a device token is no way to more: AUTH_SCOPE_MISMATCH, and no request is made of it", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const mine = Rig.makeDevice()
      const { hello } = yield* kit.device(mine, read)
      const { deviceToken } = hello.payload.auth
      const wide = yield* kit.device(mine, { scopes: ["operator.admin"], auth: { deviceToken } })
      assert.deepInclude(wide.hello.error, {
        code: "INVALID_REQUEST",
        message: "unauthorized: device token scope mismatch (re-pair or approve scope upgrade)"
      })
      assert.deepStrictEqual(wide.hello.error?.details, {
        code: "AUTH_SCOPE_MISMATCH",
        authReason: "scope_mismatch",
        canRetryWithDeviceToken: false,
        recommendedNextStep: "review_auth_configuration"
      })
      assert.strictEqual((yield* wide.raw.close).code, 1008)
      assert.deepStrictEqual((yield* admin.raw.request("device.pair.list")).payload.pending, [])
      const role = yield* kit.node(mine, { auth: { deviceToken } })
      assert.strictEqual(role.hello.error?.details.code, "AUTH_DEVICE_TOKEN_MISMATCH")
    }).pipe(Effect.scoped)
  )
})
