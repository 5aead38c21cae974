import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { kindOf } from "../../src/layers/telegram/mediaPart.ts"
import type { Channel, DeliveryAttempt, DeliveryProgress, OutboundMedia } from "../../src/services/Channel.ts"
import { type Fault, isPreview } from "../../src/testing/BotApi.ts"
import { ada, clients, connect, direct } from "./kit.ts"

const picture: OutboundMedia = { id: "a", name: "trip.png", mimeType: "image/png", size: 5 }
const report: OutboundMedia = { id: "b", name: "report.pdf", mimeType: "application/pdf", size: 6 }
const content: Readonly<Record<string, string>> = { a: "pixel", b: "letter" }
const read: DeliveryAttempt["read"] = ({ id }) =>
  Effect.succeed(content[id] === undefined ? undefined : new TextEncoder().encode(content[id]))

const ready = Effect.gen(function* () {
  const connected = yield* connect()
  yield* connected.bot.sendText({ from: ada, text: "hello" })
  return connected
})

const send = (channel: Channel, text: string, media: ReadonlyArray<OutboundMedia>, attempt: DeliveryAttempt = {}) =>
  channel.send(direct(ada.id, text, { media, silent: true }), { read, ...attempt })

const refusing = (description: string, method: string): Fault => ({ kind: "refuse", code: 400, description, method })

for (const [name, client] of Object.entries(clients)) {
  describe(`files over ${name}`, () => {
    it.live("are announced by the beginning of their text, and then there with it below them", () =>
      Effect.gen(function* () {
        const { bot, channel } = yield* ready
        const receipt = yield* send(channel, "**Our** last trip", [picture, report])
        const [first, second] = yield* bot.sent
        assert.deepStrictEqual(receipt.messageIds, [String(first!.messageId), String(second!.messageId)])
        assert.deepInclude(first, {
          kind: "photo",
          text: "Our last trip",
          fileName: "trip.png",
          fileBytes: 5,
          silent: true
        })
        assert.deepStrictEqual(first!.entities[0]?.type, "bold")
        assert.deepStrictEqual(
          first!.history.map(({ kind, text }) => [kind, text]),
          [
            ["text", "Our last …"],
            ["photo", "Our last trip"]
          ]
        )
        assert.deepInclude(second, { kind: "document", text: "", fileName: "report.pdf", fileBytes: 6 })
        assert.include(second!.history[0]!.text, "report")
      }).pipe(Effect.provide(client))
    )
  })
}

describe("files", () => {
  it.live("a text that is no caption any more follows them", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      const long = "word ".repeat(300).trim()
      yield* send(channel, long, [picture])
      assert.deepStrictEqual(
        (yield* bot.sent).map(({ kind, text }) => [kind, text]),
        [
          ["photo", ""],
          ["text", long]
        ]
      )
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("go on from what was kept, and one whose answer was lost is shown once", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      yield* bot.fault({ kind: "html", status: 502, carriedOut: true, method: "editMessageMedia" })
      const kept: Array<DeliveryProgress> = []
      const keep = (progress: DeliveryProgress) => Effect.sync(() => void kept.push(progress))
      const error = yield* Effect.flip(send(channel, "look at this", [picture], { keep }))
      assert.deepInclude(error, { outcome: "unfinished" })
      yield* send(channel, "look at this", [picture], { from: kept.at(-1)!, cut: true })
      assert.lengthOf(yield* bot.sent, 1)
      assert.deepInclude((yield* bot.sent)[0], { kind: "photo", text: "look at this" })
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("what is no picture to Telegram goes as a document; a caption without its formatting if need be", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      yield* bot.fault(refusing("Bad Request: PHOTO_INVALID_DIMENSIONS", "editMessageMedia"))
      yield* send(channel, "look", [picture])
      yield* bot.fault(refusing("Bad Request: can't parse entities: x", "editMessageMedia"))
      yield* send(channel, "**look**", [report])
      assert.deepStrictEqual(
        (yield* bot.sent).map(({ kind, parseMode, text }) => [kind, parseMode, text]),
        [
          ["document", "HTML", "look"],
          ["document", undefined, "look"]
        ]
      )
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("are sent at once where nothing can be changed, as each kind", () =>
    Effect.gen(function* () {
      const { bot, channel } = yield* ready
      const all = ["image/png", "image/gif", "video/mp4", "audio/mpeg", "text/plain"].map((mimeType) => ({
        ...picture,
        mimeType
      }))
      yield* bot.fault({ ...refusing("Bad Request: message can't be edited", "editMessageMedia"), times: all.length })
      yield* send(channel, "", all)
      const sent = (yield* bot.sent).filter((message) => !isPreview(message))
      assert.deepStrictEqual(
        sent.map(({ fileBytes, kind }) => [kind, fileBytes]),
        [
          ["photo", 5],
          ["animation", 5],
          ["video", 5],
          ["audio", 5],
          ["document", 5]
        ]
      )
    }).pipe(Effect.provide(clients.undici))
  )

  it.live("one that is gone is refused by name", () =>
    Effect.gen(function* () {
      const { channel } = yield* ready
      const error = yield* Effect.flip(send(channel, "", [{ ...picture, id: "gone" }]))
      assert.deepInclude(error, { outcome: "refused" })
      assert.include(error.message, "trip.png is not there any more")
    }).pipe(Effect.provide(clients.undici))
  )

  it("are shown as what they are, unless they are too big for that or wanted otherwise", () => {
    assert.strictEqual(kindOf({ ...picture, mimeType: "IMAGE/JPEG; q=1" }), "photo")
    assert.strictEqual(kindOf({ ...picture, size: 11 * 1024 * 1024 }), "document")
    assert.strictEqual(kindOf({ ...picture, asDocument: true }), "document")
  })
})
