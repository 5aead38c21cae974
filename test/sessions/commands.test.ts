/** Commands that are sent as messages: who may give them, and that each is carried out once. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { start } from "./wireKit.ts"

const said = { text: "yes" }
const NO_OVERRIDE = "provider/model overrides are not authorized for this caller."

describe("rights", () => {
  it.live("/new and /reset ask for what sessions.reset asks for", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([said])
      const writer = yield* connect(["operator.write"])
      const admin = yield* connect()
      yield* writer.turn("hello", "k1", "a")
      for (const message of ["/new", " /reset "]) {
        const refused = yield* writer.no("chat.send", { sessionKey: "a", message, idempotencyKey: message })
        assert.strictEqual(refused.code, "FORBIDDEN", message)
        assert.deepInclude(refused.details, { code: "MISSING_SCOPE", missingScope: "operator.admin" })
      }
      assert.isAbove((yield* writer.ok("chat.history", { sessionKey: "a" })).messages.length, 0)
      yield* admin.ok("chat.send", { sessionKey: "a", message: "/new", idempotencyKey: "n" })
      assert.deepStrictEqual((yield* writer.ok("chat.history", { sessionKey: "a" })).messages, [])
    }).pipe(Effect.scoped)
  )

  it.live("who may not administer does not choose a turn's model", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([said])
      const writer = yield* connect(["operator.write"])
      for (const chosen of [{ model: "scripted/model" }, { provider: "scripted" }]) {
        const refused = yield* writer.no("agent", { message: "hello", idempotencyKey: "k1", ...chosen })
        assert.deepInclude(refused, { code: "INVALID_REQUEST", message: NO_OVERRIDE })
      }
      const admin = yield* connect()
      yield* admin.ok("agent", { message: "hello", idempotencyKey: "k2", model: "scripted/model" })
    }).pipe(Effect.scoped)
  )
})

describe("a command that is sent again", () => {
  it.live("/new leaves what was said since", () =>
    Effect.gen(function* () {
      const { connect } = yield* start([said, said])
      const client = yield* connect()
      yield* client.turn("one", "k1", "a")
      const command = { sessionKey: "a", message: "/new", idempotencyKey: "n" }
      assert.deepStrictEqual(yield* client.ok("chat.send", command), { runId: "n", status: "started" })
      yield* client.turn("two", "k2", "a")
      assert.deepStrictEqual(yield* client.ok("chat.send", command), { runId: "n", status: "ok" })
      const { messages } = yield* client.ok("chat.history", { sessionKey: "a" })
      assert.strictEqual(messages.length, 2)
      yield* client.ok("chat.send", { ...command, idempotencyKey: "n2" })
      assert.deepStrictEqual((yield* client.ok("chat.history", { sessionKey: "a" })).messages, [])
    }).pipe(Effect.scoped)
  )

  it.live("/stop stops again", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const held = { text: "late", gate: Deferred.await(gate) }
      const { connect } = yield* start([held, held])
      const client = yield* connect()
      for (const runId of ["k1", "k2"]) {
        yield* client.ok("chat.send", { sessionKey: "a", message: runId, idempotencyKey: runId })
        yield* client.until("agent", (event: any) => event.runId === runId && event.data.phase === "model")
        const stopped = yield* client.ok("chat.send", { sessionKey: "a", message: "/stop", idempotencyKey: "s" })
        assert.deepStrictEqual(stopped, { ok: true, aborted: true, runIds: [runId] })
      }
    }).pipe(Effect.scoped)
  )
})
