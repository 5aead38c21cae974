/**
 * Messages whose channel is not there: they are seen to wait, go out when it is back, and never end unheard.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { deliverPatiently, defaultPolicy } from "../../src/layers/channels/deliverPatiently.ts"
import { DeliveryFailed } from "../../src/services/Channel.ts"
import { makeChannel, tempDatabase } from "./kit.ts"
import { boot, failing, open, reply, resuming } from "./outboxLife.ts"

const inbox = (accountId: string, source: string) =>
  `INSERT INTO channel_inbox (channel, source, message_key, account_id, received_at) VALUES ('telegram', '${source}', '${source}', '${accountId}', 0)`

const waits = Effect.fnUntraced(function* (channels: Effect.Success<ReturnType<typeof boot>>["channels"]) {
  const waiting = yield* Effect.forkScoped(
    Effect.result(deliverPatiently(channels, reply, defaultPolicy, "the reply")),
    { startImmediately: true }
  )
  while ((yield* channels.deliveries()).length === 0) yield* Effect.yieldNow
  return waiting
})

/** Lets time pass in steps, so that what waits is asked again. */
const pass = Effect.fnUntraced(function* (hours: number) {
  for (let step = 0; step < hours * 4; step++) {
    yield* TestClock.adjust("15 minutes")
    for (let turn = 0; turn < 50; turn++) yield* Effect.yieldNow
  }
})

describe("a reply whose channel is not there", () => {
  it.effect("is seen to wait, and goes out when it comes hours later", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const waiting = yield* waits(channels)
      yield* pass(3)
      const [told] = yield* channels.deliveries()
      assert.deepInclude(told, { key: "r", state: "waiting", text: "hello" })
      assert.include(told!.error, "telegram")
      const fake = makeChannel()
      yield* register(fake.channel)
      yield* fake.said(1)
      while (waiting.pollUnsafe() === undefined) yield* TestClock.adjust("30 seconds")
      assert.deepInclude(yield* Fiber.join(waiting), { success: { messageIds: ["1"] } })
      assert.lengthOf(fake.sent, 1)
    })
  )

  it.effect("becomes a dead letter when it does not come", () =>
    Effect.gen(function* () {
      const { channels } = yield* boot(yield* tempDatabase)
      const waiting = yield* waits(channels)
      yield* pass(26)
      while (waiting.pollUnsafe() === undefined) yield* Effect.yieldNow
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "Failure")
      const [letter] = yield* channels.deliveries()
      assert.deepInclude(letter, { key: "r", state: "refused", text: "hello" })
      assert.deepInclude(yield* Effect.flip(channels.retryDelivery("r")), { _tag: "ChannelNotConfigured" })
      assert.strictEqual((yield* channels.deliveries())[0]?.state, "refused")
    })
  )

  it.effect("goes out by the same bot under another name, and by no other bot", () =>
    Effect.gen(function* () {
      const { channels, execute, register } = yield* boot(yield* tempDatabase)
      yield* execute(inbox("default", "42"))
      yield* waits(channels)
      const stranger = makeChannel("telegram", "other")
      yield* register({ ...stranger.channel, source: "43" })
      const renamed = makeChannel("telegram", "renamed")
      yield* register({ ...renamed.channel, source: "42" })
      yield* renamed.said(1)
      assert.deepStrictEqual(stranger.sent, [])
    })
  )

  it.effect("is brought to its end at once when it was shown in part", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const scope = yield* Scope.make()
      yield* Scope.provide(channels.register(resuming(() => Effect.fail(failing("unfinished", open)))), scope)
      yield* Effect.flip(channels.deliver(reply))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Effect.flip(channels.deliver(reply)))._tag, "ChannelNotConfigured")
      yield* register(resuming())
      while ((yield* channels.deliveries()).length > 0) yield* Effect.yieldNow
      assert.deepStrictEqual(yield* channels.deliver(reply), { messageIds: ["done"] })
    })
  )
})

describe("a row that cannot be read", () => {
  it.effect("is listed by its key, stops nothing else, and can be dropped", () =>
    Effect.gen(function* () {
      for (const message of ['{"peer":1}', '{"media":[{"id":1}]}', "no json"]) {
        const file = yield* tempDatabase
        const before = yield* boot(file)
        const fake = makeChannel()
        fake.failures.push("never-sent", "never-sent")
        yield* before.register(fake.channel)
        yield* Effect.flip(before.channels.deliver(reply))
        yield* Effect.flip(before.channels.deliver({ ...reply, idempotencyKey: "s", text: "other" }))
        yield* before.execute(`UPDATE channel_outbox SET message = '${message}' WHERE key = 'r'`)
        yield* before.stop
        const { channels, register } = yield* boot(file)
        const [bad, good] = yield* channels.deliveries()
        assert.deepInclude(bad, { key: "r", error: "what was kept of it cannot be read" })
        assert.deepInclude(good, { key: "s", text: "other" })
        const after = makeChannel()
        yield* register(after.channel)
        yield* after.said(1)
        assert.strictEqual(after.sent[0]?.text, "other")
        assert.deepInclude(yield* Effect.flip(channels.retryDelivery("r")), { outcome: "refused" })
        assert.isTrue(yield* channels.dropDelivery("r"))
      }
    })
  )

  it.effect("by its progress is told as unknown", () =>
    Effect.gen(function* () {
      const { channels, execute, register } = yield* boot(yield* tempDatabase)
      yield* register(resuming(() => Effect.fail(failing("unfinished", open))))
      yield* Effect.flip(channels.deliver(reply))
      yield* execute(`UPDATE channel_outbox SET progress = '{}'`)
      assert.deepInclude(yield* Effect.flip(channels.deliver(reply)), { outcome: "unknown" })
      assert.strictEqual((yield* channels.deliveries())[0]?.state, "unknown")
    })
  )
})

describe("the operator's word", () => {
  it.effect("said twice at once sends once", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const fake = makeChannel()
      fake.failures.push("unknown")
      yield* register(fake.channel)
      yield* Effect.flip(channels.deliver(reply))
      yield* Effect.all(
        [1, 2, 3, 4].map(() => Effect.exit(channels.retryDelivery("r"))),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(fake.sent, 1)
    })
  )

  it.effect("to drop what just begins is refused, or nothing of it is sent", () =>
    Effect.gen(function* () {
      const { channels, register } = yield* boot(yield* tempDatabase)
      const fake = makeChannel()
      yield* register(fake.channel)
      for (let turn = 0; turn < 8; turn++) {
        const message = { ...reply, idempotencyKey: `r${turn}` }
        fake.failures.push("never-sent")
        yield* Effect.flip(channels.deliver(message))
        const sent = fake.sent.length
        const yields = Effect.repeat(Effect.yieldNow, { times: turn })
        const [dropped] = yield* Effect.all(
          [
            Effect.andThen(turn % 2 === 0 ? yields : Effect.void, channels.dropDelivery(message.idempotencyKey)),
            Effect.andThen(turn % 2 === 1 ? yields : Effect.void, channels.deliver(message))
          ],
          { concurrency: "unbounded" }
        )
        assert.strictEqual(fake.sent.length - sent, dropped ? 0 : 1)
      }
    })
  )
})

describe("a server that asks for days of patience", () => {
  it.effect("is asked again within the hour", () =>
    Effect.gen(function* () {
      let tries = 0
      const deliver = () =>
        Effect.suspend(() => {
          tries += 1
          const fields = { channel: "telegram", to: "7", message: "wait", outcome: "never-sent" } as const
          return tries === 1
            ? Effect.fail(new DeliveryFailed({ ...fields, retryAfterMs: 1e12 }))
            : Effect.succeed({ messageIds: [] })
        })
      yield* Effect.forkScoped(deliverPatiently({ deliver }, reply, defaultPolicy, "it"), { startImmediately: true })
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(tries, 1)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(tries, 2)
    })
  )
})
