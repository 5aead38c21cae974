/** Codes that let one new device in: minting, showing, who may use them, and what they hand over. */
import { inflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Qr from "../../src/domain/Qr.ts"
import * as Rig from "../gateway/rig.ts"
import { conforms } from "../protocol/published.ts"
import * as Kit from "./kit.ts"

const publicUrl = "wss://gateway.example.test/ws"
/** Nothing is silent: only a code lets in. */
const strict = { nodes: { pairing: { autoApproveLocal: false } } }

const start = Effect.fnUntraced(function* () {
  const kit = yield* Kit.start(strict)
  const admin = yield* kit.connect()
  const mint = Effect.fnUntraced(function* (params: Record<string, unknown> = {}) {
    const { payload } = yield* admin.raw.request("device.pair.setupCode", { publicUrl, includeQr: false, ...params })
    return { ...payload, auth: { bootstrapToken: Kit.contentOf(payload.setupCode)["bootstrapToken"] } }
  })
  const status = (setupId: string) =>
    Effect.map(admin.raw.request("device.pair.setupStatus", { setupId }), ({ payload }) => {
      conforms("DevicePairSetupStatusResult", payload)
      return payload
    })
  return { ...kit, admin, mint, status }
})
const INVALID = { code: "AUTH_BOOTSTRAP_TOKEN_INVALID", authReason: "bootstrap_token_invalid" }

describe("device.pair.setupCode", () => {
  it.live("says where, for how long and for what, and draws it", () =>
    Effect.gen(function* () {
      const { admin } = yield* start()
      const { payload } = yield* admin.raw.request("device.pair.setupCode", { publicUrl })
      conforms("DevicePairSetupCodeResult", payload)
      assert.deepInclude(payload, {
        gatewayUrl: publicUrl,
        urlSource: "request.publicUrl",
        auth: "token",
        access: "full"
      })
      const content = Kit.contentOf(payload.setupCode)
      assert.deepStrictEqual(Object.keys(content), ["url", "bootstrapToken", "expiresAtMs"])
      assert.deepInclude(content, { url: publicUrl, expiresAtMs: payload.expiresAtMs })
      const png = Buffer.from(payload.qrDataUrl.split(",")[1], "base64")
      assert.strictEqual(png.subarray(1, 4).toString(), "PNG")
      const modules = Qr.encode(payload.setupCode)!
      const size = png.readUInt32BE(16)
      assert.strictEqual(size, (modules.length + 8) * 4)
      const from = png.indexOf("IDAT")
      const pixels = inflateSync(png.subarray(from + 4, from + 4 + png.readUInt32BE(from - 4)))
      const stride = Math.ceil(size / 8) + 1
      const isDark = (x: number, y: number) =>
        (pixels[(y + 4) * 4 * stride + 1 + (((x + 4) * 4) >>> 3)]! & (0x80 >>> (((x + 4) * 4) & 7))) === 0
      for (const [y, row] of modules.entries()) {
        for (const [x, dark] of row.entries()) assert.strictEqual(isDark(x, y), dark, `${x} ${y}`)
      }
    }).pipe(Effect.scoped)
  )

  it.live("refuses addresses that a device could not or should not dial, and gives less over a plain one", () =>
    Effect.gen(function* () {
      const { admin } = yield* start()
      const ask = (params: unknown) => admin.raw.request("device.pair.setupCode", params)
      assert.include((yield* ask({})).error?.message, "only bound to loopback")
      assert.include((yield* ask({ publicUrl: "not a url" })).error?.message, "publicUrl is invalid")
      for (const bad of ["ws://gateway.example.test", "ws://100.100.1.1:1", "ws://mine.tail1.ts.net"]) {
        assert.include((yield* ask({ publicUrl: bad })).error?.message, "wss://", bad)
      }
      assert.strictEqual((yield* ask({ publicUrl: "https://u:p@gateway.example.test" })).error?.code, "INVALID_REQUEST")
      const lan = yield* ask({ publicUrl: "ws://192.168.1.7:18789", includeQr: false })
      assert.deepInclude(lan.payload, { access: "limited", accessDowngraded: true })
      const node = yield* ask({ publicUrl: "ws://192.168.1.7:18789", includeQr: false, bootstrapProfile: "node" })
      assert.strictEqual(node.payload.access, "node")
      assert.isUndefined(node.payload.accessDowngraded)
      assert.include((yield* ask({ publicUrl, joinUrl: true })).error?.message, "joinUrl")
    }).pipe(Effect.scoped)
  )

  it.live("is for administrators", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const { raw } = yield* kit.connect({ scopes: ["operator.pairing", "operator.write"] })
      for (const method of ["device.pair.setupCode", "device.pair.setupStatus"]) {
        assert.deepInclude((yield* raw.request(method, {})).error, { message: "missing scope: operator.admin" })
      }
    }).pipe(Effect.scoped)
  )
})

describe("a bootstrap token", () => {
  it.live("for a node: it is in, with its first commands, once; the maker is told", () =>
    Effect.gen(function* () {
      const { admin, mint, node, status } = yield* start()
      const code = yield* mint({ bootstrapProfile: "node" })
      assert.deepStrictEqual(yield* status(code.setupId), {})
      const device = Rig.makeDevice()
      const extra = { auth: code.auth, commands: ["system.run", "system.which"] }
      const { hello } = yield* node(device, extra, { afar: true })
      assert.isTrue(hello.ok, JSON.stringify(hello.error))
      conforms("HelloOk", hello.payload)
      assert.isUndefined(hello.payload.auth.deviceTokens)
      const { payload } = yield* admin.raw.event("device.pair.setup.completed")
      conforms("DevicePairSetupCompletedEvent", payload)
      assert.deepInclude(payload, { setupId: code.setupId, deviceId: device.id, access: "node" })
      assert.deepStrictEqual(yield* status(code.setupId), { completion: payload })
      const { paired, pending } = (yield* admin.raw.request("node.pair.list")).payload
      assert.deepStrictEqual([pending, paired[0].commands], [[], ["system.run", "system.which"]])
      // The code is spent, for this device too; its own token is good, and more commands are asked for.
      for (const again of [device, Rig.makeDevice()]) {
        const refused = yield* node(again, extra, { afar: true })
        assert.deepInclude(refused.hello.error?.details, INVALID)
        assert.strictEqual((yield* refused.raw.close).code, 1008)
      }
      const { deviceToken } = hello.payload.auth
      const wider = yield* node(device, { auth: { deviceToken }, commands: ["system.run", "system.notify"] })
      assert.isTrue(wider.hello.ok)
      yield* admin.raw.event("node.pair.requested")
      const asks = (yield* admin.raw.request("node.pair.list")).payload
      assert.strictEqual(asks.pending[0].nodeId, device.id)
      const approved = yield* admin.raw.request("device.pair.list")
      assert.strictEqual(approved.payload.paired[0].approvedVia, "bootstrap")
    }).pipe(Effect.scoped)
  )

  it.live("for a phone: a token to operate with comes along, without pairing, and full only when the code is", () =>
    Effect.gen(function* () {
      const { device, mint, node } = yield* start()
      const enter = Effect.fnUntraced(function* (params: Record<string, unknown>) {
        const identity = Rig.makeDevice()
        const { auth } = yield* mint(params)
        const { hello } = yield* node(identity, { client: Kit.phone, auth, commands: ["device.info"] }, { afar: true })
        assert.isTrue(hello.ok, JSON.stringify(hello.error))
        conforms("HelloOk", hello.payload)
        return { identity, handed: hello.payload.auth.deviceTokens }
      })
      const { handed, identity } = yield* enter({})
      assert.deepStrictEqual([handed.length, handed[0].role], [1, "operator"])
      assert.include(handed[0].scopes, "operator.admin")
      assert.notInclude(handed[0].scopes, "operator.pairing")
      const client = { ...Kit.phone, mode: "ui" }
      const auth = { deviceToken: handed[0].deviceToken }
      const operator = yield* device(identity, { client, scopes: handed[0].scopes, auth }, { afar: true })
      assert.isTrue((yield* operator.raw.request("node.list")).ok)
      const limited = yield* enter({ bootstrapProfile: "limited" })
      assert.notInclude(limited.handed[0].scopes, "operator.admin")
    }).pipe(Effect.scoped)
  )

  it.live("C4 of a client that it was not made for: put before an operator, bound to the first that showed it", () =>
    Effect.gen(function* () {
      const { admin, device, mint, node } = yield* start()
      const code = yield* mint()
      const mine = Rig.makeDevice()
      const asks = yield* node(mine, { auth: code.auth }, { afar: true })
      assert.deepInclude(asks.hello.error?.details, {
        code: "PAIRING_REQUIRED",
        reason: "not-paired",
        recommendedNextStep: "wait_then_retry",
        retryable: true,
        pauseReconnect: false
      })
      const thief = yield* node(Rig.makeDevice(), { auth: code.auth }, { afar: true })
      assert.deepInclude(thief.hello.error?.details, INVALID)
      yield* admin.raw.request("device.pair.approve", { requestId: asks.hello.error!.details.requestId })
      const { hello } = yield* node(mine, { auth: code.auth }, { afar: true })
      assert.isTrue(hello.ok)
      assert.isUndefined(hello.payload.auth.deviceTokens)
      // An app that is not on the platform it is for is no phone.
      const { auth } = yield* mint()
      const liar = { ...Kit.phone, platform: "linux", deviceFamily: "Linux" }
      const lies = yield* node(Rig.makeDevice(), { client: liar, auth }, { afar: true })
      assert.strictEqual(lies.hello.error?.details.code, "PAIRING_REQUIRED")
      const forNodes = yield* mint({ bootstrapProfile: "node" })
      const page = yield* device(Rig.makeDevice(), { scopes: ["operator.read"], auth: forNodes.auth }, { afar: true })
      assert.deepInclude(page.hello.error?.details, INVALID)
    }).pipe(Effect.scoped)
  )

  it.live("C4 lets nobody have more than it is for, on this machine either", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const params = { publicUrl, includeQr: false, bootstrapProfile: "limited" }
      const { payload } = yield* admin.raw.request("device.pair.setupCode", params)
      const auth = { bootstrapToken: Kit.contentOf(payload.setupCode)["bootstrapToken"] }
      const mine = Rig.makeDevice()
      const wide = yield* kit.device(mine, { auth, scopes: ["operator.admin"] })
      assert.deepInclude(wide.hello.error?.details, { code: "PAIRING_REQUIRED", reason: "not-paired" })
      const narrow = yield* kit.device(mine, { auth, scopes: ["operator.read", "operator.approvals"] })
      assert.deepStrictEqual(narrow.hello.payload.auth.scopes, ["operator.read", "operator.approvals"])
    }).pipe(Effect.scoped)
  )

  it.live("lets one of two in that show it at once", () =>
    Effect.gen(function* () {
      const { mint, node } = yield* start()
      const { auth } = yield* mint({ bootstrapProfile: "node" })
      const both = yield* Effect.all(
        [Rig.makeDevice(), Rig.makeDevice()].map((device) => node(device, { auth })),
        {
          concurrency: 2
        }
      )
      const [loser] = both.filter(({ hello }) => !hello.ok)
      assert.strictEqual(both.filter(({ hello }) => hello.ok).length, 1)
      assert.deepInclude(loser?.hello.error?.details, INVALID)
    }).pipe(Effect.scoped)
  )

  it.live("is nothing without a device, beside a wrong device token, or by guess", () =>
    Effect.gen(function* () {
      const { connect, device, mint } = yield* start()
      const { auth } = yield* mint()
      const without = yield* connect({ auth })
      assert.strictEqual(without.hello.error?.details.code, "DEVICE_IDENTITY_REQUIRED")
      const beside = yield* device(Rig.makeDevice(), { auth: { ...auth, deviceToken: "wrong" } }, { afar: true })
      assert.strictEqual(beside.hello.error?.details.code, "AUTH_DEVICE_TOKEN_MISMATCH")
      const stale = yield* device(Rig.makeDevice(), { auth: { ...auth, token: "wrong" } }, { afar: true })
      assert.strictEqual(stale.hello.error?.details.code, "PAIRING_REQUIRED", "beside an old secret it is looked at")
      const guess = yield* device(Rig.makeDevice(), { auth: { bootstrapToken: "guess" } }, { afar: true })
      assert.deepStrictEqual(guess.hello.error?.details, {
        ...INVALID,
        canRetryWithDeviceToken: false,
        recommendedNextStep: "review_auth_configuration"
      })
    }).pipe(Effect.scoped)
  )
})
