import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as PubSub from "effect/PubSub"
import { ConnId } from "../../src/domain/Ids.ts"
import * as EventBusLive from "../../src/layers/EventBus.ts"
import { EventBus } from "../../src/services/EventBus.ts"

describe("EventBus", () => {
  it.effect("delivers to every subscriber, in order, what was published after it subscribed", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus
      yield* bus.publish("tick", { ts: 0 })
      const first = yield* bus.subscribe
      yield* bus.publish("tick", { ts: 1 })
      const second = yield* bus.subscribe
      yield* bus.publish("shutdown", { reason: "test" }, ConnId.make("c1"))
      assert.deepStrictEqual(yield* PubSub.takeAll(first), [
        { event: "tick", payload: { ts: 1 } },
        { event: "shutdown", payload: { reason: "test" }, to: ConnId.make("c1") }
      ])
      assert.strictEqual((yield* PubSub.takeAll(second)).length, 1)
    }).pipe(Effect.scoped, Effect.provide(EventBusLive.layer))
  )

  it.effect("a subscriber that never reads blocks nobody, costs bounded memory, and its loss is logged once", () => {
    const warnings: Array<string> = []
    const capture = Logger.make((options) => void warnings.push(String(options.message)))
    return Effect.gen(function* () {
      const bus = yield* EventBus
      const stuck = yield* bus.subscribe
      const reader = yield* bus.subscribe
      const seen: Array<number> = []
      for (let ts = 0; ts < 40_000; ts += 1) {
        yield* bus.publish("tick", { ts })
        const event = yield* PubSub.take(reader)
        if (event.event === "tick") seen.push(event.payload.ts)
      }
      assert.strictEqual(seen.length, 40_000)
      assert.isTrue(seen.every((ts, index) => ts === index))
      const left = yield* PubSub.takeAll(stuck)
      assert.strictEqual(left.length, 16_384)
      assert.deepStrictEqual(left.at(-1), { event: "tick", payload: { ts: 39_999 } })
      assert.strictEqual(warnings.length, 1)
      assert.include(warnings[0], "16384 events behind")
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(EventBusLive.layer, Logger.layer([capture]))))
  })

  it.effect("publishing with no subscriber keeps nothing", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus
      for (let ts = 0; ts < 20_000; ts += 1) yield* bus.publish("tick", { ts })
      const late = yield* bus.subscribe
      assert.strictEqual(yield* PubSub.remaining(late), 0)
    }).pipe(Effect.scoped, Effect.provide(EventBusLive.layer))
  )
})
