import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type { Fault } from "../../src/testing/BotApi.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import { chatCommands } from "../../src/layers/channels/chatCommands.ts"
import * as TelegramChannel from "../../src/layers/telegram/TelegramChannel.ts"
import { accountOf, ada, clients, connect, direct, makeInbox } from "./kit.ts"

const isPoll = (call: BotApi.Call) => call.method === "getUpdates"

for (const [name, client] of Object.entries(clients)) {
  describe(`receiving over ${name}`, () => {
    it.live("confirms an update only after it was committed", () =>
      Effect.gen(function* () {
        const { bot, channel } = yield* connect()
        const inbox = makeInbox()
        inbox.broken = true
        yield* bot.sendText({ from: ada, text: "hello" })
        const error = yield* Effect.flip(channel.receive(inbox.commit))
        assert.strictEqual(error._tag, "InboxFailed")
        assert.strictEqual(yield* bot.pendingCount, 1)
        inbox.broken = false
        yield* Effect.forkScoped(channel.receive(inbox.commit))
        const [message] = yield* inbox.has(1)
        yield* bot.awaitConfirmed
        assert.deepInclude(message, {
          source: String(bot.bot.id),
          text: "hello",
          addressed: true,
          sender: { id: "1001", username: "ada", displayName: "Ada" },
          peer: { channel: "telegram", accountId: "default", chatId: "1001", chatType: "direct" }
        })
        assert.strictEqual(inbox.stored.length, 1)
      }).pipe(Effect.provide(client))
    )

    it.live("a poll that waits ends with the message that arrives", () =>
      Effect.gen(function* () {
        const { bot, channel } = yield* connect()
        const inbox = makeInbox()
        yield* Effect.forkScoped(channel.receive(inbox.commit))
        yield* bot.awaitPolling
        yield* bot.sendText({ from: ada, text: "one" })
        yield* inbox.has(1)
        yield* bot.awaitPolling
        yield* bot.sendText({ from: ada, text: "two" })
        assert.deepStrictEqual(
          (yield* inbox.has(2)).map((message) => message.text),
          ["one", "two"]
        )
        const status = yield* channel.status
        assert.deepInclude(status, { running: true, connected: true, lastError: null, healthState: "healthy" })
        assert.deepStrictEqual(
          (yield* bot.commands).map((command) => (command as { command: string }).command),
          chatCommands.map(({ command }) => command)
        )
      }).pipe(Effect.provide(client))
    )

    const interrupted: ReadonlyArray<readonly [string, Fault, number | undefined]> = [
      [
        "200 with ok:false",
        { kind: "refuse", code: 500, status: 200, description: "Internal Server Error" },
        undefined
      ],
      [
        "429",
        { kind: "refuse", code: 429, description: "Too Many Requests", parameters: { retry_after: 3_600 } },
        3_600_000
      ],
      ["502 in HTML", { kind: "html", status: 502 }, undefined],
      ["404 in HTML", { kind: "html", status: 404 }, undefined],
      ["401 in HTML", { kind: "html", status: 401 }, undefined],
      ["cut JSON", { kind: "cut-json" }, undefined],
      ["a body that breaks off", { kind: "cut-body" }, undefined],
      ["no answer", { kind: "drop" }, undefined],
      ["a result of another shape", { kind: "body", body: '{"ok":true,"result":{"a":1}}' }, undefined],
      ["updates without ids", { kind: "body", body: '{"ok":true,"result":[{},{"message":{}}]}' }, undefined],
      ["an empty body", { kind: "body", body: "" }, undefined],
      ["null", { kind: "body", body: "null" }, undefined]
    ]
    for (const [what, fault, retryAfterMs] of interrupted) {
      it.live(`${what} is ChannelInterrupted`, () =>
        Effect.gen(function* () {
          const { bot, channel } = yield* connect()
          yield* bot.fault({ ...fault, method: "getUpdates" })
          const error = yield* Effect.flip(channel.receive(makeInbox().commit))
          assert.strictEqual(error._tag, "ChannelInterrupted")
          if (error._tag === "ChannelInterrupted") assert.strictEqual(error.retryAfterMs, retryAfterMs)
          assert.notInclude(JSON.stringify(error), bot.token)
          assert.deepInclude(yield* channel.status, {
            running: false,
            lastError: error.message,
            healthState: "reconnecting"
          })
        }).pipe(Effect.provide(client))
      )
    }

    it.live("a body that never ends is ChannelInterrupted", () =>
      Effect.gen(function* () {
        const { bot, channel } = yield* connect({ timeoutMs: 200 })
        yield* bot.fault({ kind: "slow-body", method: "getMe" })
        const error = yield* Effect.flip(channel.receive(makeInbox().commit))
        assert.strictEqual(error._tag, "ChannelInterrupted")
      }).pipe(Effect.provide(client))
    )

    it.live("a dead network is ChannelInterrupted", () =>
      Effect.gen(function* () {
        const gone = yield* Effect.scoped(BotApi.serve())
        const channel = yield* TelegramChannel.make(accountOf(gone))
        const error = yield* Effect.flip(channel.receive(makeInbox().commit))
        assert.strictEqual(error._tag, "ChannelInterrupted")
        assert.include(error.message, "ECONNREFUSED")
        assert.notInclude(error.message, gone.token)
      }).pipe(Effect.provide(client))
    )
  })
}

describe("receiving", () => {
  it.live("a wrong token is ChannelUnauthorized: 401, and 404 for what is no token at all", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      for (const token of ["424242:AAanother-token", "nonsense"]) {
        const channel = yield* TelegramChannel.make(accountOf({ url: bot.url, token }))
        const error = yield* Effect.flip(channel.receive(makeInbox().commit))
        assert.strictEqual(error._tag, "ChannelUnauthorized")
        assert.notInclude(JSON.stringify(error), token)
        assert.deepInclude(yield* channel.status, { healthState: "unauthorized", lastError: error.message })
        assert.deepInclude(yield* channel.probe, { ok: false, status: token === "nonsense" ? 404 : 401 })
      }
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("a server that lacks a method is not a wrong token", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* connect()
      yield* bot.fault({ kind: "refuse", code: 404, description: "Not Found", method: "deleteWebhook" })
      const error = yield* Effect.flip(channel.receive(makeInbox().commit))
      assert.strictEqual(error._tag, "ChannelInterrupted")
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("a token that is revoked while polling ends the channel", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* connect()
      const fiber = yield* Effect.forkScoped(Effect.flip(channel.receive(makeInbox().commit)))
      yield* bot.awaitPolling
      yield* bot.setToken("424242:AAnew")
      yield* bot.sendText({ from: ada, text: "hello" })
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "ChannelUnauthorized")
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("two programs with one token: both go on, and say so", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* connect()
      const rival = yield* TelegramChannel.make(accountOf(bot))
      const inbox = makeInbox()
      // Each waits as short as it may: no number of conflicts makes this long.
      const shortly = { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0 }
      const receive = (from: typeof channel, into: ReturnType<typeof makeInbox>) =>
        Effect.forkScoped(Effect.provideService(from.receive(into.commit), Random.Random, shortly))
      const receiving = yield* receive(channel, inbox)
      yield* bot.awaitPolling
      const other = yield* receive(rival, makeInbox())
      const state = Effect.map(channel.status, (row) => row.healthState)
      while ((yield* state) !== "conflict") yield* Effect.sleep("5 millis")
      assert.include((yield* channel.status).lastError, "Another program receives with this bot token")
      yield* Fiber.interrupt(other)
      yield* bot.sendText({ from: ada, text: "hello" })
      yield* inbox.has(1)
      assert.isUndefined(receiving.pollUnsafe())
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("a webhook that is set meanwhile is removed again", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* connect()
      const inbox = makeInbox()
      yield* Effect.forkScoped(channel.receive(inbox.commit))
      yield* bot.awaitPolling
      yield* bot.setWebhook("https://example.org/hook")
      yield* bot.sendText({ from: ada, text: "one" })
      yield* bot.sendText({ from: ada, text: "two" })
      yield* inbox.has(2)
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("what cannot be read is handed on as it came, and with it confirmed", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* connect()
      const inbox = makeInbox()
      const content = { message_id: 1, date: 1, text: "who am I", chat: { id: 7, type: "private" } }
      yield* bot.sendUpdate({ update_id: 70, message: { ...content, chat: "here" } })
      yield* bot.sendUpdate({ update_id: 71, message: { ...content, from: { id: 7 }, text: undefined, hologram: {} } })
      yield* bot.sendText({ from: ada, text: "after them" })
      yield* Effect.forkScoped(channel.receive(inbox.commit))
      yield* inbox.has(1)
      yield* bot.awaitConfirmed
      assert.deepStrictEqual(
        inbox.unread.map(({ reason, source, updateId }) => [updateId, source, reason]),
        [
          ["70", String(bot.bot.id), "its message's id, chat or sender is not understood"],
          ["71", String(bot.bot.id), "it has no text and nothing attached that is known"]
        ]
      )
      assert.isUndefined(yield* channel.reread!(inbox.unread[0]!.raw))
      const readable = { update_id: 72, message: { ...content, from: { id: 7, is_bot: false } } }
      assert.deepInclude(yield* channel.reread!(JSON.stringify(readable)), { text: "who am I", updateId: "72" })
      assert.isUndefined(yield* channel.reread!("{"))
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("while the inbox cannot store, the state says so, also when Telegram answers", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* connect()
      const inbox = makeInbox()
      inbox.broken = true
      yield* bot.sendText({ from: ada, text: "hello" })
      for (let round = 0; round < 2; round++) {
        yield* Effect.flip(channel.receive(inbox.commit))
        assert.deepInclude(yield* channel.status, { connected: false, lastError: "disk full" })
      }
      assert.strictEqual(yield* bot.pendingCount, 1)
      inbox.broken = false
      yield* Effect.forkScoped(channel.receive(inbox.commit))
      yield* inbox.has(1)
      yield* bot.awaitConfirmed
      assert.deepInclude(yield* channel.status, { connected: true, lastError: null, healthState: "healthy" })
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("a webhook that was left behind is removed, and nothing that waits is lost", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* connect()
      yield* bot.setWebhook("https://example.org/hook")
      yield* bot.sendText({ from: ada, text: "waiting" })
      const inbox = makeInbox()
      yield* Effect.forkScoped(channel.receive(inbox.commit))
      assert.strictEqual((yield* inbox.has(1))[0]!.text, "waiting")
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("ids with gaps, out of order, and lower after a quiet time are each received once", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* connect()
      const inbox = makeInbox()
      const message = (text: string) => ({
        message: { message_id: 1, date: 1, text, from: { id: 7, is_bot: false }, chat: { id: 7, type: "private" } }
      })
      for (const id of [900, 905, 903]) yield* bot.sendUpdate({ update_id: id, ...message(String(id)) })
      yield* Effect.forkScoped(channel.receive(inbox.commit))
      yield* inbox.has(3)
      yield* bot.awaitConfirmed
      // Nothing came for a week: the server answers empty, and then counts from anywhere.
      yield* bot.fault({ kind: "body", body: '{"ok":true,"result":[]}', method: "getUpdates" })
      yield* bot.sendUpdate({ update_id: 906, ...message("906") })
      yield* inbox.has(4)
      const polls = (yield* bot.calls).filter(isPoll).length
      yield* bot.awaitCall(isPoll, polls + 1)
      yield* bot.sendUpdate({ update_id: 12, ...message("12") })
      yield* inbox.has(5)
      yield* bot.awaitConfirmed
      // The empty answer confirmed nothing, so 906 came twice: what was seen before is for the inbox to know.
      assert.deepStrictEqual(
        [...new Set(inbox.stored.map((each) => each.updateId))],
        ["900", "905", "903", "906", "12"]
      )
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("updates that are not understood, edits, posts and buttons are confirmed and not handed on", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* connect()
      const inbox = makeInbox()
      const chat = { id: 7, type: "private" }
      const from = { id: 7, is_bot: false, first_name: "Eve" }
      const content = { message_id: 1, date: 1, text: "let me in", from, chat }
      yield* bot.sendUpdate({ edited_message: content })
      yield* bot.sendUpdate({ channel_post: { ...content, chat: { id: -7, type: "channel" } } })
      yield* bot.sendUpdate({ callback_query: { id: "1", from, data: "x", message: content } })
      yield* bot.sendUpdate({ inline_query: { id: "1", from, query: "x" } })
      yield* bot.sendUpdate({ message: { ...content, chat: "here" } })
      yield* bot.sendUpdate({ message: { ...content, from: { ...from, is_bot: true } } })
      yield* bot.sendUpdate({ message: { message_id: 1, date: 1, chat, from, new_chat_members: [] } })
      yield* bot.sendText({ from: ada, text: "after them" })
      assert.isAtLeast(yield* bot.pendingCount, 8)
      yield* Effect.forkScoped(channel.receive(inbox.commit))
      assert.deepStrictEqual(
        (yield* inbox.has(1)).map((message) => message.text),
        ["after them"]
      )
      yield* bot.awaitConfirmed
      // Once it has polled, Telegram does not even send the other kinds.
      yield* bot.sendUpdate({ edited_message: content })
      assert.strictEqual(yield* bot.pendingCount, 0)
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("a server that does not wait is not asked in a loop", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* connect()
      yield* bot.fault({ kind: "body", body: '{"ok":true,"result":[]}', method: "getUpdates", times: 1_000 })
      yield* Effect.forkScoped(channel.receive(makeInbox().commit))
      yield* bot.awaitCall(isPoll, 2)
      assert.isAtMost((yield* bot.calls).filter(isPoll).length, 3)
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("an account without a token says what is missing", () =>
    Effect.gen(function* () {
      const tokenProblem = "set channels.telegram.botToken"
      const { bot, channel } = yield* connect({ token: undefined, tokenProblem, tokenSource: "none" })
      const error = yield* Effect.flip(channel.receive(makeInbox().commit))
      assert.strictEqual(error._tag, "ChannelUnauthorized")
      assert.deepInclude(yield* channel.status, { configured: false, lastError: tokenProblem, tokenSource: "none" })
      const { outcome } = yield* Effect.flip(channel.send(direct(ada.id, "hi")))
      assert.strictEqual(outcome, "never-sent")
      assert.deepStrictEqual(yield* bot.calls, [])
    }).pipe(Effect.provide(clients.undici))
  )
})
