/** The device registry over SQLite. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import { DeviceId } from "../../src/domain/Ids.ts"
import { type DeviceClaim, DeviceRegistry } from "../../src/services/DeviceRegistry.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { StateDir } from "../../src/services/StateDir.ts"
import { devices } from "./services.ts"

const claim = (change: Partial<DeviceClaim> = {}): DeviceClaim => ({
  deviceId: DeviceId.make("d1"),
  publicKey: "key",
  role: "operator",
  scopes: ["operator.read"],
  clientId: "openclaw-tui",
  clientMode: "ui",
  platform: "linux",
  ...change
})
const afar = { silent: false }
const admin = ["operator.admin"]

const requestId = Effect.fnUntraced(function* (asked: DeviceClaim) {
  const decision = yield* (yield* DeviceRegistry).admit(asked, afar)
  return decision._tag === "PairingRequired" ? decision.requestId : assert.fail("admitted")
})

describe("devices", () => {
  it.effect("silent: approved at once, the same token every time, none in the database", () =>
    Effect.gen(function* () {
      const registry = yield* DeviceRegistry
      const first = yield* registry.admit(claim(), { silent: true })
      const second = yield* registry.admit(claim(), afar)
      if (first._tag !== "Approved" || second._tag !== "Approved") return assert.fail("not approved")
      assert.strictEqual(first.token, second.token)
      assert.deepStrictEqual(yield* registry.verifyToken(DeviceId.make("d1"), "operator", first.token), {
        scopes: ["operator.read"]
      })
      assert.isUndefined(yield* registry.verifyToken(DeviceId.make("d1"), "node", first.token))
      assert.isUndefined(yield* registry.verifyToken(DeviceId.make("d2"), "operator", first.token))
      assert.isUndefined(yield* registry.verifyToken(DeviceId.make("d1"), "operator", ""))
      const sql = yield* SqlClient.SqlClient
      const dump = JSON.stringify([yield* sql`SELECT * FROM devices`, yield* sql`SELECT * FROM device_roles`])
      assert.notInclude(dump, first.token)
      assert.isString(yield* (yield* StateDir).read("device-token.key"))
    }).pipe(Effect.provide(devices))
  )

  it.effect("from afar: one request per claim, events, approval, then in", () =>
    Effect.gen(function* () {
      const registry = yield* DeviceRegistry
      const events = yield* (yield* EventBus).subscribe
      const id = yield* requestId(claim())
      assert.strictEqual(yield* requestId(claim()), id, "asking the same again is the same request")
      const asked = yield* PubSub.take(events)
      assert.strictEqual(asked.event, "device.pair.requested")
      assert.deepStrictEqual(
        (yield* registry.list).pending.map((row) => row.requestId),
        [id]
      )
      const device = yield* registry.approve(id, admin)
      assert.deepStrictEqual(device.roles, ["operator"])
      assert.deepStrictEqual(
        device.tokens?.map((token) => token.scopes),
        [["operator.read"]]
      )
      const resolved = yield* PubSub.take(events)
      assert.deepStrictEqual(
        [resolved.event, "decision" in resolved.payload && resolved.payload.decision],
        ["device.pair.resolved", "approved"]
      )
      assert.strictEqual((yield* registry.admit(claim(), afar))._tag, "Approved")
      const again = yield* Effect.flip(registry.approve(id, admin))
      assert.strictEqual(again._tag, "PairingRequestNotFound", "C13 approving twice")
    }).pipe(Effect.scoped, Effect.provide(devices))
  )

  it.effect("C13 an approver with fewer rights is refused, and the grant is what was reviewed", () =>
    Effect.gen(function* () {
      const registry = yield* DeviceRegistry
      const id = yield* requestId(claim({ scopes: ["operator.write"] }))
      const lacking = yield* Effect.flip(registry.approve(id, ["operator.pairing", "operator.read"]))
      assert.strictEqual(lacking._tag, "ApproverLacksScope")
      assert.include(lacking.message, "operator.write")
      // While the operator reads, the device comes back and asks for more.
      const wider = yield* requestId(claim({ scopes: ["operator.admin"] }))
      assert.notStrictEqual(wider, id)
      assert.strictEqual((yield* Effect.flip(registry.approve(id, admin)))._tag, "PairingRequestNotFound")
      assert.strictEqual((yield* Effect.flip(registry.approve(wider, ["operator.write"])))._tag, "ApproverLacksScope")
      const node = yield* requestId(claim({ role: "node", scopes: [], deviceId: DeviceId.make("d2") }))
      assert.strictEqual((yield* Effect.flip(registry.approve(node, ["operator.pairing"])))._tag, "ApproverLacksScope")
      assert.strictEqual(yield* registry.reject(node), "d2")
      assert.strictEqual((yield* Effect.flip(registry.reject(node)))._tag, "PairingRequestNotFound")
    }).pipe(Effect.provide(devices))
  )

  it.effect("C6 no scopes are none, and more later is an upgrade", () =>
    Effect.gen(function* () {
      const registry = yield* DeviceRegistry
      yield* registry.admit(claim({ scopes: [] }), { silent: true })
      assert.deepStrictEqual((yield* registry.list).paired[0]?.scopes, [])
      const decision = yield* registry.admit(claim(), afar)
      assert.strictEqual(decision._tag === "PairingRequired" ? decision.reason : "", "scope-upgrade")
      const before = yield* registry.admit(claim({ scopes: [] }), afar)
      const silent = yield* registry.admit(claim(), { silent: true })
      if (before._tag !== "Approved" || silent._tag !== "Approved") return assert.fail("not approved")
      assert.notStrictEqual(before.token, silent.token)
      assert.isUndefined(
        yield* registry.verifyToken(DeviceId.make("d1"), "operator", before.token),
        "the token for less is void"
      )
    }).pipe(Effect.provide(devices))
  )

  it.effect("C12 an approval adds to what the device had, and says whose token it replaced", () =>
    Effect.gen(function* () {
      const registry = yield* DeviceRegistry
      const replacements = yield* registry.replacements
      yield* registry.approve(yield* requestId(claim({ scopes: ["operator.read", "operator.write"] })), admin)
      const first = yield* registry.admit(claim(), afar)
      if (first._tag !== "Approved") return assert.fail("not approved")
      const moved = yield* requestId(claim({ platform: "windows" }))
      assert.deepStrictEqual((yield* registry.approve(moved, admin)).scopes, ["operator.read", "operator.write"])
      assert.isDefined(yield* registry.verifyToken(DeviceId.make("d1"), "operator", first.token), "nothing was added")
      const more = yield* requestId(claim({ platform: "windows", scopes: ["operator.read", "x.custom"] }))
      assert.deepStrictEqual((yield* registry.approve(more, admin)).scopes, [
        "operator.read",
        "operator.write",
        "x.custom"
      ])
      assert.isUndefined(yield* registry.verifyToken(DeviceId.make("d1"), "operator", first.token))
      const replaced = yield* PubSub.take(replacements)
      assert.deepStrictEqual([replaced.deviceId, replaced.role], ["d1", "operator"])
      assert.isAbove(replaced.issuedAtMs, first.issuedAtMs, "although the clock stood still")
      yield* registry.admit(claim({ platform: "windows", scopes: ["operator.questions"] }), { silent: true })
      assert.isAbove((yield* PubSub.take(replacements)).issuedAtMs, replaced.issuedAtMs)
    }).pipe(Effect.scoped, Effect.provide(devices))
  )

  it.effect("C13 a device that roams keeps its request, wherever it asks from", () =>
    Effect.gen(function* () {
      const registry = yield* DeviceRegistry
      const id = yield* requestId(claim({ remoteIp: "192.0.2.1" }))
      assert.strictEqual(yield* requestId(claim({ remoteIp: "198.51.100.7" })), id)
      assert.strictEqual((yield* registry.list).pending[0]?.remoteIp, "198.51.100.7")
      assert.strictEqual((yield* registry.approve(id, admin)).deviceId, "d1")
    }).pipe(Effect.provide(devices))
  )

  it.effect("a second role is never silent, nor a changed machine", () =>
    Effect.gen(function* () {
      const registry = yield* DeviceRegistry
      yield* registry.admit(claim(), { silent: true })
      const role = yield* registry.admit(claim({ role: "node", scopes: [] }), { silent: true })
      if (role._tag !== "PairingRequired") return assert.fail("admitted")
      assert.deepStrictEqual(
        [role.reason, role.approvedRoles, role.approvedScopes],
        ["role-upgrade", ["operator"], ["operator.read"]]
      )
      const moved = yield* registry.admit(claim({ platform: "windows" }), afar)
      assert.strictEqual(moved._tag === "PairingRequired" ? moved.reason : "", "metadata-upgrade")
      assert.strictEqual((yield* registry.admit(claim({ platform: " LINUX" }), afar))._tag, "Approved")
      const here = yield* registry.admit(claim({ platform: "windows" }), { silent: true })
      assert.strictEqual(here._tag === "PairingRequired" ? here.reason : "", "metadata-upgrade")
      const node = yield* registry.admit(claim({ platform: "windows", role: "node", scopes: [] }), afar)
      assert.strictEqual(node._tag === "PairingRequired" ? node.reason : "", "metadata-upgrade", "before the role")
    }).pipe(Effect.provide(devices))
  )

  it.effect("a newer system, or its other name, is the same machine; an app of this machine need not ask", () =>
    Effect.gen(function* () {
      const registry = yield* DeviceRegistry
      const pair = (change: Partial<DeviceClaim>) => registry.admit(claim(change), { silent: true })
      const later = (change: Partial<DeviceClaim>) =>
        Effect.map(registry.admit(claim(change), afar), (decision) => decision._tag)
      const phone = { deviceId: DeviceId.make("p"), clientId: "openclaw-ios", deviceFamily: "iPhone" }
      yield* pair({ ...phone, platform: "iOS 18.0" })
      assert.strictEqual(yield* later({ ...phone, platform: "iOS 18.1" }), "Approved")
      const row = (yield* registry.list).paired.find(({ deviceId }) => deviceId === "p")
      assert.strictEqual(row?.platform, "iOS 18.1", "and it is shown")
      assert.strictEqual(yield* later({ ...phone, platform: "android 15" }), "PairingRequired")
      assert.strictEqual((yield* pair({ ...phone, platform: "android 15" }))._tag, "Approved", "on this machine")
      const host = { deviceId: DeviceId.make("h"), clientId: "node-host", role: "node", scopes: [] } as const
      yield* pair({ ...host, platform: "win32" })
      assert.strictEqual(yield* later({ ...host, platform: "windows" }), "Approved")
      const page = { deviceId: DeviceId.make("c"), clientId: "openclaw-tui" }
      yield* pair({ ...page, platform: "win32" })
      assert.strictEqual(yield* later({ ...page, platform: "windows" }), "PairingRequired")
    }).pipe(Effect.provide(devices))
  )

  it.effect("a scope that nobody knows is not given away silently", () =>
    Effect.gen(function* () {
      const registry = yield* DeviceRegistry
      const odd = claim({ scopes: ["operator.read", "x.custom"] })
      assert.strictEqual((yield* registry.admit(odd, { silent: true }))._tag, "PairingRequired")
    }).pipe(Effect.provide(devices))
  )

  it.effect("who is known has its token, and nobody else is asked for or given one", () =>
    Effect.gen(function* () {
      const registry = yield* DeviceRegistry
      assert.isUndefined(yield* registry.known(claim()))
      const approved = yield* registry.admit(claim(), { silent: true })
      assert.strictEqual((yield* registry.known(claim()))?.token, approved._tag === "Approved" ? approved.token : "")
      assert.isUndefined(yield* registry.known(claim({ scopes: ["operator.write"] })))
      assert.deepStrictEqual((yield* registry.list).pending, [])
      assert.deepStrictEqual((yield* registry.list).paired[0]?.scopes, ["operator.read"])
    }).pipe(Effect.provide(devices))
  )

  it.effect("requests are forgotten after an hour and bounded in number", () =>
    Effect.gen(function* () {
      const registry = yield* DeviceRegistry
      const id = yield* requestId(claim())
      yield* TestClock.adjust("61 minutes")
      assert.deepStrictEqual((yield* registry.list).pending, [])
      assert.strictEqual((yield* Effect.flip(registry.approve(id, admin)))._tag, "PairingRequestNotFound")
      for (let index = 0; index < 300; index++) yield* requestId(claim({ deviceId: DeviceId.make(`x${index}`) }))
      assert.isAtMost((yield* registry.list).pending.length, 256)
    }).pipe(Effect.provide(devices))
  )
})
