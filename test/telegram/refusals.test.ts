/**
 * What becomes of a message that is shown in part when Telegram refuses the rest, or when its chat became another.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TelegramChannel from "../../src/layers/telegram/TelegramChannel.ts"
import type { DeliveryProgress } from "../../src/services/Channel.ts"
import type { Fault } from "../../src/testing/BotApi.ts"
import { accountOf, ada, clients, connect, direct } from "./kit.ts"

const text = "**one** two three"
const refusal = (code: number, description: string): Extract<Fault, { readonly kind: "refuse" }> => ({
  kind: "refuse",
  method: "editMessageText",
  code,
  description
})

const ready = Effect.gen(function* () {
  const { bot, channel } = yield* connect()
  yield* bot.sendText({ from: ada, text: "hello" })
  const kept: Array<DeliveryProgress> = []
  const keep = (progress: DeliveryProgress) => Effect.sync(() => void kept.push(progress))
  return { bot, channel, kept, keep }
})

describe("a change that is refused for good", () => {
  it.live("because of its content becomes plain text", () =>
    Effect.gen(function* () {
      for (const why of ["message is too long", "message text is empty", "can't parse entities: x"]) {
        const { bot, channel } = yield* ready
        yield* bot.fault({ ...refusal(400, `Bad Request: ${why}`), times: why.startsWith("can't") ? 2 : 1 })
        yield* channel.send(direct(ada.id, text))
        const [shown] = yield* bot.sent
        assert.deepInclude(shown, { text: "one two three", raw: "one two three" })
      }
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("takes its beginning away, and a later try begins anew", () =>
    Effect.gen(function* () {
      for (const [code, why, times] of [
        [400, "Bad Request: message is too long", 2],
        [400, "Bad Request: TOPIC_CLOSED", 1],
        [403, "Forbidden: bot is not a member", 1]
      ] as const) {
        const { bot, channel, keep, kept } = yield* ready
        yield* bot.fault({ ...refusal(code, why), times })
        const error = yield* Effect.flip(channel.send(direct(ada.id, text), { keep }))
        assert.deepInclude(error, { outcome: "refused" })
        assert.isUndefined(error.progress)
        assert.deepStrictEqual(yield* bot.sent, [])
        yield* channel.send(direct(ada.id, text), { from: kept.at(-1)! })
        assert.deepStrictEqual(
          (yield* bot.sent).map((message) => message.text),
          ["one two three"]
        )
      }
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("keeps what cannot be taken away either, and a later try completes it", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      yield* bot.fault(refusal(403, "Forbidden: bot was blocked by the user"))
      yield* bot.fault({ ...refusal(403, "Forbidden: bot was blocked by the user"), method: "deleteMessage" })
      const error = yield* Effect.flip(channel.send(direct(ada.id, text)))
      assert.deepInclude(error, { outcome: "refused" })
      yield* channel.send(direct(ada.id, text), { from: error.progress! })
      assert.deepStrictEqual(
        (yield* bot.sent).map((message) => message.text),
        ["one two three"]
      )
    }).pipe(Effect.provide(clients.undici))
  )
})

describe("a group that became a supergroup", () => {
  const old = -55
  const now = -1001234567890

  it.live("before its message began gets it under its new id, and so the next", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      yield* bot.addChat({ id: old, type: "group", title: "G" })
      yield* bot.migrate(old, now)
      yield* channel.send(direct(old, text))
      yield* channel.send(direct(old, "four five"))
      const sent = yield* bot.sent
      assert.deepStrictEqual(
        sent.map((message) => [message.chatId, message.text]),
        [
          [now, "one two three"],
          [now, "four five"]
        ]
      )
      const asked = (yield* bot.calls).filter((call) => String(call.params["chat_id"]) === String(old))
      assert.lengthOf(asked, 1)
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("in the middle of a message gets the whole of it, also after a restart", () =>
    Effect.gen(function* () {
      const { bot, channel, keep, kept } = yield* ready
      yield* bot.addChat({ id: old, type: "group", title: "G" })
      yield* bot.fault({ ...refusal(429, "Too Many Requests"), parameters: { retry_after: 100 } })
      const error = yield* Effect.flip(channel.send(direct(old, text), { keep }))
      yield* bot.migrate(old, now)
      const receipt = yield* channel.send(direct(old, text), { from: error.progress!, keep })
      assert.strictEqual(receipt.orphans, 1)
      const last = (yield* bot.sent).at(-1)!
      assert.deepInclude(last, { chatId: now, text: "one two three" })
      assert.deepInclude(kept.at(-1), { chatId: String(now), open: String(last.messageId) })
      // Another process knows it from what was kept.
      const after = yield* TelegramChannel.make(accountOf(bot))
      const progress = { messageIds: [], next: "0", lost: 0, open: String(last.messageId), chatId: String(now) }
      yield* after.send(direct(old, text), { from: progress })
      assert.strictEqual((yield* bot.sent).length, 2)
    }).pipe(Effect.provide(clients.undici))
  )
})
