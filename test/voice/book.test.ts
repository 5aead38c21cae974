/** By what the book knows an event again, over time and restarts. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import { ConnId, NodeId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import * as Book from "../../src/layers/nodeTurns/Book.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { tempDatabase } from "../channels/kit.ts"

const node = (connId = "c1", nodeId = "n1") => ({ nodeId: NodeId.make(nodeId), connId: ConnId.make(connId) })
const entry = (more: Partial<Book.Entry> = {}): Book.Entry => ({
  from: node(),
  kind: "voice",
  name: undefined,
  text: "next",
  sessionKey: SessionKey.make("agent:main:main"),
  owed: true,
  ...more
})

const withBook = <A, E, R>(use: (book: Effect.Success<typeof Book.make>) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const filename = yield* tempDatabase
    return yield* Effect.flatMap(Book.make, use).pipe(Effect.provide(Layer.fresh(Storage.layer({ filename }))))
  }).pipe(Effect.scoped)

describe("the book of node events", () => {
  it.effect("knows the same words for a moment, and longer over another connection", () =>
    withBook((book) =>
      Effect.gen(function* () {
        const isNew = (more: Partial<Book.Entry> = {}) => Effect.map(book.enter(entry(more)), (found) => found.isNew)
        yield* TestClock.adjust("1 hour")
        assert.isTrue(yield* isNew())
        yield* TestClock.adjust(Book.SAME_CONNECTION_MS - 1)
        assert.isFalse(yield* isNew())
        assert.isTrue(yield* isNew({ text: "after next" }))
        assert.isTrue(yield* isNew({ kind: "request" }))
        assert.isTrue(yield* isNew({ from: node("c1", "n2") }))
        yield* TestClock.adjust(1)
        assert.isTrue(yield* isNew())
        yield* TestClock.adjust(Book.OTHER_CONNECTION_MS - 1)
        assert.isFalse(yield* isNew({ from: node("c2") }))
        yield* TestClock.adjust(1)
        assert.isTrue(yield* isNew({ from: node("c2") }))
        // A clock that was set back makes nothing the same.
        yield* TestClock.setTime(0)
        assert.isTrue(yield* isNew({ from: node("c2") }))
      })
    )
  )

  it.effect("knows the same words and the same name in another conversation as another event", () =>
    withBook((book) =>
      Effect.gen(function* () {
        const elsewhere = SessionKey.make("agent:work:main")
        for (const name of [undefined, "event:1"]) {
          assert.isTrue((yield* book.enter(entry({ name }))).isNew)
          assert.isTrue((yield* book.enter(entry({ name, sessionKey: elsewhere }))).isNew)
          assert.isFalse((yield* book.enter(entry({ name, sessionKey: elsewhere }))).isNew)
        }
      })
    )
  )

  it.effect("knows an event by its name for a week, whatever the connection, and that its words are others", () =>
    withBook((book) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        const first = yield* book.enter(entry({ name: "event:1" }))
        yield* TestClock.adjust("6 days")
        const again = yield* book.enter(entry({ name: "event:1", from: node("c9") }))
        assert.deepInclude(again, { runId: first.runId, isNew: false, isSame: true })
        const other = yield* book.enter(entry({ name: "event:1", text: "else" }))
        assert.deepInclude(other, { runId: first.runId, isNew: false, isSame: false })
        assert.deepStrictEqual(yield* book.prune(6 * 24 * 60 * 60_000, "n1"), [])
        yield* TestClock.adjust("2 days")
        assert.deepStrictEqual(yield* book.prune(9 * 24 * 60 * 60_000, "n1"), [first.runId as string])
        assert.isTrue((yield* book.enter(entry({ name: "event:1" }))).isNew)
      })
    )
  )

  it.effect("keeps what is owed until it was told, and of a node that asks much the newest", () =>
    withBook((book) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const first = yield* book.enter(entry({ name: "event:0" }))
        yield* book.enter(entry({ name: "event:x", owed: false }))
        assert.deepStrictEqual(
          (yield* book.owed).map(({ runId }) => runId),
          [first.runId]
        )
        yield* Effect.forEach(
          Array.from({ length: 1_999 }, (_, index) => `event:a${index}`),
          (name) => book.enter(entry({ name })),
          { discard: true }
        ).pipe(sql.withTransaction)
        assert.deepStrictEqual(yield* book.prune(0, "n2"), [])
        assert.deepStrictEqual(yield* book.prune(0, "n1"), [first.runId as string])
        assert.lengthOf(yield* book.owed, 1_999)
        yield* book.told((yield* book.owed)[0]!.runId)
        assert.lengthOf(yield* book.owed, 1_998)
      })
    )
  )
})
