/**
 * What the engine writes and need not be waited for: how many commits a turn is, and what a crash may take back of it.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { Turns } from "../../src/services/Turns.ts"
import { logged, main, ok, peer, request, start, world } from "./kit.ts"

/** Counts while the scope is open; every other connection of this file is counted as well. */
const commits = Effect.acquireRelease(
  Effect.sync(() => {
    const counted = { count: 0 }
    const { exec } = DatabaseSync.prototype
    DatabaseSync.prototype.exec = function (this: DatabaseSync, text) {
      exec.call(this, text)
      if (text === "COMMIT") counted.count += 1
    }
    return { counted, exec }
  }),
  ({ exec }) => Effect.sync(() => void (DatabaseSync.prototype.exec = exec))
)

const asked = (runId: string) => request(runId, "x", { replyTo: { peer } })

describe("the engine's part of a turn", () => {
  it.live("is not waited for where it promises nothing", () =>
    Effect.gen(function* () {
      const w = yield* world
      w.agent = (turn, steps) => Effect.as(logged(w, steps, "one"), ok(turn, "kept"))
      const { counted } = yield* commits
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(asked("first"))
        yield* turns.await(RunId.make("first"), main)
        yield* Effect.sleep(1)
        counted.count = 0
        yield* turns.submit(asked("second"))
        yield* turns.await(RunId.make("second"), main)
        yield* (yield* SqlClient.SqlClient)`PRAGMA page_count`
        // Arrival, run, begin, step, its mark, its result, the turn's result, the end, both answers; the marks of arrival and run
        // share the commit of what follows them.
        assert.isAtMost(counted.count, 9)
      }).pipe(Effect.provide(start(w)))
    })
  )

  it.live("may be lost: the turn is over, whoever asks", () =>
    Effect.gen(function* () {
      const [before, after] = [yield* world, yield* world]
      const file = (dir: string) => Path.join(dir, "state.sqlite")
      for (const w of [before, after]) w.agent = (turn, steps) => Effect.as(logged(w, steps, "one"), ok(turn, "kept"))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        yield* turns.submit(asked("r"))
        const outcome = yield* turns.await(RunId.make("r"), main)
        // What a crash at this moment would leave.
        for (const suffix of ["", "-wal"]) Fs.copyFileSync(file(before.dir) + suffix, file(after.dir) + suffix)
        assert.deepInclude(outcome, { status: "ok", text: "kept" })
      }).pipe(Effect.provide(start(before)))
      assert.lengthOf(before.sent, 1)

      const db = new DatabaseSync(file(after.dir))
      const open = db.prepare("SELECT tag FROM cluster_messages WHERE processed = 0 ORDER BY tag").all()
      db.close()
      assert.deepStrictEqual(
        open.map(({ tag }) => tag),
        ["run", "turn"]
      )
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const sql = yield* SqlClient.SqlClient
        assert.isFalse(yield* turns.submit(asked("r")))
        assert.deepInclude(yield* turns.await(RunId.make("r"), main), { status: "ok", text: "kept" })
        const isOpen = Effect.map(sql`SELECT 1 FROM cluster_messages WHERE processed = 0`, (rows) => rows.length > 0)
        yield* isOpen.pipe(Effect.delay(5), Effect.repeat({ while: (left) => left }))
      }).pipe(Effect.provide(start(after)))
      assert.deepStrictEqual([after.log, after.sent], [[], []])
    })
  )
})
