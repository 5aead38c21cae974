import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { Channel, DeliveryAttempt, DeliveryProgress } from "../../src/services/Channel.ts"
import type { BotApiServer, Fault } from "../../src/testing/BotApi.ts"
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

  it.effect("a message whose answer was lost is not sent again and keeps none back", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      yield* bot.fault({ ...lost, after: 1 })
      const error = yield* fails(channel, long)
      assert.strictEqual(error.outcome, "unknown")
      assert.isUndefined(error.progress)
      assert.include(error.message, "1 of 5")
      assert.deepStrictEqual(yield* shown(bot), words)
    }).pipe(Effect.provide(clients.undici))
  )

  it.effect("a server that loses one answer after another is left alone; the rest can still go out", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      yield* bot.fault({ ...lost, after: 1, times: 2 })
      const error = yield* fails(channel, long)
      assert.deepInclude(error, { outcome: "unknown" })
      assert.deepInclude(error.progress, { next: "3", lost: 2 })
      const last = yield* fails(channel, long, { from: error.progress! })
      assert.isUndefined(last.progress)
      assert.include(last.message, "2 of 5")
      assert.deepStrictEqual(yield* shown(bot), words)
    }).pipe(Effect.provide(clients.undici))
  )

  it.effect("an attempt that was cut off passes over the one message that may be out", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      const kept: Array<DeliveryProgress> = []
      const keep = (progress: DeliveryProgress) => Effect.sync(() => void kept.push(progress))
      yield* send(channel, long, { keep })
      assert.deepStrictEqual(
        kept.map((progress) => [progress.next, progress.messageIds.length]),
        [
          ["0", 0],
          ["1", 1],
          ["2", 2],
          ["3", 3],
          ["4", 4]
        ]
      )
      const before = (yield* bot.sent).length
      assert.include((yield* fails(channel, long, { from: kept[3]!, cut: true })).message, "1 of 5")
      assert.strictEqual((yield* bot.sent).length, before + 1)
      assert.strictEqual((yield* fails(channel, long, { from: kept[4]!, cut: true })).outcome, "unknown")
      assert.strictEqual((yield* bot.sent).length, before + 1)
      kept.length = 0
      yield* send(channel, "short", { keep })
      assert.deepStrictEqual(kept, [])
    }).pipe(Effect.provide(clients.undici))
  )
})
