/** Lockout and the proof of a device's key, without sockets and with a test clock. */
import { generateKeyPairSync } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { decodeConnect, decodeParams as decodeMethodParams } from "../../src/layers/gateway/decode.ts"
import * as DeviceProof from "../../src/layers/gateway/DeviceProof.ts"
import * as Lockout from "../../src/layers/gateway/Lockout.ts"
import { truncateReason } from "../../src/layers/gateway/WireSocket.ts"
import { MethodTable } from "../../src/protocol/MethodTable.ts"
import { Name } from "../../src/protocol/text.ts"
import { payloadV2, payloadV3 } from "../../src/protocol/DeviceAuth.ts"
import { attempt, decodeParams, layer, tag, wrong } from "./attempts.ts"
import * as Rig from "./rig.ts"

describe("C10 lockout", () => {
  it.effect("ten failures lock the address, the right token included, for five minutes", () =>
    Effect.gen(function* () {
      for (let failure = 0; failure < 10; failure++) assert.strictEqual(tag(yield* attempt(wrong())), "TokenMismatch")
      const locked = yield* attempt(wrong())
      if (Result.isSuccess(locked) || locked.failure._tag !== "LockedOut") return assert.fail("not locked")
      assert.strictEqual(locked.failure.retryAfterMs, 300_000)
      assert.strictEqual(tag(yield* attempt({})), "LockedOut")
      assert.strictEqual(tag(yield* attempt({}, { address: "192.0.2.3" })), "ok", "others are not locked")
      yield* TestClock.adjust("299 seconds")
      assert.strictEqual(tag(yield* attempt({})), "LockedOut")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(tag(yield* attempt({})), "ok")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("other spellings, addresses of one /64, other kinds and bogus devices share the count", () =>
    Effect.gen(function* () {
      for (let failure = 0; failure < 5; failure++) {
        yield* attempt(wrong(), { address: "192.0.2.2" })
        yield* attempt({ auth: { password: "wrong" } }, { address: "::ffff:192.0.2.2" })
      }
      assert.strictEqual(tag(yield* attempt({}, { address: "192.0.2.2" })), "LockedOut")
      for (let failure = 0; failure < 10; failure++) {
        yield* attempt(
          { auth: { deviceToken: `guess ${failure}` } },
          { address: `2001:db8::${failure + 1}`, device: Rig.makeDevice() }
        )
      }
      assert.strictEqual(tag(yield* attempt({}, { address: "2001:db8::ffff" })), "LockedOut")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("a device token that is good does not forgive guesses of the shared secret", () =>
    Effect.gen(function* () {
      const device = Rig.makeDevice()
      const paired = yield* attempt({}, { local: true, device })
      const token = Result.isSuccess(paired) ? paired.success.deviceToken : undefined
      for (let round = 0; round < 9; round++) {
        yield* attempt(wrong())
        assert.strictEqual(tag(yield* attempt({ auth: { deviceToken: token } }, { device })), "ok")
      }
      yield* attempt(wrong())
      assert.strictEqual(tag(yield* attempt({})), "LockedOut")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("failures a minute apart never lock; the right secret forgives", () =>
    Effect.gen(function* () {
      for (let failure = 0; failure < 30; failure++) {
        assert.strictEqual(tag(yield* attempt(wrong())), "TokenMismatch")
        yield* TestClock.adjust("61 seconds")
      }
      for (let round = 0; round < 5; round++) {
        for (let failure = 0; failure < 5; failure++) yield* attempt(wrong())
        assert.strictEqual(tag(yield* attempt({})), "ok")
      }
    }).pipe(Effect.provide(layer()))
  )

  it.effect("this machine is not locked but answered ever later", () =>
    Effect.gen(function* () {
      for (const delay of [250, 500, 1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000, 4000, 4000]) {
        const fiber = yield* Effect.forkChild(attempt(wrong(), { local: true, address: "127.0.0.1" }), {
          startImmediately: true
        })
        yield* TestClock.adjust(delay - 1)
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust(1)
        assert.strictEqual(tag(yield* Fiber.join(fiber)), "TokenMismatch")
      }
      assert.strictEqual(tag(yield* attempt({}, { local: true, address: "127.0.0.1" })), "ok")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("F9 a clock that is set back a year locks nobody for a year", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("400 days")
      for (let failure = 0; failure < 10; failure++) yield* attempt(wrong())
      yield* TestClock.setTime(Duration.toMillis("35 days"))
      const locked = yield* attempt({})
      if (Result.isSuccess(locked) || locked.failure._tag !== "LockedOut") return assert.fail("not locked")
      assert.strictEqual(locked.failure.retryAfterMs, 300_000)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(tag(yield* attempt({})), "ok")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("C11 memory is bounded and locked addresses are kept", () =>
    Effect.gen(function* () {
      const lockout = Lockout.make()
      for (let failure = 0; failure < 10; failure++) yield* lockout.failed("attacker", false)
      for (let index = 0; index < 30_000; index++) yield* lockout.failed(`address ${index}`, false)
      assert.isAtMost(lockout.size(), 10_000)
      assert.isAbove(yield* lockout.remaining("attacker"), 0)
    })
  )
})

const context = { role: "operator", nonce: "n", now: 1_000_000 }
const proofOf = (
  device: Rig.Device,
  change: Parameters<typeof Rig.signed>[3] = {},
  base: Record<string, unknown> = {}
) => {
  const params = decodeParams(
    JSON.parse(JSON.stringify(Rig.signed(device, { nonce: "n", ts: 1_000_000 }, Rig.params(base), change)))
  )
  return params.device === undefined ? assert.fail("no proof") : DeviceProof.check(params, params.device, context)
}

describe("proof of a device's key", () => {
  const device = Rig.makeDevice()

  it("v3 and v2 hold; keys as standard base64 and PEM too", () => {
    assert.isTrue(Result.isSuccess(proofOf(device, { version: 3 })))
    assert.isTrue(Result.isSuccess(proofOf(device, { version: 2 })))
    const raw = Buffer.from(device.publicKey, "base64url")
    assert.isTrue(Result.isSuccess(proofOf(device, { proof: { publicKey: raw.toString("base64") } })))
    const { privateKey, publicKey } = generateKeyPairSync("ed25519")
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString()
    const bytes = DeviceProof.rawPublicKey(pem)
    if (bytes === undefined) return assert.fail("PEM not read")
    assert.isTrue(Result.isSuccess(proofOf({ id: DeviceProof.deviceIdOf(bytes), publicKey: pem, key: privateKey })))
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ type: "spki", format: "pem" })
    assert.isUndefined(DeviceProof.rawPublicKey(rsa.toString()))
    assert.isUndefined(DeviceProof.rawPublicKey("-----BEGIN nonsense"))
  })

  it("C8 a signature with a non-canonical S is refused", () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const params = Rig.signed(device, { nonce: "n", ts: 1_000_000 }, Rig.params())
    const signature = Buffer.from(params["device"].signature, "base64url")
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString("hex")}`) + order
    const high = Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse()
    const forged = Buffer.concat([signature.subarray(0, 32), high]).toString("base64url")
    assert.isTrue(Result.isFailure(proofOf(device, { proof: { signature: forged } })))
  })

  it.effect.prop("any change of what was signed is noticed", [Schema.Natural, Schema.Natural], ([at, bit]) =>
    Effect.sync(() => {
      const params = Rig.signed(device, { nonce: "n", ts: 1_000_000 }, Rig.params())
      const signature = Buffer.from(params["device"].signature, "base64url")
      const index = at % signature.length
      signature[index] = (signature[index] ?? 0) ^ (1 << (bit % 8))
      assert.isTrue(Result.isFailure(proofOf(device, { proof: { signature: signature.toString("base64url") } })))
    })
  )

  it.prop(
    "whatever is signed is accepted, in both versions",
    [Schema.String, Schema.Array(Name)],
    ([token, scopes]) => {
      for (const version of [2, 3] as const) {
        assert.isTrue(Result.isSuccess(proofOf(device, { version }, { auth: { token }, scopes })))
      }
    }
  )

  it.prop("no text is taken for a key, and none throws", [Schema.String], ([text]) => {
    const raw = DeviceProof.rawPublicKey(text)
    assert.isTrue(raw === undefined || raw.length === 32)
  })

  it("the payloads differ in what they cover", () => {
    const input = {
      deviceId: "d",
      clientId: "c",
      clientMode: "m",
      role: "r",
      scopes: ["a", "b"],
      signedAtMs: 1,
      token: undefined,
      nonce: "n",
      platform: " Linux ",
      deviceFamily: undefined
    }
    assert.strictEqual(payloadV2(input), "v2|d|c|m|r|a,b|1||n")
    assert.strictEqual(payloadV3(input), "v3|d|c|m|r|a,b|1||n|linux|")
  })
})

/** Methods whose params are open: by the published schema, or because OpenClaw's page sends them what means nothing. */
const lists = ["exec", "plugin", "openclaw"].map((kind) => `${kind}.approval.list`)
const takesAnything = new Set(["wake", "voicewake.get", "voicewake.set", ...lists])

describe("decoding what peers send", () => {
  it.prop("any JSON is params or a line of text, never a throw", [Schema.Json], ([json]) => {
    const decoded = decodeConnect(json)
    if (Result.isFailure(decoded)) assert.isAtMost(decoded.failure.length, 400)
  })
  for (const [method, rpc] of MethodTable.requests) {
    const schema = rpc.payloadSchema as Schema.Codec<Record<string, unknown>>
    it.prop(`D9 ${method}: what its schema makes is taken, one key more is named`, [schema], ([value]) => {
      const json = JSON.parse(JSON.stringify(value)) as Record<string, unknown>
      const taken = decodeMethodParams(method, json)
      assert.isTrue(Result.isSuccess(taken), Result.isFailure(taken) ? taken.failure : "")
      if (takesAnything.has(method)) return
      const more = decodeMethodParams(method, { ...json, "~more": 1 })
      assert.strictEqual(Result.isFailure(more) ? more.failure : "", "at root: unexpected property '~more'")
    })
  }
  it.prop("a close reason fits its frame and stays text", [Schema.String], ([text]) => {
    for (const reason of [text, text.repeat(50), "é".repeat(100) + text, "😀".repeat(40)]) {
      const cut = truncateReason(reason)
      assert.isAtMost(Buffer.byteLength(cut), 120)
      assert.isTrue(Buffer.from(reason).toString().startsWith(Buffer.from(cut).toString()))
    }
  })
})
