/**
 * What is not delivered: told, carried to its end, retried and dropped.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import * as ChannelsLive from "../../src/layers/channels/Channels.ts"
import { deliverPatiently } from "../../src/layers/channels/deliverPatiently.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { type Channel, type DeliveryAttempt, DeliveryFailed, type DeliveryReceipt } from "../../src/services/Channel.ts"
import { Channels } from "../../src/services/ChannelRouter.ts"
import { groupPeer, makeChannel, makeConfig, tempDatabase } from "./kit.ts"

/** One life of the Gateway's channels over a database. */
const boot = Effect.fnUntraced(function* (filename: string) {
  const scope = yield* Scope.make()
  const layer = ChannelsLive.layer.pipe(
    Layer.provideMerge(Layer.merge(Storage.layer({ filename }), makeConfig({}).layer))
  )
  const services = yield* Layer.buildWithScope(layer, scope)
  const channels = yield* Channels.pipe(Effect.provideContext(services))
  return {
    channels,
    register: (channel: Channel) => Scope.provide(channels.register(channel), scope),
    transaction: <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.provideContext(
        SqlClient.SqlClient.use((sql) => sql.withTransaction(effect)),
        services
      ),
    breakStorage: Effect.provideContext(
      SqlClient.SqlClient.use((sql) => sql`DROP TABLE channel_outbox`),
      services
    ),
    stop: Scope.close(scope, Exit.void)
  }
})

const failing = (outcome: DeliveryFailed["outcome"], progress?: DeliveryFailed["progress"]) =>
  new DeliveryFailed({
    channel: "telegram",
    to: "7",
    message: "failed",
    outcome,
    ...(progress === undefined ? undefined : { progress })
  })

/** A channel that can go on, and what it does next. */
const resuming = (...steps: Array<(attempt: DeliveryAttempt) => Effect.Effect<DeliveryReceipt, DeliveryFailed>>) => ({
  ...makeChannel().channel,
  resumes: true as const,
  send: (_: unknown, attempt: DeliveryAttempt = {}) =>
    Effect.suspend(() => (steps.shift() ?? (() => Effect.succeed({ messageIds: ["done"] })))(attempt))
})

const open = { messageIds: [], next: "0", lost: 0, open: "1", orphans: 2 }
const reply = { peer: groupPeer("7"), text: "hello", idempotencyKey: "r" }
const note = { to: "7", text: "note", idempotencyKey: "n" }

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
        yield* before.transaction(before.channels.withdraw("r"))
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
      yield* register({
        ...makeChannel().channel,
        resumes: true,
        send: () => Effect.fail(failing("unfinished", open))
      })
      const sending = yield* Effect.forkScoped(Effect.flip(channels.send(note)), { startImmediately: true })
      const state = Effect.map(channels.deliveries(), (all) => all[0]?.state)
      while ((yield* state) !== "refused") {
        yield* Effect.yieldNow
        yield* TestClock.adjust("10 minutes")
      }
      yield* Fiber.join(sending)
    })
  )
})
