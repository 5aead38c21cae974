import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as TelegramChannel from "../../src/layers/telegram/TelegramChannel.ts"
import type { Fault } from "../../src/testing/BotApi.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import { accountOf, ada, clients, connect, direct } from "./kit.ts"

/** Lets sockets make progress while the clock stands. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const isSend = (call: BotApi.Call) => call.method === "sendMessage"

/** A channel whose chat with Ada exists. */
const ready = Effect.fnUntraced(function* (changes = {}) {
  const connected = yield* connect(changes)
  yield* connected.bot.sendText({ from: ada, text: "hello" })
  return connected
})

const outcomes: ReadonlyArray<readonly [string, Fault, "never-sent" | "unfinished" | "refused"]> = [
  [
    "429 with a long wait",
    { kind: "refuse", code: 429, description: "Too Many Requests", parameters: { retry_after: 3_600 } },
    "never-sent"
  ],
  ["403", { kind: "refuse", code: 403, description: "Forbidden: bot was blocked by the user" }, "refused"],
  ["400", { kind: "refuse", code: 400, description: "Bad Request: chat not found" }, "refused"],
  ["401", { kind: "refuse", code: 401, description: "Unauthorized" }, "never-sent"],
  ["404", { kind: "refuse", code: 404, description: "Not Found" }, "never-sent"],
  ["500", { kind: "refuse", code: 500, description: "Internal Server Error", carriedOut: true }, "unfinished"],
  ["502 in HTML", { kind: "html", status: 502, carriedOut: true }, "unfinished"],
  ["413 in HTML", { kind: "html", status: 413 }, "never-sent"],
  ["cut JSON", { kind: "cut-json", carriedOut: true }, "unfinished"],
  ["a body that breaks off", { kind: "cut-body", carriedOut: true }, "unfinished"],
  ["no answer", { kind: "drop", carriedOut: true }, "unfinished"]
]

for (const [name, client] of Object.entries(clients)) {
  describe(`sending over ${name}`, () => {
    it.live("renders, sends, and answers with the ids", () =>
      Effect.gen(function* () {
        const { bot, channel } = yield* ready()
        const receipt = yield* channel.send(direct(ada.id, "**bold** & `code`", { silent: true }))
        const [sent] = yield* bot.sent
        assert.deepStrictEqual(receipt.messageIds, [String(sent!.messageId)])
        assert.deepInclude(sent, { chatId: ada.id, text: "bold & code", parseMode: "HTML", silent: true })
        assert.deepStrictEqual(
          sent!.entities.map((entity) => entity.type),
          ["bold", "code"]
        )
      }).pipe(Effect.provide(client))
    )

    for (const [what, fault, outcome] of outcomes) {
      it.live(`${what}: ${outcome}, and not sent again`, () =>
        Effect.gen(function* () {
          const { bot, channel } = yield* ready()
          yield* bot.fault({ ...fault, method: "sendMessage" })
          const error = yield* Effect.flip(channel.send(direct(ada.id, "hi")))
          assert.strictEqual(error.outcome, outcome)
          assert.strictEqual((yield* bot.calls).filter(isSend).length, 1)
          assert.notInclude(JSON.stringify(error), bot.token)
        }).pipe(Effect.provide(client))
      )
    }

    it.live("an answer that does not come: unfinished", () =>
      Effect.gen(function* () {
        const { bot, channel } = yield* ready({ timeoutMs: 200 })
        yield* bot.fault({ kind: "hang", method: "sendMessage", carriedOut: true })
        const error = yield* Effect.flip(channel.send(direct(ada.id, "hi")))
        assert.deepInclude(error, { outcome: "unfinished" })
        assert.strictEqual(error.progress?.orphans, 1)
      }).pipe(Effect.provide(client))
    )

    it.effect("connection refused: tried again, then never-sent", () =>
      Effect.gen(function* () {
        const gone = yield* Effect.scoped(BotApi.serve())
        const channel = yield* TelegramChannel.make(accountOf(gone, { timeoutMs: 1e9 }))
        const fiber = yield* Effect.forkScoped(Effect.flip(channel.send(direct(1, "hi"))))
        while (fiber.pollUnsafe() === undefined) {
          yield* settle
          yield* TestClock.adjust("1 second")
        }
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.outcome, "never-sent")
        assert.include(error.message, "ECONNREFUSED")
      }).pipe(Effect.provide(client))
    )
  })
}

describe("sending", () => {
  it.live("429 is obeyed and the message arrives once", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready()
      const parameters = { retry_after: 0.02 }
      yield* bot.fault({
        kind: "refuse",
        code: 429,
        description: "Too Many Requests",
        parameters,
        method: "sendMessage",
        times: 2
      })
      yield* channel.send(direct(ada.id, "hi"))
      assert.strictEqual((yield* bot.calls).filter(isSend).length, 3)
      assert.strictEqual((yield* bot.sent).length, 1)
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("a server that comes back gets the message that could not be sent before", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.scoped(BotApi.serve())
      const channel = yield* TelegramChannel.make(accountOf(gone))
      const fiber = yield* Effect.forkScoped(channel.send(direct(ada.id, "hi")))
      const bot = yield* BotApi.serve({ port: Number(new URL(gone.url).port) })
      yield* bot.addChat({ id: ada.id, type: "private" })
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        (yield* bot.sent).map((message) => message.text),
        ["hi"]
      )
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("a long text goes in order; the reply reference is on the first part only", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready()
      const { messageId } = yield* bot.sendText({ from: ada, text: "tell me" })
      const words = Array.from({ length: 3_000 }, (_, index) => `w${index}`)
      const receipt = yield* channel.send(direct(ada.id, words.join(" "), { replyToMessageId: String(messageId) }))
      const sent = yield* bot.sent
      assert.deepStrictEqual(
        receipt.messageIds,
        sent.map((message) => String(message.messageId))
      )
      assert.deepStrictEqual(
        sent
          .map((message) => message.text)
          .join(" ")
          .split(" "),
        words
      )
      assert.deepStrictEqual(
        sent.map((message) => message.replyTo),
        [messageId, ...sent.slice(1).map(() => undefined)]
      )
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("HTML that Telegram refuses goes as plain text", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready()
      const description = 'Bad Request: can\'t parse entities: Unsupported start tag "b" at byte offset 0'
      yield* bot.fault({ kind: "refuse", code: 400, description, method: "editMessageText" })
      const receipt = yield* channel.send(direct(ada.id, "**a** [b](https://e.org)"))
      const sent = yield* bot.sent
      assert.deepStrictEqual(receipt.messageIds, [String(sent[0]!.messageId)])
      assert.strictEqual(sent[0]!.raw, "a b (https://e.org)")
      assert.isUndefined(sent[0]!.parseMode)
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("nothing to see is refused without a call", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready()
      const error = yield* Effect.flip(channel.send(direct(ada.id, " \n ")))
      assert.strictEqual(error.outcome, "refused")
      assert.deepStrictEqual((yield* bot.calls).filter(isSend), [])
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("topics: named, but for the general one, which only typing names", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready()
      yield* bot.addChat({ id: -1001, type: "supergroup", is_forum: true }, [7])
      const peer = (threadId: string) =>
        ({ channel: "telegram", accountId: "default", chatId: "-1001", chatType: "group", threadId }) as const
      yield* channel.send({ peer: peer("7"), text: "in seven" })
      yield* channel.send({ peer: peer("1"), text: "in general" })
      yield* Effect.forkScoped(channel.typing(peer("1")))
      const actions = yield* bot.awaitActions(1)
      assert.deepStrictEqual(
        (yield* bot.sent).map((message) => message.threadId),
        [7, undefined]
      )
      assert.deepStrictEqual(
        actions.map((action) => action.threadId),
        [1]
      )
    }).pipe(Effect.provide(clients.undici))
  )

  it.effect("typing is shown again every four seconds until interrupted", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready({ timeoutMs: 1e9 })
      const typing = yield* Effect.forkScoped(channel.typing(direct(ada.id, "").peer))
      while ((yield* bot.actions).length < 3) {
        yield* settle
        yield* TestClock.adjust("4 seconds")
      }
      yield* Fiber.interrupt(typing)
      // A call that was on its way arrives before this one is answered.
      yield* channel.probe
      const before = (yield* bot.actions).length
      yield* TestClock.adjust("1 minute")
      yield* channel.probe
      assert.strictEqual((yield* bot.actions).length, before)
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("typing that is refused for good does not end and does not ask again", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* connect()
      const typing = yield* Effect.forkScoped(channel.typing(direct(5, "").peer))
      yield* bot.awaitCall((call) => call.method === "sendChatAction")
      yield* Effect.yieldNow
      assert.isUndefined(typing.pollUnsafe())
    }).pipe(Effect.provide(clients.undici))
  )

  it("reads destinations as people write them", () => {
    const parse = TelegramChannel.parsePeer("default")
    const peer = (to: string, threadId?: string) => {
      const found = parse(to, threadId)
      return found === undefined ? undefined : [found.chatId, found.chatType, found.threadId]
    }
    assert.deepStrictEqual(peer("123"), ["123", "direct", undefined])
    assert.deepStrictEqual(peer(" telegram:123 "), ["123", "direct", undefined])
    assert.deepStrictEqual(peer("tg:group:-1001:topic:7"), ["-1001", "group", "7"])
    assert.deepStrictEqual(peer("-1001:7"), ["-1001", "group", "7"])
    assert.deepStrictEqual(peer("-1001", "9"), ["-1001", "group", "9"])
    assert.deepStrictEqual(peer("@news_channel"), ["@news_channel", "channel", undefined])
    for (const wrong of [
      "",
      "0",
      "abc",
      "12 34",
      "-",
      "1e5",
      "@a",
      "123:topic:x",
      "99999999999999999",
      "../1",
      "1\n2"
    ]) {
      assert.isUndefined(parse(wrong), wrong)
    }
    assert.isUndefined(parse("1", "seven"))
  })
})
