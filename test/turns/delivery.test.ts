import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { DeliveryFailed } from "../../src/services/Channel.ts"
import { ChannelNotConfigured } from "../../src/services/ChannelRouter.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { Turns } from "../../src/services/Turns.ts"
import { gate, main, ok, peer, request, start, world } from "./kit.ts"

const row = Effect.gen(function* () {
  return (yield* (yield* Sessions).list()).rows[0]
})

describe("delivery", () => {
  const failing = (outcome: DeliveryFailed["outcome"], retryAfterMs?: number) =>
    new DeliveryFailed({ channel: "test", to: "7", message: "the network is down", outcome, retryAfterMs })

  it.live("is tried again while it is certain that nothing arrived, also when the channel starts late", () =>
    Effect.gen(function* () {
      const w = yield* world
      // A part whose answer was lost does not keep back the parts behind it.
      const progress = { messageIds: ["1"], next: "2", lost: 1 }
      const errors = [
        failing("never-sent"),
        new ChannelNotConfigured({ channel: "test" }),
        failing("never-sent", 2),
        new DeliveryFailed({ channel: "test", to: "7", message: "lost", outcome: "unknown", progress })
      ]
      w.deliver = () => {
        const error = errors.shift()
        return error === undefined ? Effect.void : Effect.fail(error)
      }
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r", "x", { replyTo: { peer } }))
        yield* turns.await(RunId.make("r"), main)
        assert.strictEqual(w.sent.length, 1)
        assert.deepInclude(yield* row, { status: "done" })
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("shows nobody typing while a reply waits for its channel", () =>
    Effect.gen(function* () {
      const w = yield* world
      w.deliver = () =>
        Effect.andThen(
          Effect.sync(() => w.log.push("deliver")),
          Effect.fail(failing("never-sent", 3_600_000))
        )
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r", "x", { replyTo: { peer } }))
        yield* Effect.repeat(Effect.yieldNow, { until: () => w.log.includes("deliver") })
        assert.deepStrictEqual(w.log, ["typing on", "typing off", "deliver"])
        // It is the person's to end the waiting.
        assert.lengthOf(yield* turns.abort(main, { origin: "stop" }), 1)
        assert.include(w.withdrawn ?? [], "r:reply")
        assert.deepInclude(yield* turns.await(RunId.make("r"), main), {
          undelivered: "aborted before it was delivered"
        })
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("is taken back also when the Gateway died between the abort and its end", () =>
    Effect.gen(function* () {
      const w = yield* world
      const waits = yield* gate
      w.deliver = () => waits.wait
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r", "x", { replyTo: { peer } }))
        yield* waits.reached
        yield* SqlClient.SqlClient.use((sql) => sql`UPDATE turns SET abort_requested_at = 1, abort_origin = 'stop'`)
      }).pipe(Effect.provide(start(w)))
      assert.deepStrictEqual(w.withdrawn, [])
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const outcome = yield* turns.await(RunId.make("r"), main)
        assert.strictEqual(outcome.undelivered, "aborted before it was delivered")
        assert.include(w.withdrawn ?? [], "r:reply")
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live.each(["unknown", "refused", "defect", "gave up"] as const)("is not tried again after: %s", (how) =>
    Effect.gen(function* () {
      const w = yield* world
      let tries = 0
      w.deliver = () => {
        tries++
        return how === "defect"
          ? Effect.die("broken channel")
          : Effect.fail(failing(how === "gave up" ? "never-sent" : how))
      }
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r", "x", { replyTo: { peer } }))
        assert.strictEqual((yield* turns.await(RunId.make("r"), main)).status, "ok")
        assert.strictEqual(tries, 1)
        // Then nobody is to think that it waits.
        assert.deepStrictEqual(w.abandoned, how === "gave up" ? ["r:reply"] : [])
        const after = yield* row
        assert.strictEqual(after?.status, "failed")
        assert.include(after?.lastRunError, "reply not delivered")
      }).pipe(Effect.provide(start(w, { delivery: { giveUpAfterMs: 0, firstPauseMs: 1 } })))
    })
  )

  it.live("nothing is sent for an empty reply or an aborted turn", () =>
    Effect.gen(function* () {
      const w = yield* world
      w.agent = (asked) =>
        Effect.succeed({ ...ok(asked, " \n"), ...(asked.text === "stop" ? { status: "aborted" } : {}) })
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(request("r1", "x", { replyTo: { peer } }))
        yield* turns.submit(request("r2", "stop", { replyTo: { peer } }))
        yield* turns.await(RunId.make("r2"), main)
        assert.deepStrictEqual(w.sent, [])
      }).pipe(Effect.provide(start(w)))
    })
  )
})
