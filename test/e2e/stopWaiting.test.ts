/**
 * `/stop` while a reply waits for Telegram: what nobody has seen of it is never shown, and what is shown in part is shown to its
 * end, while the conversation goes on.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Channels } from "../../src/services/ChannelRouter.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

const ada = { id: 4711, firstName: "Ada" }
const long = "A reply that has a beginning and an end."

const start = Effect.gen(function* () {
  const bot = yield* BotApi.serve()
  const telegram = { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [ada.id] } as const
  const models = ScriptedModel.layer([{ text: long }, { text: "Next." }])
  const services = yield* Layer.build(GatewayTest.layer({ models, config: { channels: { telegram } } }))
  const say = (text: string) => bot.sendText({ from: ada, text })
  const reads = (text: string) => bot.awaitReply({ matching: (message) => message.text === text })
  const channels = Context.get(services, Channels)
  const nothingOpen = Effect.repeat(Effect.andThen(Effect.yieldNow, channels.deliveries()), {
    until: (open) => open.length === 0
  })
  return { bot, say, reads, nothingOpen }
})

const tooMany = (method: string, seconds: number) =>
  ({
    kind: "refuse",
    code: 429,
    description: "Too Many Requests",
    parameters: { retry_after: seconds },
    method
  }) as const

describe("/stop while a reply waits", () => {
  for (const seconds of [25, 600]) {
    it.live(`for ${seconds} s with nothing shown: it is never shown`, () =>
      Effect.gen(function* () {
        const { bot, nothingOpen, reads, say } = yield* start
        yield* bot.fault(tooMany("sendMessage", seconds))
        yield* say("hello")
        yield* bot.awaitCall(({ method }) => method === "sendMessage")
        yield* say("/stop")
        yield* reads("Stopped.")
        yield* nothingOpen
        yield* say("and now?")
        yield* reads("Next.")
        assert.deepStrictEqual(
          (yield* bot.sent).map(({ text }) => text),
          ["Stopped.", "Next."]
        )
      }).pipe(Effect.scoped)
    )
  }

  it.live("with its beginning shown: it is shown to its end", () =>
    Effect.gen(function* () {
      const { bot, nothingOpen, reads, say } = yield* start
      yield* bot.fault(tooMany("editMessageText", 600))
      yield* say("hello")
      yield* bot.awaitCall(({ method }) => method === "editMessageText")
      yield* say("/stop")
      yield* reads(long)
      yield* nothingOpen
      yield* say("and now?")
      yield* reads("Next.")
      assert.sameMembers(
        (yield* bot.sent).map(({ text }) => text),
        ["Stopped.", "Next.", long]
      )
    }).pipe(Effect.scoped)
  )
})
