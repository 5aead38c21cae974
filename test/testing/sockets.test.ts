/**
 * Faults on a client that is connected by a socket, in real time.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Faults, GatewayTest } from "../../src/testing/index.ts"

describe("GatewayTest.connect", () => {
  it.live("frames over a socket are lost, late and doubled in order", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const client = yield* gateway.connect({})
      yield* faults.client.duplicate(1, { on: "answer", what: "res" })
      assert.isTrue((yield* client.call["health"]({})).ok)
      yield* faults.client.delay("10 millis", { times: 2 })
      const answers = yield* Effect.all([client.call["health"]({}), client.call["health"]({})], { concurrency: 2 })
      assert.strictEqual(answers.length, 2)
      assert.deepInclude(yield* faults.client.log, { way: "answer", what: "res", fate: "duplicated" })
      yield* faults.client.drop(1, { what: "dial" })
      const lost = yield* Effect.flip(gateway.connect({ connectTimeout: "50 millis" }))
      assert.match(lost.message, /no hello-ok within 50 ms/)
      yield* faults.client.cut
      assert.strictEqual((yield* client.closed).code, 1006)
      assert.strictEqual((yield* Effect.flip(gateway.connect({})))._tag, "GatewayUnreachable")
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
  )
})
