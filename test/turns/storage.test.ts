/**
 * The disk is full at the worst moments: a turn waits, and goes on when there is room again.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { StorageHealth } from "../../src/services/StorageHealth.ts"
import { Turns } from "../../src/services/Turns.ts"
import { logged, main, ok, peer, request, start, world } from "./kit.ts"

const moments = {
  "starting a turn": "INSERT ON transcript",
  "running a turn": "INSERT ON cluster_messages WHEN NEW.tag = 'run'",
  "keeping step one": "INSERT ON cluster_messages WHEN NEW.tag = 'activity' AND NEW.message_id LIKE '%step/one%'",
  "keeping a turn's result": "UPDATE OF outcome ON turns",
  "storing an answer": "INSERT ON cluster_replies",
  "finishing a turn": "UPDATE OF finished_at ON turns WHEN NEW.finished_at IS NOT NULL"
}

describe("the log while answers cannot be stored", () => {
  it.live.each(["nobody knows of it", "it is known"] as const)("has one line at most when %s", (how) =>
    Effect.gen(function* () {
      const w = yield* world
      const lines: Array<string> = []
      const retried = yield* Deferred.make<void>()
      let tries = 0
      const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
        if (!String(message).includes("storing an answer failed")) return
        if (logLevel === "Error") lines.push(String(message))
        tries += 1
        if (tries === 3) Deferred.doneUnsafe(retried, Effect.void)
      })
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const sql = yield* SqlClient.SqlClient
        if (how === "it is known") {
          yield* sql`PRAGMA max_page_count = 1`
          yield* Effect.flip(sql`INSERT INTO storage_probe (id, filler) VALUES (1, zeroblob(1000000))`)
          yield* sql`PRAGMA max_page_count = 1000000`
        }
        yield* sql`CREATE TRIGGER full BEFORE INSERT ON cluster_replies BEGIN SELECT RAISE(ABORT, 'not now'); END`
        yield* turns.submit(request("r", "x"))
        yield* Deferred.await(retried)
        yield* sql`DROP TRIGGER full`
        yield* turns.await(RunId.make("r"), main)
        // The storage's health tells what it knows, for all.
        const told = (yield* (yield* StorageHealth).status).condition === "full"
        assert.deepStrictEqual([told, lines.length], how === "it is known" ? [true, 0] : [false, 1])
      }).pipe(
        Effect.provide(
          start(w).pipe(
            Layer.provideMerge(Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Debug")))
          )
        )
      )
    })
  )
})

describe("a full disk", () => {
  it.live.each(Object.entries(moments))("while %s", ([doing, when]) =>
    Effect.gen(function* () {
      const w = yield* world
      const refused = yield* Deferred.make<void>()
      const logger = Logger.make<unknown, void>(({ message }) => {
        if (String(message).includes(`${doing} failed and is tried again`)) Deferred.doneUnsafe(refused, Effect.void)
      })
      w.agent = (asked, steps) => Effect.as(logged(w, steps, "one"), ok(asked, "kept"))
      yield* Effect.gen(function* () {
        const turns = yield* Turns
        const sql = yield* SqlClient.SqlClient
        yield* sql.unsafe(`CREATE TRIGGER full BEFORE ${when} BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
        yield* turns.submit(request("r", "x", { replyTo: { peer } }))
        yield* Deferred.await(refused)
        yield* sql`DROP TRIGGER full`
        assert.deepInclude(yield* turns.await(RunId.make("r"), main), { status: "ok", text: "kept" })
        assert.deepStrictEqual(
          w.log.filter((line) => line === "one"),
          ["one"]
        )
        assert.strictEqual(w.sent.length, 1)
      }).pipe(Effect.provide(start(w).pipe(Layer.provideMerge(Logger.layer([logger])))))
    })
  )
})
