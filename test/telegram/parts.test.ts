import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { Channel, DeliveryAttempt, DeliveryProgress } from "../../src/services/Channel.ts"
import { type BotApiServer, type Fault, isPreview } from "../../src/testing/BotApi.ts"
import { ada, clients, connect, direct } from "./kit.ts"

const words = Array.from({ length: 3_000 }, (_, index) => `w${index}`)
const long = words.join(" ")

/** Lets sockets make progress while the clock stands. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** Sends while the clock runs. */
const send = Effect.fnUntraced(function* (channel: Channel, text: string, attempt: DeliveryAttempt = {}) {
  const fiber = yield* Effect.forkScoped(Effect.result(channel.send(direct(ada.id, text), attempt)))
  while (fiber.pollUnsafe() === undefined) {
    yield* settle
    yield* TestClock.adjust("1 second")
  }
  return yield* Fiber.join(fiber)
})

const fails = Effect.fnUntraced(function* (channel: Channel, text: string, attempt?: DeliveryAttempt) {
  const sent = yield* send(channel, text, attempt)
  if (sent._tag === "Success") return assert.fail("it was sent")
  return sent.failure
})

const ready = Effect.gen(function* () {
  const { bot, channel } = yield* connect({ timeoutMs: 1e9 })
  yield* bot.sendText({ from: ada, text: "hello" })
  return { bot, channel }
})

const shown = (bot: BotApiServer) =>
  Effect.map(bot.sent, (sent) =>
    sent
      .map((message) => message.text)
      .join(" ")
      .split(" ")
  )

/** The words of what is complete. */
const whole = (bot: BotApiServer) =>
  Effect.map(bot.sent, (sent) =>
    sent.filter((message) => !isPreview(message)).flatMap((message) => message.text.split(" "))
  )

const orphans = (bot: BotApiServer) => Effect.map(bot.sent, (sent) => sent.filter(isPreview))

/** A message that was begun, and whose change was refused for a while. */
const begun = Effect.fnUntraced(function* (bot: BotApiServer, channel: Channel) {
  yield* bot.fault({ ...limit, method: "editMessageText" })
  yield* fails(channel, "one two")
  const [preview] = yield* bot.sent
  assert.strictEqual(preview!.text, "one …")
  return preview!
})

const limit: Fault = {
  kind: "refuse",
  code: 429,
  description: "Too Many Requests",
  parameters: { retry_after: 31 },
  method: "sendMessage"
}
const lost: Fault = { kind: "html", status: 502, carriedOut: true, method: "sendMessage" }

describe("a text of several messages", () => {
  it.effect("goes on with the message that was refused for a while, and shows none twice", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      yield* bot.fault({ ...limit, after: 1 })
      const error = yield* fails(channel, long)
      assert.deepInclude(error, { outcome: "never-sent", retryAfterMs: 31_000 })
      assert.include(error.message, "part 2 of 5")
      assert.lengthOf(error.progress!.messageIds, 1)
      const rest = yield* send(channel, long, { from: error.progress! })
      const ids = (yield* bot.sent).map((message) => String(message.messageId))
      assert.deepInclude(rest, { success: { messageIds: ids } })
      assert.deepStrictEqual(yield* shown(bot), words)
    }).pipe(Effect.provide(clients.undici))
  )

  it.effect("a beginning whose answer was lost is begun again; it stays, and no part is shown whole twice", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      yield* bot.fault({ ...lost, after: 1 })
      const error = yield* fails(channel, long)
      assert.deepInclude(error, { outcome: "unfinished" })
      assert.deepInclude(error.progress, { next: "1", lost: 0, orphans: 1 })
      const rest = yield* send(channel, long, { from: error.progress! })
      assert.deepInclude(rest._tag === "Success" ? rest.success : {}, { orphans: 1 })
      assert.deepStrictEqual(yield* whole(bot), words)
      assert.lengthOf(yield* orphans(bot), 1)
    }).pipe(Effect.provide(clients.undici))
  )

  it.effect("a change whose answer was lost is made again", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      yield* bot.fault({ ...lost, method: "editMessageText", after: 1 })
      const error = yield* fails(channel, long)
      assert.deepInclude(error, { outcome: "unfinished" })
      assert.deepInclude(error.progress, { next: "1", lost: 0, open: "3" })
      assert.deepInclude(yield* send(channel, long, { from: error.progress! }), { _tag: "Success" })
      assert.deepStrictEqual(yield* whole(bot), words)
      assert.deepStrictEqual(yield* orphans(bot), [])
    }).pipe(Effect.provide(clients.undici))
  )

  it.effect("goes on from everything that it kept, wherever it was cut off", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      const kept: Array<DeliveryProgress> = []
      const keep = (progress: DeliveryProgress) => Effect.sync(() => void kept.push(progress))
      yield* send(channel, long, { keep })
      assert.deepStrictEqual(
        kept.map(({ next, open }) => [next, open !== undefined]),
        [
          ["0", true],
          ["1", false],
          ["1", true],
          ["2", false],
          ["2", true],
          ["3", false],
          ["3", true],
          ["4", false],
          ["4", true]
        ]
      )
      const count = (yield* bot.sent).length
      // Before the last change was noted: it is made once more, to no effect.
      yield* send(channel, long, { from: kept.at(-1)!, cut: true })
      assert.lengthOf(yield* bot.sent, count)
      assert.deepStrictEqual(yield* whole(bot), words)
      // Before the id of the last part was noted: it is begun again.
      const again = yield* send(channel, long, { from: kept.at(-2)!, cut: true })
      assert.deepInclude(again._tag === "Success" ? again.success : {}, { orphans: 1 })
      assert.lengthOf(yield* bot.sent, count + 1)
    }).pipe(Effect.provide(clients.undici))
  )

  it.effect("a beginning that a person took away is shown again, and not for ever", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      const { chatId, messageId } = yield* begun(bot, channel)
      yield* bot.deleteMessage(chatId, messageId)
      const from = { messageIds: [], next: "0", lost: 0, open: String(messageId) }
      assert.deepInclude(yield* send(channel, "one two", { from, cut: true }), { _tag: "Success" })
      assert.deepStrictEqual(yield* whole(bot), ["one", "two"])
      yield* bot.fault({
        kind: "refuse",
        code: 400,
        description: "Bad Request: message to edit not found",
        method: "editMessageText",
        times: 9
      })
      assert.strictEqual((yield* fails(channel, "three four")).outcome, "refused")
      // The last one is taken away, or it would stay half shown.
      assert.lengthOf(yield* orphans(bot), 3)
    }).pipe(Effect.provide(clients.undici))
  )

  it.effect("a part that cannot be changed is sent at once, and its answer may be lost", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      const fixed: Fault = {
        kind: "refuse",
        code: 400,
        description: "Bad Request: message can't be edited",
        method: "editMessageText"
      }
      const kept: Array<DeliveryProgress> = []
      yield* bot.fault(fixed)
      const sent = yield* send(channel, "one two", { keep: (progress) => Effect.sync(() => void kept.push(progress)) })
      assert.deepInclude(sent._tag === "Success" ? sent.success : {}, { messageIds: ["3"], orphans: 1 })
      assert.strictEqual((yield* bot.sent)[1]!.text, "one two")
      assert.strictEqual(kept.at(-1)!.next, "0!")
      // Cut off while it was sent at once: it may be out, so it is not sent again.
      const cut = yield* fails(channel, "one two", { from: kept.at(-1)!, cut: true })
      assert.deepInclude(cut, { outcome: "unknown" })
      assert.isUndefined(cut.progress)
      yield* bot.fault(fixed)
      yield* bot.fault({ ...lost, after: 1 })
      assert.include((yield* fails(channel, "three four")).message, "1 of 1")
      assert.lengthOf(yield* bot.sent, 4)
      // Refused for a while: nothing is in doubt.
      yield* bot.fault(fixed)
      yield* bot.fault({ ...limit, after: 1 })
      const error = yield* fails(channel, "five six")
      assert.deepInclude(error, { outcome: "never-sent" })
      assert.deepInclude(yield* send(channel, "five six", { from: error.progress! }), { _tag: "Success" })
    }).pipe(Effect.provide(clients.undici))
  )

  it.effect("is refused in the middle when the person blocks the bot", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      const { chatId, messageId } = yield* begun(bot, channel)
      yield* bot.block(chatId)
      const from = { messageIds: [], next: "0", lost: 0, open: String(messageId) }
      const error = yield* fails(channel, "one two", { from })
      assert.deepInclude(error, { outcome: "refused" })
      assert.deepStrictEqual(error.progress, from)
    }).pipe(Effect.provide(clients.undici))
  )
})
