/**
 * What is not delivered: told, carried to its end, retried and dropped.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { makeChannel, tempDatabase } from "./kit.ts"
import { boot, failing, note, open, reply, resuming } from "./outboxLife.ts"

describe("open deliveries", () => {
  it.effect("a reply that may have arrived is told, goes again on somebody's word, and is then closed", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const fake = makeChannel()
      fake.failures.push("unknown", "refused")
      yield* register(fake.channel)
      yield* Effect.flip(channels.deliver(reply))
      const [told] = yield* channels.deliveries()
      assert.deepStrictEqual(told, {
        key: "r",
        channel: "telegram",
        accountId: "default",
        chatId: "7",
        state: "unknown",
        error: "failed",
        since: 0,
        updatedAt: 0,
        orphans: 0,
        text: "hello"
      })
      assert.deepStrictEqual(yield* channels.deliveryCounts, { sending: 0, waiting: 0, unknown: 1, refused: 0 })
      yield* Effect.flip(channels.retryDelivery("r"))
      assert.strictEqual((yield* channels.deliveries())[0]?.state, "refused")
      yield* channels.retryDelivery("r")
      assert.strictEqual(fake.sent.length, 1)
      assert.deepStrictEqual(yield* channels.deliveries(), [])
      assert.deepInclude(yield* Effect.flip(channels.retryDelivery("r")), { _tag: "DeliveryNotFound", key: "r" })
    })
  )

  it.effect("one that is dropped is not sent any more, by whoever still waits for it either", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const fake = makeChannel()
      fake.failures.push("refused")
      yield* register(fake.channel)
      yield* Effect.flip(channels.deliver(reply))
      assert.isTrue(yield* channels.dropDelivery("r"))
      assert.isFalse(yield* channels.dropDelivery("r"))
      assert.deepStrictEqual(yield* channels.deliver(reply), { messageIds: [] })
      assert.deepStrictEqual(fake.sent, [])
    })
  )

  it.effect("one that is on its way right now is told so and not dropped", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const fake = makeChannel()
      fake.gate = Deferred.makeUnsafe<void>()
      yield* register(fake.channel)
      const sending = yield* Effect.forkScoped(channels.deliver(reply), { startImmediately: true })
      while ((yield* channels.deliveries()).length === 0) yield* Effect.yieldNow
      assert.strictEqual((yield* channels.deliveries())[0]?.state, "sending")
      assert.isFalse(yield* channels.dropDelivery("r"))
      Deferred.doneUnsafe(fake.gate, Effect.void)
      yield* Fiber.join(sending)
    })
  )

  it.effect("names its trouble when it cannot be read", () =>
    Effect.gen(function* () {
      const { breakStorage, channels } = yield* boot(yield* tempDatabase)
      yield* breakStorage
      for (const asked of [channels.deliveries(), channels.deliveryCounts, channels.dropDelivery("x")]) {
        assert.strictEqual(
          (yield* Effect.flip<unknown, { readonly _tag: string }, never>(asked))._tag,
          "DeliveryStorageFailed"
        )
      }
    })
  )
})

describe("a message that nobody repeats", () => {
  it.effect("is finished while its sender waits, when it has begun", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      yield* register(resuming(() => Effect.fail(failing("unfinished", open))))
      const sending = yield* Effect.forkScoped(channels.send(note), { startImmediately: true })
      while (sending.pollUnsafe() === undefined) {
        yield* Effect.yieldNow
        yield* TestClock.adjust("1 second")
      }
      assert.deepInclude(yield* Fiber.join(sending), { messageIds: ["done"] })
    })
  )

  it.effect("is finished without its sender when that takes long", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      let away = true
      let tries = 0
      const send = () =>
        Effect.suspend(() => {
          tries += 1
          return away ? Effect.fail(failing("unfinished", open)) : Effect.succeed({ messageIds: ["late"] })
        })
      yield* register({ ...makeChannel().channel, resumes: true, send })
      const sending = yield* Effect.forkScoped(Effect.flip(channels.send(note)), { startImmediately: true })
      while (sending.pollUnsafe() === undefined) {
        yield* Effect.yieldNow
        yield* TestClock.adjust("1 second")
      }
      assert.deepInclude(yield* Fiber.join(sending), { _tag: "DeliveryFailed", outcome: "unfinished" })
      assert.deepInclude((yield* channels.deliveries())[0], { orphans: 2, error: "failed", text: "note" })
      away = false
      const before = tries
      while ((yield* channels.deliveries()).length > 0) {
        yield* Effect.yieldNow
        yield* TestClock.adjust("30 seconds")
      }
      assert.strictEqual(tries, before + 1)
      assert.deepInclude(yield* channels.send(note), { messageIds: ["late"] })
    })
  )

  it.live("is taken up after a restart: to its end where that is safe, told as unknown where it is not", () =>
    Effect.gen(function* () {
      for (const resumes of [true, false]) {
        const file = yield* tempDatabase
        const before = yield* boot(file)
        const asked = yield* Deferred.make<void>()
        const dying = resuming(() => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never))
        yield* before.register(dying)
        yield* Effect.forkDetach(before.channels.send(note))
        yield* Deferred.await(asked)
        const after = yield* boot(file)
        const fake = makeChannel()
        yield* after.register(resumes ? { ...fake.channel, resumes } : fake.channel)
        const states = Effect.map(after.channels.deliveries(), (all) => all.map(({ state }) => state).join())
        const wanted = resumes ? "" : "unknown"
        while ((yield* states) !== wanted) yield* Effect.yieldNow
        assert.strictEqual(fake.sent.length, resumes ? 1 : 0)
        yield* after.stop
      }
    })
  )
})
