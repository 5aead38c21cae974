/**
 * The outbox: one key, one message, whatever dies whenever.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as Outbox from "../../src/layers/channels/Outbox.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import {
  type DeliveryAttempt,
  DeliveryFailed,
  type DeliveryReceipt,
  type OutboundMessage
} from "../../src/services/Channel.ts"
import { groupPeer, tempDatabase } from "./kit.ts"

const hello: OutboundMessage = { peer: groupPeer(), text: "hello", idempotencyKey: "k" }

/** One run of the process over a database; `stop` is an orderly end. */
const boot = Effect.fnUntraced(function* (filename: string) {
  const scope = yield* Scope.make()
  const services = yield* Layer.buildWithScope(Storage.layer({ filename }), scope)
  const outbox = yield* Outbox.make.pipe(Effect.provideContext(services), Scope.provide(scope))
  let sends = 0
  const arrives = Effect.sync(() => ({ messageIds: [`m${++sends}`] }))
  return {
    once: (
      key: string,
      message: OutboundMessage = hello,
      send: Effect.Effect<{ messageIds: Array<string> }, DeliveryFailed> = arrives
    ) => outbox.once(key, message, { send: () => send }),
    attempt: (send: (attempt: DeliveryAttempt) => Effect.Effect<{ messageIds: Array<string> }, DeliveryFailed>) =>
      outbox.once("k", hello, { send }),
    /** A channel whose attempts can be made again. */
    resuming: (send: (attempt: DeliveryAttempt) => Effect.Effect<DeliveryReceipt, DeliveryFailed>, kept = false) =>
      outbox.once("k", hello, { send, resumes: true, kept }),
    sends: () => sends,
    states: SqlClient.SqlClient.use(
      (sql) => sql<{ readonly state: string }>`SELECT state FROM channel_outbox ORDER BY key`
    ).pipe(
      Effect.map((rows) => rows.map(({ state }) => state)),
      Effect.provideContext(services)
    ),
    stop: Scope.close(scope, Exit.void)
  }
})

const failing = (outcome: DeliveryFailed["outcome"]) =>
  new DeliveryFailed({ channel: "telegram", to: "-1001", message: "failed", outcome })

describe("a key that was used in an earlier life of the Gateway", () => {
  it.effect("is answered from its row when the message arrived", () =>
    Effect.gen(function* () {
      const file = yield* tempDatabase
      const before = yield* boot(file)
      assert.deepStrictEqual(yield* before.once("k"), { messageIds: ["m1"] })
      yield* before.stop
      const after = yield* boot(file)
      assert.deepStrictEqual(yield* after.once("k"), { messageIds: ["m1"] })
      assert.strictEqual(after.sends(), 0)
      const other = yield* Effect.flip(after.once("k", { ...hello, text: "other" }))
      assert.strictEqual(other.outcome, "refused")
      yield* after.stop
    })
  )

  it.live("is unknown, and not sent again, when the process died between the send and the commit", () =>
    Effect.gen(function* () {
      const file = yield* tempDatabase
      const before = yield* boot(file)
      const asked = yield* Deferred.make<void>()
      // The channel was asked; the process never hears of it again.
      yield* Effect.forkDetach(
        before.once("k", hello, Effect.andThen(Deferred.succeed(asked, undefined), Effect.never))
      )
      yield* Deferred.await(asked)
      assert.deepStrictEqual(yield* before.states, ["sending"])
      const after = yield* boot(file)
      for (const _ of [1, 2]) {
        const error = yield* Effect.flip(after.once("k"))
        assert.strictEqual(error.outcome, "unknown")
        assert.include(error.message, "not known")
      }
      assert.strictEqual(after.sends(), 0)
      assert.deepStrictEqual(yield* after.states, ["unknown"])
      yield* after.stop
    })
  )
})

describe("a message of several parts", () => {
  const progress = { messageIds: ["m1"], next: "1", lost: 0 }
  const seen = (attempt: DeliveryAttempt) => ({ from: attempt.from, cut: attempt.cut })

  it.effect("goes on where its channel stopped, also in a later life", () =>
    Effect.gen(function* () {
      const file = yield* tempDatabase
      const before = yield* boot(file)
      for (const outcome of ["never-sent", "unknown", "refused"] as const) {
        const error = yield* Effect.flip(
          before.attempt(() => Effect.fail(new DeliveryFailed({ ...failing(outcome), message: "failed", progress })))
        )
        assert.deepStrictEqual(error.progress, progress)
      }
      // A channel that cannot even begin does not make the outbox forget the first part.
      yield* Effect.flip(before.once("k", hello, Effect.fail(failing("never-sent"))))
      yield* before.stop
      const after = yield* boot(file)
      const receipt = yield* after.attempt((attempt) => {
        assert.deepStrictEqual(seen(attempt), { from: progress, cut: undefined })
        return Effect.succeed({ messageIds: ["m1", "m2"] })
      })
      assert.deepStrictEqual(receipt, { messageIds: ["m1", "m2"] })
      assert.deepStrictEqual(yield* after.once("k"), receipt)
      assert.strictEqual(after.sends(), 0)
      yield* after.stop
    })
  )

  it.live("is in doubt about one part only when the process died in the middle", () =>
    Effect.gen(function* () {
      const file = yield* tempDatabase
      const before = yield* boot(file)
      const kept = yield* Deferred.make<void>()
      yield* Effect.forkDetach(
        before.attempt(({ keep }) =>
          Effect.andThen(keep!(progress), Effect.andThen(Deferred.succeed(kept, undefined), Effect.never))
        )
      )
      yield* Deferred.await(kept)
      const after = yield* boot(file)
      const error = yield* Effect.flip(
        after.attempt((attempt) => {
          assert.deepStrictEqual(seen(attempt), { from: progress, cut: true })
          return Effect.fail(failing("unknown"))
        })
      )
      assert.strictEqual(error.outcome, "unknown")
      assert.deepStrictEqual(yield* after.states, ["unknown"])
      yield* after.stop
    })
  )

  it.live("is cut off in order when the Gateway stops", () =>
    Effect.gen(function* () {
      const file = yield* tempDatabase
      const before = yield* boot(file)
      const kept = yield* Deferred.make<void>()
      const sending = yield* Effect.forkDetach(
        before.attempt(({ keep }) =>
          Effect.andThen(keep!(progress), Effect.andThen(Deferred.succeed(kept, undefined), Effect.interrupt))
        )
      )
      yield* Deferred.await(kept)
      yield* Fiber.await(sending)
      yield* before.stop
      const after = yield* boot(file)
      yield* after.attempt((attempt) => {
        assert.deepStrictEqual(seen(attempt), { from: progress, cut: true })
        return Effect.succeed({ messageIds: ["m1", "m3"] })
      })
      yield* after.stop
    })
  )
})

describe("a channel that resumes", () => {
  const open = { messageIds: [], next: "0", lost: 0, open: "m1" }
  const seen = (attempt: DeliveryAttempt) => ({ from: attempt.from, cut: attempt.cut })

  it.live("is asked again for what a dead process had begun, with and without a kept id", () =>
    Effect.gen(function* () {
      const file = yield* tempDatabase
      const asked = yield* Deferred.make<void>()
      const before = yield* boot(file)
      yield* Effect.forkDetach(before.resuming(() => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)))
      yield* Deferred.await(asked)
      const kept = yield* Deferred.make<void>()
      const second = yield* boot(file)
      yield* Effect.forkDetach(
        second.resuming((attempt) => {
          assert.deepStrictEqual(seen(attempt), { from: undefined, cut: true })
          return attempt.keep!(open).pipe(
            Effect.andThen(Deferred.succeed(kept, undefined)),
            Effect.andThen(Effect.never)
          )
        })
      )
      yield* Deferred.await(kept)
      const after = yield* boot(file)
      const receipt = yield* after.resuming((attempt) => {
        assert.deepStrictEqual(seen(attempt), { from: open, cut: true })
        return Effect.succeed({ messageIds: ["m1"], orphans: 1 })
      })
      assert.deepStrictEqual(receipt.messageIds, ["m1"])
      assert.deepStrictEqual(yield* after.once("k"), { messageIds: ["m1"] })
      assert.strictEqual(after.sends(), 0)
      yield* after.stop
    })
  )

  it.live("goes on where an orderly stop cut it off, and where it stopped by itself", () =>
    Effect.gen(function* () {
      const file = yield* tempDatabase
      const before = yield* boot(file)
      const unfinished = new DeliveryFailed({ ...failing("unfinished"), message: "failed", progress: open })
      assert.strictEqual((yield* Effect.flip(before.resuming(() => Effect.fail(unfinished)))).outcome, "unfinished")
      yield* Effect.exit(
        before.resuming((attempt) => {
          assert.deepStrictEqual(seen(attempt), { from: open, cut: undefined })
          return Effect.interrupt
        })
      )
      yield* before.stop
      const after = yield* boot(file)
      yield* after.resuming((attempt) => {
        assert.deepStrictEqual(seen(attempt), { from: open, cut: true })
        return Effect.succeed({ messageIds: ["m1"] })
      })
      assert.deepStrictEqual(yield* after.states, ["sent"])
      yield* after.stop
    })
  )

  it.effect("keeps what did not arrive when it is told to, and sends it when it is asked again", () =>
    Effect.gen(function* () {
      const { resuming, states } = yield* boot(yield* tempDatabase)
      yield* Effect.flip(resuming(() => Effect.fail(failing("never-sent")), true))
      assert.deepStrictEqual(yield* states, ["sending"])
      yield* Effect.flip(resuming(() => Effect.fail(failing("refused")), true))
      assert.deepStrictEqual(yield* states, ["refused"])
      yield* resuming((attempt) => {
        assert.deepStrictEqual(seen(attempt), { from: undefined, cut: undefined })
        return Effect.succeed({ messageIds: ["m1"] })
      }, true)
      assert.deepStrictEqual(yield* states, ["sent"])
    })
  )
})

describe("the outbox", () => {
  it.effect("keeps no row of what certainly did not arrive, and one of what may have", () =>
    Effect.gen(function* () {
      const { once, sends, states } = yield* boot(yield* tempDatabase)
      yield* Effect.flip(once("a", hello, Effect.fail(failing("never-sent"))))
      yield* Effect.flip(once("b", hello, Effect.fail(failing("refused"))))
      assert.deepStrictEqual(yield* states, [])
      yield* Effect.flip(once("c", hello, Effect.fail(failing("unknown"))))
      const died = yield* Effect.exit(once("d", hello, Effect.die("broken")))
      assert.isTrue(Exit.hasDies(died))
      assert.deepStrictEqual(yield* states, ["unknown", "unknown"])
      yield* once("a")
      assert.strictEqual((yield* Effect.flip(once("d"))).outcome, "unknown")
      assert.strictEqual(sends(), 1)
    })
  )

  it.live("lets what is on its way arrive before it ends", () =>
    Effect.gen(function* () {
      const file = yield* tempDatabase
      const before = yield* boot(file)
      const asked = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<{ messageIds: Array<string> }>()
      yield* Effect.forkDetach(
        before.once("k", hello, Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(answer)))
      )
      yield* Deferred.await(asked)
      const stopping = yield* Effect.forkDetach(before.stop)
      yield* Deferred.succeed(answer, { messageIds: ["late"] })
      yield* Fiber.await(stopping)
      const after = yield* boot(file)
      assert.deepStrictEqual(yield* after.once("k"), { messageIds: ["late"] })
      yield* after.stop
    })
  )
})
