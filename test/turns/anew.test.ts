/** A conversation that begins anew: with the end of its turns or not at all, and once for each message that asks for it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { Turns } from "../../src/services/Turns.ts"
import { gate, main, ok, request, start, world } from "./kit.ts"

const asked = { request: request("n", "/new"), answer: "anew" }
const run = RunId.make("r1")

const count = Effect.gen(function* () {
  const { messages } = yield* (yield* Sessions).history(main)
  return messages.length
})

const say = Effect.fnUntraced(function* (id: string) {
  const turns = yield* Turns
  yield* turns.submit(request(id, "hello"))
  return yield* turns.await(RunId.make(id), main)
})

describe("a new conversation", () => {
  it.live("is begun once for a message, whatever process is asked", () =>
    Effect.gen(function* () {
      const w = yield* world
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* say("r1")
        assert.isTrue(yield* turns.anew(main, asked))
        assert.strictEqual(yield* count, 0)
        assert.deepInclude(yield* turns.await(asked.request.runId, main), { status: "ok", text: "anew" })
        yield* say("r2")
      }).pipe(Effect.provide(start(w)), Effect.scoped)
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const before = yield* count
        assert.isAbove(before, 0)
        assert.isFalse(yield* turns.anew(main, asked))
        assert.strictEqual(yield* count, before)
        const other = { ...asked, request: request("r2", "/new") }
        assert.strictEqual((yield* Effect.flip(turns.anew(main, other)))._tag, "RunIdConflict")
        assert.strictEqual(yield* count, before)
        assert.isTrue(yield* turns.anew(main))
        assert.strictEqual(yield* count, 0)
      }).pipe(Effect.provide(start(w)), Effect.scoped)
    })
  )

  it.live("ends nothing when it cannot begin", () =>
    Effect.gen(function* () {
      const w = yield* world
      const held = yield* gate
      w.agent = (turn) => Effect.as(held.wait, ok(turn, "done"))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const sql = yield* SqlClient.SqlClient
        yield* turns.submit(request("r1", "hello"))
        yield* held.reached
        yield* sql`
          CREATE TRIGGER broken BEFORE UPDATE OF reset_seq ON sessions BEGIN SELECT RAISE(ABORT, 'broken'); END`
        assert.strictEqual((yield* Effect.flip(turns.anew(main, asked)))._tag, "TurnNotAccepted")
        assert.isFalse(yield* turns.knows(asked.request.runId))
        assert.isUndefined((yield* turns.find(run))?.abort)
        yield* sql`DROP TRIGGER broken`
        assert.isTrue(yield* turns.anew(main, asked))
        assert.deepInclude(yield* turns.await(run, main), { status: "aborted" })
        assert.strictEqual(yield* count, 0)
      }).pipe(Effect.provide(start(w)), Effect.scoped)
    })
  )
})
