/** What a client asks when it comes, or comes back: sessions and their changes at once, and what became of what it sent. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import { start } from "./wireKit.ts"

const keysOf = ({ sessions }: any): ReadonlyArray<string> => sessions.map(({ key }: any) => key)

describe("sessions.subscribe with params of sessions.list", () => {
  it.live("gives the list that a page begins with, and follows from there", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([{ text: "yes" }])
      const actor = yield* connect()
      yield* actor.ok("sessions.patch", { key: "one", label: "One" })
      yield* actor.ok("sessions.patch", { key: "two", label: "Two" })
      const page = yield* connect(["operator.read"])
      const begun = yield* page.ok("sessions.subscribe", { limit: 1, ownerFirst: true })
      assert.isTrue(begun.subscribed)
      assert.deepInclude(begun.list, { count: 1, totalCount: 2, hasMore: true, nextOffset: 1 })
      const same = yield* page.ok("sessions.list", { limit: 1, ownerFirst: true })
      assert.deepStrictEqual([keysOf(begun.list), Object.keys(begun.list)], [keysOf(same), Object.keys(same)])
      yield* actor.ok("sessions.patch", { key: "one", label: "Uno" })
      yield* page.until("sessions.changed", ({ label }) => label === "Uno")
      assert.match((yield* page.no("sessions.subscribe", { limit: 0 })).message, /at \/limit: must be >= 1/)
      assert.deepStrictEqual(yield* page.ok("sessions.subscribe", { includeApprovals: true }), { subscribed: true })
    }).pipe(Effect.scoped)
  )

  it.live("activeOnly: those with a turn that runs or waits", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { connect } = yield* start([{ text: "done", gate: Deferred.await(gate) }])
      const actor = yield* connect()
      yield* actor.ok("sessions.patch", { key: "idle", label: "Idle" })
      yield* actor.ok("chat.send", { sessionKey: "busy", message: "work", idempotencyKey: "k1" })
      const active = () =>
        Effect.map(actor.raw.request("sessions.list", { activeOnly: true }), ({ payload }) => payload)
      yield* actor.until("agent", ({ runId }) => runId === "k1")
      assert.deepStrictEqual(keysOf(yield* active()), ["agent:main:busy"])
      yield* Deferred.succeed(gate, undefined)
      yield* actor.until("chat", ({ state }) => state === "final")
      assert.deepStrictEqual(keysOf(yield* active()), [])
    }).pipe(Effect.scoped)
  )
})

describe("chat.send with a key that was used", () => {
  it.live("tells how its turn ended: answered, or failed", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([
        { text: "yes" },
        { fail: new AiError.AuthenticationError({ kind: "InvalidKey" }) }
      ])
      const actor = yield* connect()
      yield* actor.turn("hello", "good")
      yield* actor.turn("again", "bad")
      const later = yield* connect(["operator.write"])
      const send = (message: string, idempotencyKey: string) =>
        later.raw.request("chat.send", { sessionKey: "main", message, idempotencyKey })
      assert.deepStrictEqual((yield* send("hello", "good")).payload, { runId: "good", status: "ok" })
      const failed = yield* send("again", "bad")
      assert.strictEqual(failed.error?.code, "UNAVAILABLE")
      const [shown] = actor.events("chat").filter(({ runId, state }) => runId === "bad" && state === "error")
      assert.include(shown.errorMessage, failed.error!.message.slice(0, 20))
    }).pipe(Effect.scoped)
  )
})
