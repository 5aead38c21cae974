/**
 * `agent` with `deliver`: the reply leaves by its channel, whatever becomes of whoever asked.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { GatewayClient } from "../../src/client/GatewayClient.ts"
import type { AgentParams } from "../../src/protocol/methods/chat.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

const ada = { id: 4711, firstName: "Ada" }

const start = Effect.fnUntraced(function* (...script: ScriptedModel.Script) {
  const bot = yield* BotApi.serve()
  yield* bot.addChat({ id: ada.id, type: "private", first_name: "Ada" })
  const services = yield* Layer.build(
    GatewayTest.layer({
      models: ScriptedModel.layer(script),
      config: {
        channels: { telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [1] } }
      }
    })
  )
  yield* bot.awaitPolling
  return { bot, kit: Context.get(services, GatewayTest.GatewayTest) }
})

const ask = (client: GatewayClient["Service"], more: Partial<AgentParams> = {}) =>
  client.call.agent({ message: "hi", idempotencyKey: "a1", deliver: true, to: String(ada.id), ...more })

describe("agent with deliver", () => {
  it.live("sends the reply once, also when it is asked again", () =>
    Effect.gen(function* () {
      const { bot, kit } = yield* start({ text: "Hello Ada" })
      const client = yield* kit.connect()
      const answers = yield* Stream.runCollect(ask(client))
      assert.deepInclude(answers.at(-1), { status: "ok", summary: "completed" })
      assert.deepInclude(yield* Stream.runCollect(ask(client)), answers.at(-1))
      assert.deepStrictEqual(
        (yield* bot.sent).map(({ text }) => text),
        ["Hello Ada"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("sends the reply although whoever asked is gone", () =>
    Effect.gen(function* () {
      const reached = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const { bot, kit } = yield* start({
        gate: Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(gate)),
        text: "Hello Ada"
      })
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(kit.connect(), scope)
      yield* Effect.forkScoped(Effect.exit(Stream.runDrain(ask(client))))
      yield* Deferred.await(reached)
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* bot.awaitReply({ chatId: ada.id })).text, "Hello Ada")
    }).pipe(Effect.scoped)
  )

  it.live("refuses a destination that is none before the model is asked, and says when a reply did not arrive", () =>
    Effect.gen(function* () {
      const { bot, kit } = yield* start({ text: "Hello" }, { text: "Hello" })
      const client = yield* kit.connect()
      const refused = (more: Partial<AgentParams>) => Effect.flip(Stream.runDrain(ask(client, more)))
      assert.include((yield* refused({ to: "nowhere at all" })).message, "nowhere at all")
      assert.include((yield* refused({ channel: "signal" })).message, "channels.signal")
      assert.include(
        (yield* Effect.flip(Stream.runDrain(client.call.agent({ message: "hi", idempotencyKey: "a2", deliver: true }))))
          .message,
        "destination"
      )
      yield* bot.block(ada.id)
      assert.include((yield* refused({ idempotencyKey: "a3" })).message, "reply not delivered")
      const answers = yield* Stream.runCollect(ask(client, { idempotencyKey: "a4", bestEffortDeliver: true }))
      assert.deepInclude(answers.at(-1), { status: "ok" })
    }).pipe(Effect.scoped)
  )
})
