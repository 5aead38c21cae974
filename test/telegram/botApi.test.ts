import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schema from "effect/Schema"
import * as BotApi from "../../src/testing/BotApi.ts"
import { ada, clients } from "./kit.ts"

const Answer = Schema.Struct({
  ok: Schema.Boolean,
  result: Schema.optional(Schema.Unknown),
  error_code: Schema.optional(Schema.Int),
  description: Schema.optional(Schema.String)
})
const decodeAnswer = Schema.decodeUnknownEffect(Answer)

const post = Effect.fnUntraced(function* (
  bot: BotApi.BotApiServer,
  method: string,
  params: object = {},
  token = bot.token
) {
  const client = yield* HttpClient.HttpClient
  const request = HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(`${bot.url}/bot${token}/${method}`), params)
  const response = yield* client.execute(request)
  return { status: response.status, ...(yield* decodeAnswer(yield* response.json)) }
})

const ids = (answer: { readonly result?: unknown }) =>
  (answer.result as ReadonlyArray<{ readonly update_id: number }>).map((update) => update.update_id)

describe("the Bot API server", () => {
  it.live("keeps updates until an offset confirms them", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      for (const id of [10, 11, 12, 13]) yield* bot.sendUpdate({ update_id: id, message: {} })
      assert.deepStrictEqual(ids(yield* post(bot, "getUpdates")), [10, 11, 12, 13])
      assert.deepStrictEqual(ids(yield* post(bot, "getUpdates", { limit: 2 })), [10, 11])
      assert.deepStrictEqual(ids(yield* post(bot, "getUpdates", { offset: 12 })), [12, 13])
      assert.strictEqual(yield* bot.pendingCount, 2)
      assert.deepStrictEqual(ids(yield* post(bot, "getUpdates", { offset: -1 })), [13])
      assert.strictEqual(yield* bot.pendingCount, 1)
      assert.deepStrictEqual(ids(yield* post(bot, "getUpdates", { offset: 14 })), [])
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("sends only the kinds that were asked for, and not the rare ones unasked", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      yield* bot.sendUpdate({ update_id: 1, message_reaction: {} })
      yield* bot.sendUpdate({ update_id: 2, edited_message: {} })
      assert.deepStrictEqual(ids(yield* post(bot, "getUpdates", { allowed_updates: ["message"] })), [2])
      yield* bot.sendUpdate({ update_id: 3, edited_message: {} })
      yield* bot.sendUpdate({ update_id: 4, message: {} })
      assert.deepStrictEqual(ids(yield* post(bot, "getUpdates", { offset: 3 })), [4])
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("a second poller ends the first with 409", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const first = yield* Effect.forkScoped(post(bot, "getUpdates", { timeout: 50 }))
      yield* bot.awaitPolling
      const second = yield* Effect.forkScoped(post(bot, "getUpdates", { timeout: 50 }))
      assert.deepInclude(yield* Fiber.join(first), { status: 409, ok: false, error_code: 409 })
      yield* bot.sendText({ from: ada, text: "hi" })
      assert.strictEqual((yield* Fiber.join(second)).ok, true)
    }).pipe(Effect.provide(clients.undici))
  )

  const refused: ReadonlyArray<readonly [method: string, params: object, code: number, description: string]> = [
    ["noSuchMethod", {}, 404, "method not found"],
    ["sendMessage", { text: "x" }, 400, "chat_id"],
    ["sendMessage", { chat_id: 5, text: "x" }, 400, "chat not found"],
    ["sendMessage", { chat_id: 1001 }, 400, "message text is empty"],
    ["sendMessage", { chat_id: 1001, text: " " }, 400, "message text is empty"],
    ["sendMessage", { chat_id: 1001, text: "x".repeat(4_097) }, 400, "message is too long"],
    [
      "sendMessage",
      { chat_id: 1001, text: "<b>x", parse_mode: "HTML" },
      400,
      "can't parse entities: Can't find end tag"
    ],
    ["sendMessage", { chat_id: 1001, text: "<p>x</p>", parse_mode: "HTML" }, 400, 'Unsupported start tag "p"'],
    ["sendMessage", { chat_id: 1001, text: "<b><i>x</b></i>", parse_mode: "HTML" }, 400, "Unmatched end tag"],
    ["sendMessage", { chat_id: 1001, text: "x</b>", parse_mode: "HTML" }, 400, "Unexpected end tag"],
    ["sendMessage", { chat_id: 1001, text: "1 < 2", parse_mode: "HTML" }, 400, "can't parse entities"],
    ["sendMessage", { chat_id: 1001, text: "x", parse_mode: "MarkdownV2" }, 400, "unsupported parse_mode"],
    ["sendMessage", { chat_id: 1001, text: "x", message_thread_id: 5 }, 400, "message thread not found"],
    [
      "sendMessage",
      { chat_id: 1001, text: "x", reply_parameters: { message_id: 999 } },
      400,
      "message to be replied not found"
    ],
    ["editMessageText", { chat_id: 1001, message_id: 999, text: "x" }, 400, "message to edit not found"],
    ["getFile", { file_id: "nope" }, 400, "wrong file_id"],
    ["sendPhoto", { chat_id: 1001 }, 400, "there is no photo"]
  ]
  for (const [method, params, code, description] of refused) {
    it.live(`${method} ${JSON.stringify(params).slice(0, 60)}: ${code} ${description}`, () =>
      Effect.gen(function* () {
        const bot = yield* BotApi.serve()
        yield* bot.sendText({ from: ada, text: "hi" })
        const answer = yield* post(bot, method, params)
        assert.deepInclude(answer, { status: code, ok: false, error_code: code })
        assert.include(answer.description, description)
        assert.deepStrictEqual(yield* bot.sent, [])
      }).pipe(Effect.provide(clients.undici))
    )
  }

  it.live("401 for another token, 404 for none, 403 from somebody who blocked the bot", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      yield* bot.sendText({ from: ada, text: "hi" })
      assert.strictEqual((yield* post(bot, "getMe", {}, "424242:wrong")).status, 401)
      assert.strictEqual((yield* post(bot, "getMe", {}, "nonsense")).status, 404)
      yield* bot.block(ada.id)
      assert.strictEqual((yield* post(bot, "sendMessage", { chat_id: ada.id, text: "x" })).status, 403)
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("an edit changes the message, and the same again is refused", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      yield* bot.sendText({ from: ada, text: "hi" })
      yield* post(bot, "sendMessage", { chat_id: ada.id, text: "one" })
      const [sent] = yield* bot.sent
      const edit = { chat_id: ada.id, message_id: sent!.messageId, text: "<b>two</b>", parse_mode: "HTML" }
      assert.strictEqual((yield* post(bot, "editMessageText", edit)).ok, true)
      assert.include((yield* post(bot, "editMessageText", edit)).description, "message is not modified")
      assert.deepInclude((yield* bot.sent)[0], { text: "two", edits: 1 })
      const caption = { chat_id: ada.id, message_id: sent!.messageId, caption: "three" }
      assert.include((yield* post(bot, "editMessageCaption", caption)).description, "there is no caption")
      const id = yield* bot.addFile(new TextEncoder().encode("content"))
      const media = { ...edit, media: { type: "document", media: id, caption: "look" } }
      assert.strictEqual((yield* post(bot, "editMessageMedia", media)).ok, true)
      assert.include((yield* post(bot, "editMessageText", edit)).description, "there is no text")
      assert.strictEqual((yield* post(bot, "editMessageCaption", caption)).ok, true)
      assert.include((yield* post(bot, "editMessageCaption", caption)).description, "message is not modified")
      assert.deepStrictEqual(
        (yield* bot.record)[0]!.history.map(({ kind, text }) => [kind, text]),
        [
          ["text", "one"],
          ["text", "two"],
          ["document", "look"],
          ["document", "three"]
        ]
      )
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("nobody edits what is gone or what another wrote; a reply is awaited to its end", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const { messageId } = yield* bot.sendText({ from: ada, text: "hi" })
      const edit = (message_id: number) =>
        post(bot, "editMessageText", { chat_id: ada.id, message_id, text: "the end" })
      assert.include((yield* edit(messageId)).description, "message can't be edited")
      yield* post(bot, "sendMessage", { chat_id: ada.id, text: "the …" })
      const preview = yield* bot.awaitReply({ previews: true })
      const whole = yield* Effect.forkScoped(bot.awaitReply())
      yield* edit(preview.messageId)
      assert.strictEqual((yield* Fiber.join(whole)).text, "the end")
      yield* bot.deleteMessage(ada.id, preview.messageId)
      assert.include((yield* edit(preview.messageId)).description, "message to edit not found")
      assert.deepStrictEqual(yield* bot.sent, [])
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("files: described, downloaded, and sent as a form", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const client = yield* HttpClient.HttpClient
      yield* bot.sendText({ from: ada, text: "hi" })
      const id = yield* bot.addFile(new TextEncoder().encode("content"), "photos/a.txt")
      const { result } = yield* post(bot, "getFile", { file_id: id })
      assert.deepInclude(result, { file_path: "photos/a.txt", file_size: 7 })
      const download = yield* client.get(`${bot.url}/file/bot${bot.token}/photos/a.txt`)
      assert.strictEqual(yield* download.text, "content")
      const outside = yield* client.get(`${bot.url}/file/bot${bot.token}/..%2f..%2fetc/passwd`)
      assert.strictEqual(outside.status, 404)
      const form = new FormData()
      form.set("chat_id", String(ada.id))
      form.set("caption", "look")
      form.set("document", new File(["bytes"], "report.txt"))
      const request = HttpClientRequest.bodyFormData(
        HttpClientRequest.post(`${bot.url}/bot${bot.token}/sendDocument`),
        form
      )
      assert.strictEqual((yield* client.execute(request)).status, 200)
      assert.deepInclude((yield* bot.sent)[0], { kind: "document", fileName: "report.txt", text: "look" })
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("an active webhook and polling exclude each other", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      yield* post(bot, "setWebhook", { url: "https://example.org" })
      assert.strictEqual((yield* post(bot, "getUpdates")).status, 409)
      yield* bot.sendUpdate({ message: {} })
      yield* post(bot, "deleteWebhook", { drop_pending_updates: true })
      assert.deepStrictEqual((yield* post(bot, "getUpdates")).result, [])
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("takes a GET with a query and a form as well as JSON", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const client = yield* HttpClient.HttpClient
      yield* bot.sendText({ from: ada, text: "hi" })
      assert.strictEqual(
        (yield* client.get(`${bot.url}/bot${bot.token}/sendmessage?chat_id=1001&text=query`)).status,
        200
      )
      const form = HttpClientRequest.bodyUrlParams(HttpClientRequest.post(`${bot.url}/bot${bot.token}/sendMessage`), {
        chat_id: "1001",
        text: "form",
        disable_notification: "true"
      })
      yield* client.execute(form)
      const reply = yield* bot.awaitReply({ chatId: 1001, matching: (message) => message.silent })
      assert.strictEqual(reply.text, "form")
      assert.strictEqual((yield* bot.awaitReply()).text, "query")
    }).pipe(Effect.provide(clients.undici))
  )
})
