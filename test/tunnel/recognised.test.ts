/** Which Gateway answers behind a tunnel, and what it is shown before that is known. */
import { createHash, generateKeyPairSync, sign } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { standing } from "../../src/client/gatewayProof.ts"
import { PING_EVERY_MS } from "../../src/client/tunnel/run.ts"
import { ClientNonce, type GatewayProof, type ProofInput, proofText } from "../../src/protocol/GatewayProof.ts"
import { heard, proves, silent, spec, stage, target, until } from "./stage.ts"

/** A tunnel whose ssh stands at once. */
const standingUp = Effect.gen(function* () {
  const { known, manager, started, world } = yield* stage
  const begin = Effect.gen(function* () {
    const tunnel = yield* manager.up(spec)
    yield* (yield* Queue.take(started)).bind
    return tunnel
  })
  return { begin, known, world }
})

describe("a Gateway that proves who it is", () => {
  it.effect("is remembered without being shown a credential", () =>
    Effect.gen(function* () {
      const { begin, known, world } = yield* standingUp
      world.challenge = Effect.succeed(proves("gateway-a"))
      const tunnel = yield* begin
      assert.deepInclude(yield* tunnel.ready, { gateway: "gateway-a", proven: true })
      assert.deepStrictEqual(known.get(target), { deviceId: "gateway-a", proves: true })
      assert.strictEqual(world.shown, 0)
    })
  )

  it.effect("that only said so before is the same, and has to prove it from now on", () =>
    Effect.gen(function* () {
      const { begin, known, world } = yield* standingUp
      known.set(target, { deviceId: "gateway-a", proves: false })
      world.challenge = Effect.succeed(proves("gateway-a"))
      yield* (yield* begin).ready
      assert.deepStrictEqual(known.get(target), { deviceId: "gateway-a", proves: true })
    })
  )

  it.effect.each([
    ["another", proves("gateway-b"), "gateway-b"],
    ["one that proves nothing", silent, undefined],
    ["one whose proof does not hold", heard({ _tag: "Forged" }), undefined]
  ] as const)("is not mistaken for %s, which is shown nothing", ([, answer, found]) =>
    Effect.gen(function* () {
      const { begin, known, world } = yield* standingUp
      known.set(target, { deviceId: "gateway-a", proves: true })
      world.challenge = Effect.succeed(answer)
      const error = yield* Effect.flip((yield* begin).ready)
      assert(error._tag === "WrongGateway")
      assert.deepStrictEqual([error.expected, error.found], ["gateway-a", found])
      assert.strictEqual(world.shown, 0)
    })
  )

  it.effect("is asked every time, also while ssh stays", () =>
    Effect.gen(function* () {
      const { begin, world } = yield* standingUp
      world.challenge = Effect.succeed(proves("gateway-a"))
      const tunnel = yield* begin
      yield* tunnel.ready
      world.challenge = Effect.succeed(proves("gateway-b"))
      yield* TestClock.adjust(PING_EVERY_MS)
      assert.strictEqual((yield* until(tunnel, "Stopped")).error._tag, "WrongGateway")
      assert.strictEqual(world.shown, 0)
    })
  )
})

describe("a Gateway that proves nothing", () => {
  it.effect("is asked by name once, and its row says so", () =>
    Effect.gen(function* () {
      const { begin, known, world } = yield* standingUp
      const tunnel = yield* begin
      assert.deepInclude(yield* tunnel.ready, { gateway: "gateway-a", proven: false })
      yield* TestClock.adjust(5 * PING_EVERY_MS)
      assert.strictEqual(world.shown, 1)
      assert.deepStrictEqual(known.get(target), { deviceId: "gateway-a", proves: false })
    })
  )

  it.effect("cannot come with a proof that does not hold, even where none is known", () =>
    Effect.gen(function* () {
      const { begin, known, world } = yield* standingUp
      world.challenge = Effect.succeed(heard({ _tag: "Forged" }))
      assert.strictEqual((yield* Effect.flip((yield* begin).ready))._tag, "WrongGateway")
      assert.strictEqual(known.size, 0)
      assert.strictEqual(world.shown, 0)
    })
  )
})

const key = generateKeyPairSync("ed25519")
const raw = key.publicKey.export({ type: "spki", format: "der" }).subarray(-32)
const deviceId = createHash("sha256").update(raw).digest("hex")
const signed = (about: Omit<ProofInput, "deviceId">): GatewayProof => ({
  deviceId,
  publicKey: raw.toString("base64url"),
  signature: sign(null, Buffer.from(proofText({ ...about, deviceId })), key.privateKey).toString("base64url")
})
const Word = Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f-]{1,36}$/)))
const Nonces = Schema.Struct({ clientNonce: ClientNonce, nonce: Word, ts: Schema.Natural })

describe("a proof", () => {
  it.prop("holds for the one challenge that it was made for", [Nonces, Nonces], ([about, other]) => {
    const gateway = signed(about)
    const challenge = { nonce: about.nonce, ts: about.ts, gateway }
    assert.deepStrictEqual(standing(challenge, about.clientNonce), { _tag: "Proven", deviceId })
    const same = JSON.stringify(about) === JSON.stringify(other)
    const replayed = { nonce: other.nonce, ts: other.ts, gateway }
    assert.strictEqual(standing(replayed, other.clientNonce)._tag, same ? "Proven" : "Forged")
  })

  it.prop("signs a text that belongs to one set of values only", [Nonces, Nonces], ([one, two]) => {
    const texts = [one, two].map((about) => proofText({ ...about, deviceId }))
    assert.strictEqual(texts[0] === texts[1], JSON.stringify(one) === JSON.stringify(two))
  })

  it("is not one of another's key, another's id, or of nothing", () => {
    const about = { clientNonce: "c".repeat(43), nonce: "n", ts: 1 }
    const gateway = signed(about)
    const of = (change: Partial<GatewayProof>) =>
      standing({ nonce: about.nonce, ts: about.ts, gateway: { ...gateway, ...change } }, about.clientNonce)._tag
    const other = generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "der" }).subarray(-32)
    assert.strictEqual(of({}), "Proven")
    assert.strictEqual(of({ publicKey: other.toString("base64url") }), "Forged")
    assert.strictEqual(of({ deviceId: "0".repeat(64) }), "Forged")
    assert.strictEqual(of({ signature: "A".repeat(86) }), "Forged")
    assert.strictEqual(standing({ nonce: "n", ts: 1 }, about.clientNonce)._tag, "Silent")
  })
})
