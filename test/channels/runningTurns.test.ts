/** `channels.stop` and `channels.logout` while a turn runs, with a real account on a Bot API server. */
import { readFileSync, writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

const ada = { id: 4711, firstName: "Ada" }
const telegram = { channel: "telegram" }

/** A Gateway with one turn that has begun and whose model waits for `go`. */
const rig = Effect.gen(function* () {
  const bot = yield* BotApi.serve()
  const reached = yield* Deferred.make<void>()
  const go = yield* Deferred.make<void>()
  const models = ScriptedModel.layer([
    { gate: Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(go)), text: "the answer" },
    { text: "the next" }
  ])
  const config = { channels: { telegram: { botToken: bot.token, apiRoot: bot.url, allowFrom: [ada.id] } } }
  return { bot, reached, go, gateway: GatewayTest.layer({ models, config }) }
})

const begun = Effect.fnUntraced(function* ({ bot, reached }: Effect.Success<typeof rig>) {
  const kit = yield* GatewayTest.GatewayTest
  const admin = yield* kit.connect()
  yield* bot.awaitPolling
  yield* bot.sendText({ from: ada, text: "hello" })
  yield* Deferred.await(reached)
  return { admin, file: `${kit.stateDir}/openclaw.json` }
})

describe("a turn that runs", () => {
  it.live("is answered although its account was stopped, and what comes meanwhile waits", () =>
    Effect.gen(function* () {
      const world = yield* rig
      yield* Effect.gen(function* () {
        const { admin } = yield* begun(world)
        const stopped = yield* admin.call["channels.stop"](telegram)
        assert.isTrue(stopped.stopped)
        yield* world.bot.sendText({ from: ada, text: "and now?" })
        yield* Deferred.succeed(world.go, undefined)
        assert.strictEqual((yield* world.bot.awaitReply({ chatId: ada.id })).text, "the answer")
        assert.strictEqual(yield* world.bot.pendingCount, 1)
        yield* admin.call["channels.start"](telegram)
        yield* world.bot.awaitReply({ matching: ({ text }) => text === "the next" })
      }).pipe(Effect.provide(world.gateway))
    }).pipe(Effect.scoped)
  )

  it.live("has its answer sent once its account has credentials again", () =>
    Effect.gen(function* () {
      const world = yield* rig
      yield* Effect.gen(function* () {
        const { admin, file } = yield* begun(world)
        const config = JSON.parse(readFileSync(file, "utf8")) as Record<string, any>
        assert.isTrue((yield* admin.call["channels.logout"](telegram)).loggedOut)
        yield* Deferred.succeed(world.go, undefined)
        yield* Effect.repeat(admin.call["chat.history"]({ sessionKey: "main" }), {
          until: (history) => JSON.stringify(history).includes("the answer")
        })
        writeFileSync(file, JSON.stringify(config))
        assert.strictEqual((yield* world.bot.awaitReply({ chatId: ada.id })).text, "the answer")
      }).pipe(Effect.provide(world.gateway))
    }).pipe(Effect.scoped)
  )
})
