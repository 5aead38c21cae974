/** What a node tells of earlier requests, and what it begins when it is asked after them. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { CommandError } from "../../src/node-host/CommandError.ts"
import * as Invokes from "../../src/node-host/Invokes.ts"
import { RESUMED_WITHIN_MS } from "../../src/protocol/EventTable.ts"
import { live, makeLink, results } from "./kit.ts"

/** A node with one command, which is counted and ends as the test says. */
const serving = Effect.fnUntraced(function* (
  command: (params: unknown) => Effect.Effect<unknown, CommandError>,
  options: Invokes.InvokesOptions = {}
) {
  const peer = yield* makeLink
  let runs = 0
  const counted = (params: unknown) => Effect.suspend(() => (runs++, command(params)))
  const invokes = yield* Invokes.make(peer.link, new Map([["run", counted]]), options)
  const send = (id: string, rest: object) =>
    invokes.take({ id, nodeId: "me", command: "run", timeoutMs: 5_000, ...rest })
  const answer = (id: string) =>
    Effect.map(
      peer.until((sent) => results(sent).some(({ params }) => params["id"] === id)),
      (sent) => results(sent).find(({ params }) => params["id"] === id)!.params
    )
  return {
    send,
    answer,
    ask: (id: string, rest: object) => Effect.andThen(send(id, rest), answer(id)),
    runs: () => runs
  }
})

const forgotten = (answer: { readonly [key: string]: unknown }) =>
  assert.deepInclude(answer["error"] as object, { code: "NOT_REMEMBERED" })

describe("a question after an earlier request", () => {
  it.effect("is answered by a node that is full, which begins nothing", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const node = yield* serving(
        (params) => (params === "quick" ? Effect.succeed("quick") : Effect.as(Deferred.await(gate), "slow")),
        { concurrency: 1, queue: 0 }
      )
      yield* TestClock.adjust("1 minute")
      yield* node.ask("1", { idempotencyKey: "before", paramsJSON: '"quick"' })
      yield* node.send("2", { idempotencyKey: "k" })
      assert.include(JSON.stringify(yield* node.ask("3", { idempotencyKey: "new" })), "the node is busy")
      const known = yield* node.ask("4", { idempotencyKey: "before", paramsJSON: '"quick"', recall: true })
      assert.strictEqual(known["payloadJSON"], '"quick"')
      forgotten(yield* node.ask("5", { idempotencyKey: "new", recall: true, askedAgoMs: 1 }))
      yield* node.send("6", { idempotencyKey: "k", recall: true })
      yield* node.send("7", { idempotencyKey: "k", recall: true, askedAgoMs: 1 })
      yield* Deferred.succeed(gate, undefined)
      for (const id of ["2", "6", "7"]) assert.strictEqual((yield* node.answer(id))["payloadJSON"], '"slow"')
      assert.strictEqual(node.runs(), 2)
    }).pipe(Effect.provide(live()))
  )

  it.effect("is the same whatever the limits are now, and another one when its params are", () =>
    Effect.gen(function* () {
      const node = yield* serving(() => Effect.succeed("once"))
      yield* TestClock.adjust("1 minute")
      const params = (more: object) => ({
        idempotencyKey: "k",
        paramsJSON: JSON.stringify({ command: ["x"], ...more })
      })
      yield* node.ask("1", params({ timeoutMs: 5_000 }))
      for (const [id, more] of [
        ["2", { timeoutMs: 9_000 }],
        ["3", {}]
      ] as const) {
        const answer = yield* node.ask(id, { ...params(more), recall: true, askedAgoMs: 1 })
        assert.strictEqual(answer["payloadJSON"], '"once"')
      }
      forgotten(yield* node.ask("4", { ...params({ command: ["y"], timeoutMs: 5_000 }), recall: true, askedAgoMs: 1 }))
      assert.strictEqual(node.runs(), 1)
    }).pipe(Effect.provide(live()))
  )

  it.effect.each([["UNAVAILABLE"], ["INVALID_REQUEST"], ["INTERNAL"]] as const)(
    "does not run again what began and failed with %s",
    ([code]) =>
      Effect.gen(function* () {
        const node = yield* serving(() => Effect.fail(new CommandError({ code, message: "half of it is written" })))
        yield* TestClock.adjust("1 minute")
        yield* node.ask("1", { idempotencyKey: "k" })
        for (const [id, rest] of [
          ["2", { recall: true, askedAgoMs: 1 }],
          ["3", { recall: true }],
          ["4", {}]
        ] as const) {
          const answer = yield* node.ask(id, { idempotencyKey: "k", ...rest })
          assert.deepStrictEqual(answer["error"], { code, message: "half of it is written" })
        }
        assert.strictEqual(node.runs(), 1)
      }).pipe(Effect.provide(live()))
  )

  it.effect("begins nothing that was asked for so long ago that nobody expects it", () =>
    Effect.gen(function* () {
      const node = yield* serving(() => Effect.succeed("late"))
      yield* TestClock.adjust("1 hour")
      const recall = { idempotencyKey: "k", recall: true }
      forgotten(yield* node.ask("1", { ...recall, askedAgoMs: RESUMED_WITHIN_MS + 1 }))
      assert.strictEqual(node.runs(), 0)
      const answer = yield* node.ask("2", { ...recall, askedAgoMs: RESUMED_WITHIN_MS })
      assert.strictEqual(answer["payloadJSON"], '"late"')
      // What is known is told at any age.
      const told = yield* node.ask("3", { ...recall, askedAgoMs: RESUMED_WITHIN_MS + 1 })
      assert.strictEqual(told["payloadJSON"], '"late"')
    }).pipe(Effect.provide(live()))
  )

  it.effect("begins nothing without a key", () =>
    Effect.gen(function* () {
      const node = yield* serving(() => Effect.succeed("never"))
      yield* TestClock.adjust("1 minute")
      forgotten(yield* node.ask("1", { recall: true, askedAgoMs: 1 }))
      assert.strictEqual(node.runs(), 0)
    }).pipe(Effect.provide(live()))
  )
})
