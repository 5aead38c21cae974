/**
 * What the kit says of a wait that takes long, and of what it is asked that it does not understand.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpBody from "effect/http/HttpBody"
import * as Logger from "effect/Logger"
import { BotApi, Faults, GatewayTest, MockNode, ProviderServer, ScriptedModel } from "../../src/testing/index.ts"
import { Patience } from "../../src/testing/stillWaiting.ts"

/** The first word about a wait that never ends. */
const word = Effect.fnUntraced(function* <E, R>(wait: Effect.Effect<unknown, E, R>) {
  const said = yield* Deferred.make<string>()
  const logger = Logger.make<unknown, void>(({ message }) => {
    const text = String(Array.isArray(message) ? message[0] : message)
    if (text.includes("still waits")) Deferred.doneUnsafe(said, Effect.succeed(text))
  })
  return yield* Effect.raceFirst(Effect.andThen(wait, Effect.succeed("it ended")), Deferred.await(said)).pipe(
    Effect.provideService(Patience, 1),
    Effect.provide(Logger.layer([logger]))
  )
})

describe("a wait that does not end", () => {
  it.effect("says what it waits for, whatever it is, though the clock stands still", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.BotApi
      yield* bot.sendText({ from: { id: 1 }, text: "hello" })
      const idle = "The bot sent nothing. 1 updates are not confirmed; no bot is polling. Calls: none."
      assert.strictEqual(yield* word(bot.awaitReply()), `BotApi still waits for a message of the bot. ${idle}`)
      assert.strictEqual(yield* word(bot.awaitActions(2)), `BotApi still waits for 2 chat actions. ${idle}`)
      assert.strictEqual(yield* word(bot.awaitCall(() => true)), `BotApi still waits for a call that fits. ${idle}`)
      assert.strictEqual(yield* word(bot.awaitCall(() => true, 3)), `BotApi still waits for 3 calls that fit. ${idle}`)
      assert.include(yield* word(bot.awaitConfirmed), "for every update to be confirmed.")
      assert.include(yield* word(bot.awaitPolling), "for the bot to poll.")

      const door = yield* MockNode.make({ nodeId: "door", commands: { "door.open": Effect.void } })
      assert.strictEqual(
        yield* word(door.waitFor((calls) => calls.length === 1)),
        'MockNode "door" still waits for its calls to satisfy the test. So far: none. It has door.open; another command never reaches it.'
      )
      const faults = yield* Faults.Faults
      assert.strictEqual(
        yield* word(faults.node.seen({ fate: "dropped" })),
        'Faults: the link "node" still waits for a message like {"fate":"dropped"}. Seen: none.'
      )
      const script = yield* ScriptedModel.ScriptedModel
      assert.strictEqual(
        yield* word(script.awaitCalls(1)),
        "ScriptedModel still waits for call 1; it was asked 0 times."
      )
    }).pipe(Effect.provide(GatewayTest.layer({ listen: "none", models: ScriptedModel.layer() })))
  )
})

describe("ProviderServer", () => {
  it.live("answers a body that is no JSON, a path that it does not know and a script that ran out in words", () =>
    Effect.gen(function* () {
      const server = yield* ProviderServer.ProviderServer
      const post = (path: string, body: string) =>
        Effect.flatMap(
          HttpClient.post(`${server.url}${path}`, { body: HttpBody.text(body, "application/json") }),
          ({ text }) => text
        )
      assert.include(
        yield* post("/v1/messages", "{nope"),
        "the script has no more replies: request 1 asks /v1/messages"
      )
      assert.include(yield* post("/v1/poems", "{}"), "/v1/poems is no path of a provider")
      assert.deepStrictEqual(
        (yield* server.requests).map(({ body }) => body),
        ["{nope", {}]
      )
    }).pipe(Effect.provide([ProviderServer.layer, NodeHttpClient.layerNodeHttp]))
  )
})
