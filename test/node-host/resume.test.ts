/** Requests that a Gateway asks again because it does not know whether they arrived. */
import { createHash } from "node:crypto"
import { DatabaseSync } from "node:sqlite"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { FILE } from "../../src/node-host/InvokeMemory.ts"
import { noLongerKept } from "../../src/node-host/invokeJournal.ts"
import { counted, folder, start } from "./memoryKit.ts"

const day = { count: 1_000, bytes: 1_000_000, ageMs: 86_400_000 }

/** The test's clock on a machine that somebody sets: `shift` moves the time of day, and not the course of time. */
const shiftable = Effect.map(Clock.Clock, (clock) => {
  const shifted = {
    ...clock,
    shift: 0,
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + shifted.shift
  }
  return shifted
})

describe("a request that may have been made before", () => {
  it.effect("is done when it was not begun, also by an earlier process, and answered when it was", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const work = counted()
      const before = yield* start(root)
      yield* TestClock.adjust("1 minute")
      yield* before.memory.once("k", "d", work.answer('"once"'))
      yield* before.end
      const { memory } = yield* start(root)
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* memory.resume("k", "d", 60_000, work.answer('"twice"')), { payloadJSON: '"once"' })
      assert.deepInclude(yield* memory.resume("new", "d", 60_000, work.answer('"new"')), { payloadJSON: '"new"' })
      assert.deepInclude(yield* memory.resume("new", "d", 60_000, work.answer('"again"')), { payloadJSON: '"new"' })
      assert.strictEqual(work.runs(), 2)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("is not done when it may be older than this memory, or than something that was pruned", () =>
    Effect.gen(function* () {
      const work = counted()
      const { memory } = yield* start(yield* folder, { ...day, keys: 1 })
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(yield* memory.resume("older", "d", 60_001, work.answer("1")))
      yield* memory.once("first", "d", work.answer("1"))
      yield* TestClock.adjust("1 second")
      yield* memory.once("second", "d", work.answer("2"))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(yield* memory.resume("first", "d", 2_000, work.answer("again")))
      assert.strictEqual(work.runs(), 2)
      assert.deepInclude(yield* memory.resume("new", "d", 1_999, work.answer("3")), { payloadJSON: "3" })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("is not done when its answer alone was pruned, also after a restart; what was never begun is", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const work = counted()
      const limits = { ...day, count: 2 }
      const before = yield* start(root, limits)
      for (const key of ["a", "b", "c"]) yield* before.memory.once(key, "d", work.answer(`"${key}"`))
      const check = Effect.fnUntraced(function* ({ memory }: typeof before, fresh: string) {
        assert.deepStrictEqual(yield* memory.recall("a", "d"), noLongerKept)
        assert.deepStrictEqual(yield* memory.once("a", "d", work.answer("")), noLongerKept)
        assert.deepStrictEqual(yield* memory.resume("a", "d", 0, work.answer("")), noLongerKept)
        assert.strictEqual((yield* Effect.flip(memory.recall("a", "other")))._tag, "KeyReused")
        assert.deepInclude(yield* memory.resume(fresh, "d", 0, work.answer(`"${fresh}"`)), { ok: true })
      })
      yield* check(before, "d")
      yield* before.end
      yield* check(yield* start(root, limits), "e")
      assert.strictEqual(work.runs(), 5)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("joins the work when its first sending arrives late", () =>
    Effect.gen(function* () {
      const work = counted()
      const { memory } = yield* start(yield* folder)
      const gate = yield* Deferred.make<void>()
      const slow = Effect.andThen(Deferred.await(gate), work.answer('"one"'))
      const again = yield* Effect.forkScoped(memory.resume("k", "d", 0, slow), { startImmediately: true })
      const late = yield* Effect.forkScoped(memory.once("k", "d", work.answer('"two"')), { startImmediately: true })
      yield* Deferred.succeed(gate, undefined)
      for (const fiber of [again, late]) assert.deepInclude(yield* Fiber.join(fiber), { payloadJSON: '"one"' })
      assert.strictEqual(work.runs(), 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  const hour = 3_600_000
  it.effect.each([
    ["forward", 26 * hour],
    ["back", -26 * hour]
  ] as const)("is not done when the clock was set %s since", ([, shift]) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_800_000_000_000)
      const work = counted()
      const clock = yield* shiftable
      const { memory } = yield* Effect.provideService(start(yield* folder), Clock.Clock, clock)
      yield* TestClock.adjust("2 hours")
      yield* memory.once("k", "d", work.answer("1"))
      clock.shift += shift
      yield* memory.once("other", "d", work.answer("2"))
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(yield* memory.resume("new", "d", hour + 1, work.answer("")))
      assert.deepInclude(yield* memory.resume("new", "d", hour - 1, work.answer("3")), { payloadJSON: "3" })
      // As much as a time server puts right is nothing.
      clock.shift += 30_000
      assert.deepInclude(yield* memory.resume("newer", "d", hour - 1, work.answer("4")), { payloadJSON: "4" })
      assert.strictEqual(work.runs(), 4)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect.each([
    ["done when this node was away for half an hour", 0.5 * hour, true],
    ["not done when it was away so long that its clock may have been set", 2 * hour, false],
    ["not done when its clock was set back while it was away", -0.5 * hour, false]
  ] as const)("is %s", ([, away, isDone]) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_800_000_000_000)
      const root = yield* folder
      const clock = yield* shiftable
      const run = Effect.provideService(start(root), Clock.Clock, clock)
      const before = yield* run
      yield* TestClock.adjust("4 hours")
      yield* before.end
      clock.shift += away
      const { memory } = yield* run
      const answer = yield* memory.resume("k", "d", 3 * hour, counted().answer("1"))
      assert.strictEqual(answer !== undefined, isDone)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("is not done when it may be older than a journal of an earlier version's last use", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const db = new DatabaseSync(`${root}/${FILE}`)
      db.exec(
        "CREATE TABLE invokes (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, at INTEGER NOT NULL, size INTEGER NOT NULL, reply TEXT) STRICT"
      )
      const id = createHash("sha256").update('"k"').digest("hex")
      const reply = '{"ok":true,"payloadJSON":"1"}'
      db.prepare("INSERT INTO invokes (id, digest, at, size, reply) VALUES (?, 'd', 0, ?, ?)").run(
        id,
        reply.length,
        reply
      )
      db.close()
      yield* TestClock.adjust("1 minute")
      const work = counted()
      const { memory } = yield* start(root)
      assert.deepInclude(yield* memory.resume("k", "d", 60_000, work.answer("")), { payloadJSON: "1" })
      assert.isUndefined(yield* memory.resume("new", "d", 1, work.answer("")))
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* memory.resume("new", "d", 1_000, work.answer("2")), { payloadJSON: "2" })
      assert.strictEqual(work.runs(), 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
