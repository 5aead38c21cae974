import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { DeliveryFailed } from "../../src/services/Channel.ts"
import * as Live from "../../src/layers/channels/Channels.ts"
import { Channels } from "../../src/services/ChannelRouter.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { inbound, makeChannel, makeConfig, telegram, tempDatabase } from "./kit.ts"

const database = Layer.unwrap(Effect.map(tempDatabase, (filename) => Storage.layer({ filename })))

const withChannels = <A, E, R>(
  use: (channels: Channels["Service"]) => Effect.Effect<A, E, R>,
  config: OpenClawConfig = {}
) => Channels.use(use).pipe(Effect.provide(Layer.provide(Live.layer, [makeConfig(config).layer, database])))

const hello = { to: "7", text: "hello", idempotencyKey: "k" }

describe("sending through any channel", () => {
  it.effect("the channel reads the destination; what it does not understand is InvalidDestination", () =>
    withChannels((channels) =>
      Effect.gen(function* () {
        const fake = makeChannel()
        yield* channels.register(fake.channel)
        assert.deepStrictEqual(yield* channels.send(hello), { messageIds: ["1"], channel: "telegram", chatId: "7" })
        const error = yield* Effect.flip(channels.send({ ...hello, to: "nobody" }))
        assert.strictEqual(error._tag, "InvalidDestination")
        assert.include(error.message, "nobody")
      })
    )
  )

  it.effect("a channel or account that is not there is ChannelNotConfigured", () =>
    withChannels((channels) =>
      Effect.gen(function* () {
        assert.include((yield* Effect.flip(channels.send(hello))).message, "channels.telegram")
        yield* channels.register(makeChannel().channel)
        for (const options of [{ channel: "signal" }, { accountId: "work" }]) {
          assert.strictEqual((yield* Effect.flip(channels.send({ ...hello, ...options })))._tag, "ChannelNotConfigured")
        }
        const message = inbound("x")
        const peer = { ...message.peer, accountId: "work" }
        assert.strictEqual((yield* Effect.flip(channels.deliver({ peer, text: "x" })))._tag, "ChannelNotConfigured")
      })
    )
  )

  it.effect("the account defaults to the configured one, then `default`, then the first", () =>
    Effect.gen(function* () {
      const sentBy = (config: OpenClawConfig, ...accounts: ReadonlyArray<string>) =>
        withChannels(
          (channels) =>
            Effect.gen(function* () {
              const fakes = accounts.map((account) => makeChannel("telegram", account))
              for (const fake of fakes) yield* channels.register(fake.channel)
              yield* channels.send(hello)
              return fakes.find((fake) => fake.sent.length > 0)!.channel.accountId
            }),
          config
        )
      assert.strictEqual(yield* sentBy(telegram({ defaultAccount: "b" }), "a", "default", "b"), "b")
      assert.strictEqual(yield* sentBy({}, "a", "default"), "default")
      assert.strictEqual(yield* sentBy({}, "a", "b"), "a")
    })
  )

  it.effect("the same key again is the same message, also while it is on its way", () =>
    withChannels((channels) =>
      Effect.gen(function* () {
        const fake = makeChannel()
        fake.gate = Deferred.makeUnsafe<void>()
        yield* channels.register(fake.channel)
        const first = yield* Effect.forkScoped(channels.send(hello), { startImmediately: true })
        const second = yield* Effect.forkScoped(channels.send(hello), { startImmediately: true })
        Deferred.doneUnsafe(fake.gate, Effect.void)
        assert.deepStrictEqual(yield* Fiber.join(first), yield* Fiber.join(second))
        yield* channels.send(hello)
        assert.strictEqual(fake.sent.length, 1)
        const conflict = yield* Effect.flip(channels.send({ ...hello, text: "other" }))
        assert.deepInclude(conflict, { _tag: "DeliveryFailed", outcome: "refused" })
        yield* channels.send({ ...hello, text: "other", idempotencyKey: "k2" })
        assert.strictEqual(fake.sent.length, 2)
      })
    )
  )

  it.effect("a caller that goes away does not stop its message, and can ask again", () =>
    withChannels((channels) =>
      Effect.gen(function* () {
        const fake = makeChannel()
        fake.gate = Deferred.makeUnsafe<void>()
        yield* channels.register(fake.channel)
        const caller = yield* Effect.forkScoped(channels.send(hello), { startImmediately: true })
        yield* Fiber.interrupt(caller)
        Deferred.doneUnsafe(fake.gate, Effect.void)
        assert.deepInclude(yield* channels.send(hello), { messageIds: ["1"] })
        assert.strictEqual(fake.sent.length, 1)
      })
    )
  )

  it.effect("what certainly did not arrive may be sent again under its key; what may have arrived is not", () =>
    withChannels((channels) =>
      Effect.gen(function* () {
        const fake = makeChannel()
        yield* channels.register(fake.channel)
        fake.failures.push("never-sent", "refused", "unknown")
        const outcome = Effect.map(
          Effect.flip(channels.send(hello)),
          (error) => (error as { outcome?: string }).outcome
        )
        assert.deepStrictEqual(
          [yield* outcome, yield* outcome, yield* outcome, yield* outcome],
          ["never-sent", "refused", "unknown", "unknown"]
        )
        assert.deepStrictEqual(fake.sent, [])
      })
    )
  )

  it.effect("without a key a message that went out in part is not to be repeated", () =>
    withChannels((channels) =>
      Effect.gen(function* () {
        const { channel } = makeChannel()
        const progress = { messageIds: ["1"], next: "1", lost: 0 }
        const half = new DeliveryFailed({
          channel: "telegram",
          to: "7",
          message: "429",
          outcome: "never-sent",
          progress
        })
        yield* channels.register({ ...channel, send: () => Effect.fail(half) })
        const { peer } = inbound("hi")
        const error = yield* Effect.flip(channels.deliver({ peer, text: "hello" }))
        assert.deepInclude(error, { outcome: "unknown" })
        assert.notProperty(error, "progress")
        const keyed = yield* Effect.flip(channels.deliver({ peer, text: "hello", idempotencyKey: "k" }))
        assert.deepInclude(keyed, { outcome: "never-sent", progress })
      })
    )
  )
})

describe("channels.status", () => {
  it.effect("every account with its policy, and what in the configuration never matches", () =>
    withChannels(
      (channels) =>
        Effect.gen(function* () {
          yield* channels.register(makeChannel("telegram", "work").channel)
          yield* channels.register(makeChannel("telegram").channel)
          yield* channels.register(makeChannel("embedded", "one").channel)
          const status = yield* channels.status()
          assert.deepStrictEqual(status.channelOrder, ["embedded", "telegram"])
          assert.deepStrictEqual(status.channelDefaultAccountId, { embedded: "one", telegram: "default" })
          assert.deepInclude(status.channelAccounts["telegram"]![0], {
            accountId: "work",
            dmPolicy: "pairing",
            allowFrom: ["@eve", "7"]
          })
          assert.notProperty(status.channelAccounts["telegram"]![0], "probe")
          assert.strictEqual(status.warnings?.length, 1)
          assert.deepStrictEqual((yield* channels.status({ channel: "embedded" })).channelOrder, ["embedded"])
          const probed = yield* channels.status({ probe: true })
          assert.deepStrictEqual(probed.channelAccounts["telegram"]![1]!.probe, { ok: true })
        }),
      telegram({ allowFrom: ["@eve", 7] })
    )
  )

  it.effect("a probe that does not end makes the answer partial", () =>
    withChannels((channels) =>
      Effect.gen(function* () {
        yield* channels.register({ ...makeChannel().channel, probe: Effect.never })
        const fiber = yield* Effect.forkScoped(channels.status({ probe: true }), { startImmediately: true })
        yield* TestClock.adjust("10 seconds")
        const status = yield* Fiber.join(fiber)
        assert.strictEqual(status.partial, true)
        assert.deepInclude(status.channelAccounts["telegram"]![0]!.probe, { ok: false })
      })
    )
  )

  it.effect("nothing configured is an empty answer", () =>
    withChannels((channels) =>
      Effect.map(channels.status({ probe: true }), (status) =>
        assert.deepStrictEqual([status.channelOrder, status.channels, status.channelAccounts], [[], {}, {}])
      )
    )
  )
})
