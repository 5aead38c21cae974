import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import * as Storage from "../../src/layers/storage/Storage.ts"
import * as Ledger from "../../src/layers/turns/Ledger.ts"
import { ok, request } from "./kit.ts"

const storage = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return Storage.layer({ filename: `${yield* fs.makeTempDirectoryScoped()}/state.sqlite` })
  })
).pipe(Layer.provide(NodeServices.layer))

describe("the book of turns", () => {
  it.effect("keeps whole milliseconds, whatever the clock's steps are", () =>
    Effect.gen(function* () {
      const ledger = yield* Ledger.make
      yield* TestClock.adjust("1500 micros")
      const turn = request("r1", "x")
      assert.isTrue(yield* ledger.enter(turn, false))
      assert.strictEqual((yield* ledger.begin(turn.runId, true)).startedAt, 1)
      yield* ledger.requestAbort(turn.sessionKey, "stop", [turn.runId])
      yield* ledger.finish(ok(turn, ""))
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`SELECT abort_requested_at, finished_at FROM turns`, [
        { abort_requested_at: 1, finished_at: 1 }
      ])
    }).pipe(Effect.provide(storage))
  )
})
