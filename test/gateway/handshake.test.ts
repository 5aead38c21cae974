/** Every way in which a handshake goes wrong, against a live listener. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { proofs } from "./proofs.ts"
import { device, rows } from "./refusals.ts"
import * as Rig from "./rig.ts"

describe("a handshake is refused", () => {
  it.live.each([...rows, ...proofs])("$name", (row) =>
    Effect.gen(function* () {
      const { gateway, url } = yield* Rig.start()
      const raw = yield* Rig.open(url)
      const challenge = yield* raw.challenge
      raw.send(
        row.params === undefined
          ? (row.first ?? "")
          : { type: "req", id: "c", method: "connect", params: row.params(challenge) }
      )
      const closed = yield* raw.close
      const { close, code, details, message, reason } = row.expect
      const answer = raw.frames.find((frame) => frame.type === "res")
      assert.strictEqual(closed.code, close, JSON.stringify([closed, answer]))
      if (reason !== undefined) assert.strictEqual(closed.reason, reason)
      assert.strictEqual(answer?.error?.code, code, JSON.stringify(answer))
      if (message !== undefined) assert.match(answer?.error?.message ?? "", message)
      if (code !== undefined && close === 1008)
        assert.isTrue(answer?.error?.message.startsWith(closed.reason.slice(0, 60)))
      for (const [key, value] of Object.entries(details ?? {}))
        assert.deepStrictEqual(answer?.error?.details[key], value)
      assert.strictEqual(yield* gateway.connections, 0)
      const after = yield* Rig.connect(url)
      assert.isTrue(after.hello.ok, "the Gateway still serves others")
    }).pipe(Effect.scoped)
  )

  it.live("the deadline passes without a word: 1000", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start({ limits: { handshakeTimeoutMs: 30 } })
      const raw = yield* Rig.open(url)
      assert.deepStrictEqual(yield* raw.close, { code: 1000, reason: "" })
    }).pipe(Effect.scoped)
  )

  it.live("C7 a proof is good for its own socket only", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const first = yield* Rig.open(url)
      const stolen = Rig.signed(device, yield* first.challenge, Rig.params())
      const second = yield* Rig.open(url)
      yield* second.challenge
      const answer = yield* second.request("connect", stolen)
      assert.strictEqual(answer.error?.details.code, "DEVICE_AUTH_NONCE_MISMATCH")
      assert.isTrue((yield* first.request("connect", stolen)).ok)
      const again = yield* first.request("connect", stolen)
      assert.strictEqual(again.error?.message, "connect is only valid as the first request")
    }).pipe(Effect.scoped)
  )
})
