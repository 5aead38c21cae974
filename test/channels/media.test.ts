/**
 * The files of messages on their way out: kept before, there after a restart, gone when delivered.
 */
import * as Fs from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Path from "node:path"
import * as Scope from "effect/Scope"
import * as ChannelsLive from "../../src/layers/channels/Channels.ts"
import * as OutboundFilesLive from "../../src/layers/channels/OutboundFiles.ts"
import * as StateDirLive from "../../src/layers/StateDir.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { type Channel, type DeliveryAttempt, DeliveryFailed, type OutboundMessage } from "../../src/services/Channel.ts"
import { Channels } from "../../src/services/ChannelRouter.ts"
import { OutboundFiles } from "../../src/services/OutboundFiles.ts"
import { makeChannel, makeConfig, tempDatabase } from "./kit.ts"

const bytes = new TextEncoder().encode("pixel")
const message = { to: "7", text: "look", idempotencyKey: "k", media: [{ bytes, name: "a.png", mimeType: "image/png" }] }

/** One life of the channels over a state directory. */
const boot = Effect.fnUntraced(function* (filename: string) {
  const root = Path.dirname(filename)
  const scope = yield* Scope.make()
  const layer = ChannelsLive.layer.pipe(
    Layer.provideMerge(OutboundFilesLive.layer),
    Layer.provideMerge(StateDirLive.layer({ root })),
    Layer.provideMerge(Layer.mergeAll(Storage.layer({ filename }), makeConfig({}).layer, NodeServices.layer))
  )
  const services = yield* Layer.buildWithScope(layer, scope)
  const folder = Path.join(root, "media", "outbound")
  return {
    channels: yield* Effect.provideContext(Channels, services),
    files: yield* Effect.provideContext(OutboundFiles, services),
    register: (channel: Channel) =>
      Effect.flatMap(Effect.provideContext(Channels, services), (channels) =>
        Scope.provide(channels.register(channel), scope)
      ),
    folder,
    kept: Effect.sync(() => (Fs.existsSync(folder) ? Fs.readdirSync(folder) : [])),
    stop: Scope.close(scope, Exit.void)
  }
})

/** A channel that sends files, and what it sees of them. */
const showing = (outcomes: Array<DeliveryFailed["outcome"]> = []) => {
  const seen: Array<string> = []
  const send = (sent: OutboundMessage, { read }: DeliveryAttempt = {}) =>
    Effect.gen(function* () {
      for (const each of sent.media ?? []) seen.push(new TextDecoder().decode((yield* read!(each)) ?? new Uint8Array()))
      const outcome = outcomes.shift()
      if (outcome === undefined) return { messageIds: ["1"] }
      return yield* new DeliveryFailed({ channel: "telegram", to: "7", message: "failed", outcome })
    })
  return { seen, channel: { ...makeChannel().channel, resumes: true as const, mediaMaxBytes: 10, send } }
}

describe("a message with a file", () => {
  it.live("has it while it is sent, privately, and not afterwards", () =>
    Effect.gen(function* () {
      const { channels, folder, kept, register } = yield* boot(yield* tempDatabase)
      const { channel, seen } = showing()
      const modes: Array<number> = []
      yield* register({
        ...channel,
        send: (sent, attempt) => {
          modes.push(Fs.statSync(folder).mode & 0o777)
          for (const name of Fs.readdirSync(folder)) modes.push(Fs.statSync(Path.join(folder, name)).mode & 0o777)
          return channel.send(sent, attempt)
        }
      })
      yield* channels.send(message)
      assert.deepStrictEqual(seen, ["pixel"])
      assert.deepStrictEqual(modes, [0o700, 0o600])
      assert.deepStrictEqual(yield* kept, [])
      assert.deepInclude(yield* channels.send(message), { messageIds: ["1"] })
      assert.deepStrictEqual(yield* kept, [])
      const other = { ...message, media: [{ ...message.media[0]!, bytes: new Uint8Array([1]) }] }
      assert.deepInclude(yield* Effect.flip(channels.send(other)), { outcome: "refused" })
      assert.deepStrictEqual(yield* kept, [])
    })
  )

  it.live("has it although another message with its key is refused meanwhile", () =>
    Effect.gen(function* () {
      const { channels, kept, register } = yield* boot(yield* tempDatabase)
      const { channel, seen } = showing()
      const asked = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      yield* register({
        ...channel,
        send: (sent, attempt) =>
          Deferred.succeed(asked, undefined).pipe(
            Effect.andThen(Deferred.await(gate)),
            Effect.andThen(channel.send(sent, attempt))
          )
      })
      const sending = yield* Effect.forkScoped(channels.send(message))
      yield* Deferred.await(asked)
      assert.deepInclude(yield* Effect.flip(channels.send({ ...message, text: "other" })), { outcome: "refused" })
      assert.lengthOf(yield* kept, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(sending)
      assert.deepStrictEqual(seen, ["pixel"])
      assert.deepStrictEqual(yield* kept, [])
    })
  )

  it.live("has it after a restart; what belongs to no message is taken away then", () =>
    Effect.gen(function* () {
      const file = yield* tempDatabase
      const before = yield* boot(file)
      const asked = yield* Deferred.make<void>()
      const dying = () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
      yield* before.register({ ...showing().channel, send: dying })
      yield* Effect.forkDetach(before.channels.send(message))
      yield* Deferred.await(asked)
      yield* before.files.keep("0".repeat(64), bytes)
      assert.lengthOf(yield* before.kept, 2)
      const after = yield* boot(file)
      assert.lengthOf(yield* after.kept, 1)
      const { channel, seen } = showing()
      yield* after.register(channel)
      while ((yield* after.kept).length > 0) yield* Effect.yieldNow
      assert.deepStrictEqual(seen, ["pixel"])
      yield* after.stop
    })
  )

  it.live("keeps it as long as it is open, and no longer when it is dropped or was refused", () =>
    Effect.gen(function* () {
      const { channels, kept, register } = yield* boot(yield* tempDatabase)
      yield* register(showing(["unknown", "refused"]).channel)
      yield* Effect.flip(channels.send(message))
      assert.lengthOf(yield* kept, 1)
      yield* channels.dropDelivery("k")
      assert.deepStrictEqual(yield* kept, [])
      yield* Effect.flip(channels.send({ ...message, idempotencyKey: "l" }))
      assert.deepStrictEqual(yield* kept, [])
    })
  )

  it.live("is refused by name where it cannot be sent", () =>
    Effect.gen(function* () {
      const { channels, files, kept, register } = yield* boot(yield* tempDatabase)
      yield* register(showing().channel)
      yield* register(makeChannel("other").channel)
      const refusal = (change: object, more: object = {}) =>
        Effect.map(
          Effect.flip(channels.send({ ...message, ...more, media: [{ ...message.media[0]!, ...change }] })),
          ({ message: text }) => text
        )
      assert.include(yield* refusal({ bytes: new Uint8Array() }), "a.png is empty")
      assert.include(yield* refusal({ bytes: new Uint8Array(11) }), "has 11 bytes; telegram takes 10")
      assert.include(yield* refusal({}, { channel: "other" }), "other sends no files")
      assert.deepStrictEqual(yield* kept, [])
      assert.isUndefined(yield* files.read("1".repeat(64)))
      assert.isTrue(Exit.hasDies(yield* Effect.exit(files.read("../openclaw.json"))))
    })
  )

  it.live("is refused where no files are kept, and not sent when its file cannot be", () =>
    Effect.gen(function* () {
      const filename = yield* tempDatabase
      const layer = ChannelsLive.layer.pipe(
        Layer.provideMerge(Layer.merge(Storage.layer({ filename }), makeConfig({}).layer))
      )
      yield* Effect.gen(function* () {
        const channels = yield* Channels
        yield* channels.register(showing().channel)
        assert.include((yield* Effect.flip(channels.send(message))).message, "keeps no files")
      }).pipe(Effect.scoped, Effect.provide(layer))
      const blocked = yield* boot(filename)
      Fs.writeFileSync(Path.join(Path.dirname(filename), "media"), "in the way")
      yield* blocked.register(showing().channel)
      assert.deepInclude(yield* Effect.flip(blocked.channels.send(message)), { outcome: "never-sent" })
      assert.strictEqual((yield* Effect.flip(blocked.files.ids))._tag, "OutboundFileFailed")
    })
  )
})
