/** What watchers see of a tool that says much. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import { TestClock } from "effect/testing"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import { DELTA_INTERVAL_MS, makeRunEvents } from "../../src/layers/agent/runEvents.ts"
import * as EventBusLive from "../../src/layers/EventBus.ts"
import { EventBus } from "../../src/services/EventBus.ts"

describe("a tool's progress", () => {
  it.effect("is put together, and shown whole before the result", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus
      const subscription = yield* bus.subscribe
      const events = yield* makeRunEvents(bus, {
        runId: RunId.make("r"),
        sessionKey: SessionKey.make("agent:main:main"),
        agentId: "main",
        text: "",
        receivedAt: 0
      })
      const shown = Effect.map(PubSub.takeUpTo(subscription, 2_000), (seen) =>
        seen.map(({ payload }) => JSON.stringify(payload).match(/"text":"([^"]*)"/)?.[1])
      )
      const { rest, take } = events.progressOf({ id: "c", name: "nodes" })
      for (let index = 0; index < 1_000; index++) yield* take(String(index % 10))
      assert.deepStrictEqual(yield* shown, ["0"])
      yield* TestClock.adjust(DELTA_INTERVAL_MS)
      const [second, ...more] = yield* shown
      assert.lengthOf(second ?? "", 1_000)
      assert.lengthOf(more, 0)
      yield* take("!")
      yield* rest
      assert.isTrue((yield* shown)[0]?.endsWith("9!"))
      // The timer that waited has nothing left to show.
      yield* TestClock.adjust(DELTA_INTERVAL_MS)
      assert.deepStrictEqual(yield* shown, [])
    }).pipe(Effect.scoped, Effect.provide(EventBusLive.layer))
  )
})
