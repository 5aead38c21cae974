/**
 * Messages that nobody wants any more, and those that nobody could send.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { deliverPatiently } from "../../src/layers/channels/deliverPatiently.ts"
import { type DeliveryAttempt, DeliveryFailed } from "../../src/services/Channel.ts"
import type { Channels } from "../../src/services/ChannelRouter.ts"
import { makeChannel, tempDatabase } from "./kit.ts"
import { boot, failing, note, open, reply, resuming } from "./outboxLife.ts"

describe("a message that is taken back", () => {
  /** Its row, and what its sender and the operator see of it. */
  const statesOf = (channels: Channels["Service"]) =>
    Effect.map(channels.deliveries(), (all) => all.map(({ state }) => state))
  const withdraw = (channels: Channels["Service"]) => Effect.flatten(channels.withdraw("r"))

  it.effect("before anything of it was shown is dropped, and its sender is told so when it asks again", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const fake = makeChannel()
      fake.failures.push("never-sent")
      yield* register(fake.channel)
      yield* Effect.flip(channels.deliver(reply))
      assert.deepStrictEqual(yield* statesOf(channels), ["waiting"])
      yield* withdraw(channels)
      assert.deepStrictEqual(yield* statesOf(channels), [])
      assert.deepInclude(yield* Effect.flip(channels.deliver(reply)), { outcome: "refused" })
      yield* withdraw(channels)
      assert.deepStrictEqual(fake.sent, [])
    })
  )

  it.effect("as part of a transaction that fails is not taken back", () =>
    Effect.gen(function* () {
      const { channels, register, transaction } = yield* boot(yield* tempDatabase)
      const fake = makeChannel()
      fake.failures.push("never-sent")
      yield* register(fake.channel)
      yield* Effect.flip(channels.deliver(reply))
      yield* Effect.exit(transaction(Effect.andThen(channels.withdraw("r"), Effect.fail("rolled back"))))
      yield* channels.deliver(reply)
      assert.lengthOf(fake.sent, 1)
    })
  )

  it.effect("when its beginning is shown is brought to its end in the background", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const shown = yield* Deferred.make<DeliveryAttempt>()
      yield* register(
        resuming(
          () => Effect.fail(failing("never-sent", open)),
          () => Effect.fail(failing("unfinished", open)),
          (attempt) => Effect.as(Deferred.succeed(shown, attempt), { messageIds: ["1"] })
        )
      )
      yield* Effect.flip(channels.deliver(reply))
      yield* withdraw(channels)
      while ((yield* statesOf(channels)).length > 0) {
        yield* Effect.yieldNow
        yield* TestClock.adjust("1 second")
      }
      assert.deepInclude(yield* Deferred.await(shown), { from: open })
    })
  )

  it.effect("while an attempt goes on: dropped when that showed nothing, and told that nobody wants it", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const asked = yield* Deferred.make<void>()
      yield* register(
        resuming((attempt) =>
          Deferred.succeed(asked, undefined).pipe(
            Effect.andThen(attempt.withdrawn!),
            Effect.andThen(Effect.fail(failing("never-sent")))
          )
        )
      )
      const sending = yield* Effect.forkScoped(Effect.flip(channels.deliver(reply)), { startImmediately: true })
      yield* Deferred.await(asked)
      yield* withdraw(channels)
      yield* Fiber.join(sending)
      while ((yield* statesOf(channels)).length > 0) yield* Effect.yieldNow
      assert.deepInclude(yield* Effect.flip(channels.deliver(reply)), { outcome: "refused" })
    })
  )

  it.live("before a crash is seen to at the next start: nothing half stays, nothing else is sent", () =>
    Effect.gen(function* () {
      for (const begun of [true, false]) {
        const file = yield* tempDatabase
        const before = yield* boot(file)
        yield* before.register(resuming(() => Effect.fail(failing("never-sent", begun ? open : undefined))))
        yield* Effect.flip(before.channels.deliver(reply))
        // Committed, and not carried out.
        yield* Effect.asVoid(before.transaction(before.channels.withdraw("r")))
        yield* before.stop
        const after = yield* boot(file)
        const fake = makeChannel()
        yield* after.register({ ...fake.channel, resumes: true })
        while ((yield* statesOf(after.channels)).length > 0) yield* Effect.yieldNow
        assert.lengthOf(fake.sent, begun ? 1 : 0)
        yield* after.stop
      }
    })
  )
})

describe("a message that is given up", () => {
  it.effect("is a dead letter from then on, and goes out on the operator's word", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const fake = makeChannel()
      fake.failures.push(...Array.from({ length: 20 }, () => "never-sent" as const))
      yield* register(fake.channel)
      const policy = { giveUpAfterMs: 5_000, firstPauseMs: 1_000 }
      const patient = yield* Effect.forkScoped(Effect.flip(deliverPatiently(channels, reply, policy, "it")), {
        startImmediately: true
      })
      while (patient.pollUnsafe() === undefined) {
        yield* Effect.yieldNow
        yield* TestClock.adjust("1 second")
      }
      assert.deepInclude((yield* channels.deliveries())[0], { state: "refused", error: "given up: failed" })
      // One that still does not go out stays what it was.
      yield* Effect.flip(channels.retryDelivery("r"))
      assert.deepInclude((yield* channels.deliveries())[0], { state: "refused", error: "failed" })
      fake.failures.splice(0)
      yield* channels.retryDelivery("r")
      assert.lengthOf(fake.sent, 1)
      // One that is sent, or that nobody knows, is not given up.
      yield* channels.abandon("r", "late")
      yield* channels.abandon("nobody", "late")
      assert.deepStrictEqual(yield* channels.deliveries(), [])
    })
  )

  it.effect("is also one that only the outbox remembers", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const retryAfterMs = 3_600_000
      yield* register({
        ...makeChannel().channel,
        resumes: true,
        send: () => Effect.fail(new DeliveryFailed({ ...failing("unfinished", open), message: "later", retryAfterMs }))
      })
      const sending = yield* Effect.forkScoped(Effect.flip(channels.send(note)), { startImmediately: true })
      const state = Effect.map(channels.deliveries(), (all) => all[0]?.state)
      while ((yield* state) !== "refused") {
        yield* Effect.yieldNow
        yield* TestClock.adjust("1 hour")
      }
      yield* Fiber.join(sending)
    })
  )
})
