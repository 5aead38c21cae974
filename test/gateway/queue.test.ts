/**
 * `/queue` and `/steer` over the protocol.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Rig from "./rig.ts"

describe("chat.send", () => {
  it.live("answers /queue without a turn, and /steer is a message without its command", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const chat = (message: string, idempotencyKey: string, extra = {}) =>
        raw.request("chat.send", { sessionKey: "main", message, idempotencyKey, ...extra })
      for (const [id, message, answer] of [
        ["q1", "/queue", "`followup`"],
        ["q2", "/queue collect", "`collect`"],
        ["q3", "/queue sideways", "did not understand"]
      ] as const) {
        const { raw: one } = yield* Rig.connect(url)
        const sent = yield* one.request("chat.send", { sessionKey: "main", message, idempotencyKey: id })
        assert.strictEqual(sent.payload.status, "started")
        const event = yield* one.event("chat")
        assert.deepInclude(event.payload, { runId: id, state: "final", agentId: "main", sessionKey: "agent:main:main" })
        assert.include(event.payload.message.content[0].text, answer)
      }
      assert.strictEqual((yield* chat("/steer", "s1")).error?.code, "INVALID_REQUEST")
      assert.strictEqual((yield* chat("/steer wait", "s2")).payload.status, "started")
      // The turn knows the message as it was meant.
      assert.strictEqual((yield* chat("wait", "s2")).payload.status, "in_flight")
      assert.strictEqual(
        (yield* chat("/steer x", "s3", { suppressCommandInterpretation: true, queueMode: "steer" })).payload.status,
        "started"
      )
    }).pipe(Effect.scoped)
  )
})
