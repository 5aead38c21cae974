/**
 * The Bot API in memory: the same answers and the same faults as over a socket.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as TestClock from "effect/testing/TestClock"
import { BotApi } from "../../src/testing/index.ts"

const ada = { id: 4711, firstName: "Ada" }

const nobody = HttpClient.make((request) => Effect.die(new Error(`left this process: ${request.url}`)))

const world = Effect.gen(function* () {
  const bot = yield* BotApi.memory()
  const http = bot.route(nobody)
  const call = (method: string, params: object = {}) =>
    http
      .post(`${bot.url}/bot${bot.token}/${method}`, { body: HttpBody.jsonUnsafe(params) })
      .pipe(Effect.flatMap((response) => response.json as Effect.Effect<any, unknown>))
  return { bot, http, call }
})

describe("BotApi.memory", () => {
  it.effect("answers as the server does, and refuses a wrong token", () =>
    Effect.gen(function* () {
      const { bot, call, http } = yield* world
      assert.strictEqual((yield* call("getMe")).result.username, bot.bot.username)
      const { status } = yield* http.get(`${bot.url}/bot1:wrong/getMe`)
      assert.strictEqual(status, 401)
      yield* bot.sendText({ from: ada, text: "hi" })
      yield* call("sendMessage", { chat_id: ada.id, text: "hello" })
      assert.strictEqual((yield* bot.awaitReply()).text, "hello")
    })
  )

  it.effect("a long poll ends by the test's clock", () =>
    Effect.gen(function* () {
      const { bot, call } = yield* world
      const poll = yield* Effect.forkChild(call("getUpdates", { timeout: 30 }), { startImmediately: true })
      yield* bot.awaitPolling
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(poll.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* Fiber.join(poll)).result, [])
    })
  )

  it.effect("takes a file and gives one", () =>
    Effect.gen(function* () {
      const { bot, http } = yield* world
      yield* bot.sendText({ from: ada, text: "hi" })
      const form = new FormData()
      form.append("chat_id", String(ada.id))
      form.append("document", new Blob(["hello"]), "note.txt")
      yield* http.post(`${bot.url}/bot${bot.token}/sendDocument`, { body: HttpBody.formData(form) })
      const [sent] = yield* bot.sent
      assert.deepStrictEqual([sent?.kind, sent?.fileName, sent?.fileBytes], ["document", "note.txt", 5])
      yield* bot.addFile(new TextEncoder().encode("bytes"), "documents/a.bin")
      const response = yield* http.get(`${bot.url}/file/bot${bot.token}/documents/a.bin`)
      assert.strictEqual(yield* response.text, "bytes")
    })
  )

  it.effect("its connections die and stall as those of a socket", () =>
    Effect.gen(function* () {
      const { bot, call } = yield* world
      yield* bot.fault({ kind: "drop" })
      assert.strictEqual(((yield* Effect.flip(call("getMe"))) as { readonly _tag: string })._tag, "HttpClientError")
      yield* bot.fault({ kind: "cut-body" })
      assert.strictEqual(((yield* Effect.flip(call("getMe"))) as { readonly _tag: string })._tag, "HttpClientError")
      yield* bot.fault({ kind: "slow-body" })
      const slow = yield* Effect.forkChild(Effect.timeoutOption(call("getMe"), "20 seconds"), {
        startImmediately: true
      })
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* Fiber.join(slow))._tag, "None")
      assert.isTrue((yield* call("getMe")).ok)
    })
  )

  it.live("other addresses go where they are sent", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.memory()
      const real = yield* BotApi.serve()
      const http = bot.route(yield* HttpClient.HttpClient)
      const { status } = yield* http.execute(HttpClientRequest.get(`${real.url}/bot${real.token}/getMe`))
      assert.strictEqual(status, 200)
      assert.strictEqual((yield* real.calls).length, 1)
    }).pipe(Effect.scoped, Effect.provide(Layer.mergeAll(NodeHttpClient.layerNodeHttp)))
  )
})
