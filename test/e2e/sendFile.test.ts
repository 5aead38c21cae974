/**
 * `send` with a file, through a whole Gateway.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

const ada = { id: 4711, firstName: "Ada" }

describe("send with a file", () => {
  it.live("shows it in the chat; what is no base64 and what would have to be fetched is refused", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      yield* bot.addChat({ id: ada.id, type: "private", first_name: "Ada" })
      const services = yield* Layer.build(
        GatewayTest.layer({
          models: ScriptedModel.layer([]),
          config: { channels: { telegram: { botToken: bot.token, apiRoot: bot.url } } }
        })
      )
      yield* bot.awaitPolling
      const client = yield* Context.get(services, GatewayTest.GatewayTest).connect()
      const to = `telegram:${ada.id}`
      const buffer = Buffer.from("a letter").toString("base64")
      const file = { buffer, filename: "letter.txt", contentType: "text/plain" }
      yield* client.call.send({ to, message: "for you", idempotencyKey: "1", ...file })
      yield* client.call.send({ to, buffer, idempotencyKey: "2" })
      assert.deepStrictEqual(
        (yield* bot.sent).map(({ fileBytes, fileName, kind, text }) => [kind, text, fileName, fileBytes]),
        [
          ["document", "for you", "letter.txt", 8],
          ["document", "", "file", 8]
        ]
      )
      for (const wrong of [{ buffer: "?" }, { mediaUrl: "https://e.org/a.png" }, { message: " " }]) {
        const error = yield* Effect.flip(client.call.send({ to, idempotencyKey: "3", ...wrong }))
        assert.match(error.message, /base64|empty/)
      }
    }).pipe(Effect.scoped)
  )
})
