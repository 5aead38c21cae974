/** What a node remembers of requests when its process ends, in a real file. */
import { DatabaseSync } from "node:sqlite"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as TestClock from "effect/testing/TestClock"
import type { CommandError } from "../../src/node-host/CommandError.ts"
import { FILE, InvokeMemory } from "../../src/node-host/InvokeMemory.ts"
import { interrupted, noLongerKept } from "../../src/node-host/invokeJournal.ts"
import * as Invokes from "../../src/node-host/Invokes.ts"
import { makeLink, results } from "./kit.ts"
import { counted, folder, start } from "./memoryKit.ts"

describe("after a restart", () => {
  it.effect("what was answered is answered the same, and nothing runs twice", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const work = counted()
      const before = yield* start(root)
      assert.deepInclude(yield* before.memory.once("k", "d", work.answer('"once"')), { payloadJSON: '"once"' })
      yield* before.memory.once("refused", "d", work.answer('"no"', false))
      yield* before.end
      const { memory } = yield* start(root)
      assert.deepInclude(yield* memory.once("k", "d", work.answer('"twice"')), { payloadJSON: '"once"' })
      assert.deepInclude(yield* memory.recall("k", "d"), { payloadJSON: '"once"' })
      assert.strictEqual((yield* Effect.flip(memory.once("k", "other", work.answer(""))))._tag, "KeyReused")
      assert.strictEqual(work.runs(), 2)
      // A refusal did nothing; it may be tried again.
      assert.deepInclude(yield* memory.once("refused", "d", work.answer('"yes"')), { payloadJSON: '"yes"' })
      assert.isUndefined(yield* memory.recall("never", "d"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect.each([["crashed"], ["stopped"]])(
    "a command during which the node %s has an unknown outcome, and does not run again",
    ([how]) =>
      Effect.gen(function* () {
        const root = yield* folder
        const work = counted()
        const begun = yield* Deferred.make<void>()
        const before = yield* start(root)
        yield* Effect.forkScoped(
          Effect.exit(before.memory.once("k", "d", Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)))
        )
        yield* Deferred.await(begun)
        // A crash leaves the file as it is at this moment.
        if (how === "stopped") yield* before.end
        const { memory } = yield* start(root, { count: 10, bytes: 10_000, ageMs: 24 * 3_600_000 })
        assert.deepStrictEqual(yield* memory.once("k", "d", work.answer("")), interrupted)
        assert.deepStrictEqual(yield* memory.recall("k", "d"), interrupted)
        assert.strictEqual((yield* Effect.flip(memory.recall("k", "other")))._tag, "KeyReused")
        assert.strictEqual(work.runs(), 0)
        yield* TestClock.adjust("25 hours")
        assert.deepInclude(yield* memory.once("k", "d", work.answer('"a day later"')), { payloadJSON: '"a day later"' })
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("a clock that is set forward makes nothing of the latest forgotten", () =>
    Effect.gen(function* () {
      const work = counted()
      const { memory } = yield* start(yield* folder)
      // A machine without a clock of its own begins in 1970 and learns the time later.
      yield* memory.once("k", "d", work.answer('"once"'))
      yield* TestClock.setTime(1_800_000_000_000)
      yield* memory.once("other", "d", work.answer(""))
      assert.deepInclude(yield* memory.once("k", "d", work.answer('"twice"')), { payloadJSON: '"once"' })
      yield* TestClock.setTime(0)
      assert.deepInclude(yield* memory.once("k", "d", work.answer('"twice"')), { payloadJSON: '"once"' })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("count, bytes, keys and age stay bounded, and what runs is not forgotten for others", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const work = counted()
      const limits = { count: 5, bytes: 1_000, keys: 20, ageMs: 60_000 }
      const before = yield* start(root, limits)
      const gate = yield* Deferred.make<void>()
      const slow = yield* Effect.forkScoped(
        before.memory.once("slow", "d", Effect.andThen(Deferred.await(gate), work.answer('"slow"'))),
        { startImmediately: true }
      )
      for (let index = 0; index < 50; index++) yield* before.memory.once(`k${index}`, "d", work.answer(`${index}`))
      assert.isDefined(yield* before.memory.recall("k49", "d"))
      assert.deepStrictEqual(yield* before.memory.recall("k40", "d"), noLongerKept)
      assert.isUndefined(yield* before.memory.recall("k20", "d"))
      yield* TestClock.adjust("1 second")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(slow)
      assert.deepInclude(yield* before.memory.once("slow", "d", work.answer("")), { payloadJSON: '"slow"' })
      yield* before.end
      const { memory } = yield* start(root, limits)
      assert.isDefined(yield* memory.recall("k49", "d"))
      yield* TestClock.adjust("2 minutes")
      assert.isUndefined(yield* memory.recall("k49", "d"))
      const fs = yield* FileSystem.FileSystem
      assert.isBelow(Number((yield* fs.stat(`${root}/${FILE}`)).size), 100_000)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("the file is its owner's alone, and holds no key", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const root = yield* folder
      yield* fs.writeFileString(`${root}/${FILE}`, "", { mode: 0o644 })
      const { memory } = yield* start(root)
      yield* memory.once("key-canary", "d", counted().answer("1"))
      for (const name of yield* fs.readDirectory(root)) {
        assert.strictEqual((yield* fs.stat(`${root}/${name}`)).mode & 0o777, 0o600, name)
        assert.notInclude(yield* fs.readFileString(`${root}/${name}`, "latin1"), "key-canary")
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("a journal that cannot be used", () => {
  it.effect("stops the node at its start when it is damaged, a folder or a link", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const makeBad = [
        (file: string) =>
          fs.writeFileString(file, "this is no database, though it is long enough to be looked at as one"),
        (file: string) => fs.makeDirectory(file),
        (file: string) => fs.symlink("/etc/passwd", file)
      ]
      for (const make of makeBad) {
        const root = yield* folder
        yield* make(`${root}/${FILE}`)
        const error = yield* Effect.flip(start(root))
        assert(error._tag === "JournalUnusable")
        assert.include(error.message, "Fix: ")
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("lets nothing run when it stops working later, and the request is answered", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const { end, memory } = yield* start(root)
      yield* end
      const work = counted()
      assert.strictEqual((yield* Effect.flip(memory.once("k", "d", work.answer(""))))._tag, "JournalUnusable")
      const peer = yield* makeLink
      const run = (): Effect.Effect<unknown, CommandError> => work.answer("")
      const invokes = yield* Effect.provideService(
        Invokes.make(peer.link, new Map([["run", run]])),
        InvokeMemory,
        memory
      )
      yield* invokes.take({ id: "1", nodeId: "n", command: "run", idempotencyKey: "k" })
      const [answer] = results(yield* peer.until((sent) => results(sent).length === 1))
      assert.include(JSON.stringify(answer?.params["error"]), "nothing was run")
      // Of an earlier time this says nothing.
      yield* invokes.take({ id: "2", nodeId: "n", command: "run", idempotencyKey: "k", recall: true, askedAgoMs: 1 })
      const [, told] = results(yield* peer.until((sent) => results(sent).length === 2))
      assert.deepInclude(told?.params["error"] as object, { code: "NOT_REMEMBERED" })
      assert.strictEqual(work.runs(), 0)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("costs nobody an answer that is there, and the key is not run again", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const { memory } = yield* start(root)
      const work = counted()
      const damage = Effect.sync(() => {
        const db = new DatabaseSync(`${root}/${FILE}`)
        db.exec("CREATE TRIGGER full BEFORE UPDATE ON invokes BEGIN SELECT raise(ABORT, 'disk full'); END")
        db.close()
      })
      const answer = yield* memory.once("k", "d", Effect.andThen(damage, work.answer('"done"')))
      assert.deepInclude(answer, { payloadJSON: '"done"' })
      assert.deepStrictEqual(yield* memory.once("k", "d", work.answer("")), interrupted)
      assert.strictEqual(work.runs(), 1)
      // Nothing of the failed change is left in the way of others.
      assert.deepInclude(yield* memory.once("other", "d", work.answer('"1"')), { payloadJSON: '"1"' })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
