/**
 * The kit with what an app brings: a tool, a node and a channel of its own, and no socket at all.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import { Gateway } from "../../src/index.ts"
import { BotApi, Faults, GatewayTest, MockNode, ScriptedModel } from "../../src/testing/index.ts"

const Weather = Tool.make("weather", {
  description: "The weather of a place.",
  parameters: Schema.Struct({ place: Schema.String }),
  success: Schema.String
})
const toolkit = Toolkit.make(Weather)

describe("GatewayTest with an app's parts", () => {
  it.effect("runs the app's tool and node, without a listener", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      assert.strictEqual(gateway.port, 0)
      const outcome = yield* gateway.ask("the weather, and light")
      assert.deepStrictEqual([outcome.status, outcome.text, outcome.toolCalls], ["ok", "Rain, and light.", 2])
      const asked = JSON.stringify((yield* (yield* ScriptedModel.ScriptedModel).calls).at(-1))
      assert.include(asked, "rain in Bergen")
      assert.include(asked, "on!")
    }).pipe(
      Effect.provide(
        GatewayTest.layer({
          listen: "none",
          tools: Gateway.tools(
            toolkit,
            toolkit.toLayer({ weather: ({ place }) => Effect.succeed(`rain in ${place}`) })
          ),
          extensions: Gateway.node({
            id: "lamp",
            commands: { "lamp.on": Gateway.command({ params: Schema.Struct({}), run: () => Effect.succeed("on!") }) }
          }),
          models: ScriptedModel.layer([
            { toolCalls: [{ name: "weather", params: { place: "Bergen" } }] },
            ScriptedModel.invoke("lamp", "lamp.on"),
            { text: "Rain, and light." }
          ])
        })
      )
    )
  )

  it.effect("carries an app's node over its link: late, lost, cut and back", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const client = yield* gateway.client()
      const move = (idempotencyKey: string) =>
        Effect.forkChild(
          Effect.result(client.call["node.invoke"]({ nodeId: "shutter", command: "shutter.move", idempotencyKey })),
          { startImmediately: true }
        )
      const isThere = Effect.map(client.call["node.list"]({}), ({ nodes }) => nodes?.[0]?.connected)

      yield* faults.node.delay("5 seconds")
      const late = yield* move("late")
      yield* faults.node.seen({ fate: "delayed", what: "shutter.move" })
      yield* TestClock.adjust("8 seconds")
      assert.deepStrictEqual(Result.getOrThrow(yield* Fiber.join(late)).payload, "down")

      yield* faults.node.drop()
      const lost = yield* move("lost")
      yield* faults.node.seen({ fate: "dropped" })
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(Result.isFailure(yield* Fiber.join(lost)))

      yield* faults.node.cut
      assert.notStrictEqual(yield* isThere, true)
      yield* faults.node.restore
      assert.isTrue(yield* isThere)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        GatewayTest.layer({
          listen: "none",
          extensions: Gateway.node({
            id: "shutter",
            commands: {
              "shutter.move": Gateway.command({
                params: Schema.Unknown,
                run: () => Effect.as(Effect.sleep("3 seconds"), "down")
              })
            }
          })
        })
      )
    )
  )

  it.effect("carries a mocked node among an app's parts over its own link only", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const client = yield* gateway.client()
      yield* client.call["node.invoke"]({ nodeId: "lamp", command: "lamp.on", idempotencyKey: "one" })
      assert.deepStrictEqual(yield* faults.node.log, [])
      assert.strictEqual((yield* (yield* faults.link("shed")).log).length, 2)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        GatewayTest.layer({
          extensions: MockNode.layer({ nodeId: "lamp", link: "shed", commands: { "lamp.on": Effect.succeed("on") } })
        }).pipe(Layer.provideMerge(Faults.layer()))
      )
    )
  )

  it.effect("does not let a node in over a link that is cut, before it is restored", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const client = yield* gateway.client()
      const there = Effect.map(client.call["node.list"]({}), ({ nodes }) =>
        (nodes ?? []).filter(({ connected }) => connected === true).map(({ nodeId }) => nodeId)
      )
      yield* faults.node.cut
      const lamp = yield* MockNode.make({ nodeId: "lamp", commands: {} })
      assert.deepStrictEqual(yield* there, [])
      yield* faults.node.restore
      assert.deepStrictEqual(yield* there, ["lamp"])
      yield* lamp.vanish
      yield* faults.node.cut
      yield* faults.node.restore
      assert.deepStrictEqual(yield* there, [])
      yield* lamp.comeBack
      assert.deepStrictEqual(yield* there, ["lamp"])
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer({ listen: "none" })))
  )

  it.effect("takes switches that are there already, and one node's link apart from the others'", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const echo = { "room.echo": (params: unknown) => Effect.succeed(params) }
      yield* MockNode.make({ nodeId: "kitchen", link: "kitchen", commands: echo })
      yield* MockNode.make({ nodeId: "hall", commands: echo })
      yield* (yield* faults.link("kitchen")).cut
      const client = yield* gateway.client()
      const { nodes } = yield* client.call["node.list"]({})
      assert.deepStrictEqual(
        (nodes ?? []).filter(({ connected }) => connected === true).map(({ nodeId }) => nodeId),
        ["hall"]
      )
      yield* faults.clear
      assert.strictEqual(((yield* client.call["node.list"]({})).nodes ?? []).length, 2)
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(GatewayTest.layer(), Faults.layer({ seed: 7 }))))
  )

  it.effect("a schedule of retries is gone through by the clock alone", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.BotApi
      yield* bot.awaitPolling
      yield* bot.fault({ kind: "refuse", code: 502, description: "Bad Gateway", method: "sendMessage", times: 3 })
      yield* bot.sendText({ from: { id: 5, firstName: "Ada" }, text: "hi" })
      const reply = yield* Effect.forkChild(bot.awaitReply(), { startImmediately: true })
      yield* bot.awaitCall(({ method }) => method === "sendMessage")
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* Fiber.join(reply)).text, "Hi.")
      assert.strictEqual((yield* bot.calls).filter(({ method }) => method === "sendMessage").length, 4)
    }).pipe(
      Effect.provide(
        GatewayTest.layer({ telegram: { allowFrom: [5] }, models: ScriptedModel.layer([{ text: "Hi." }]) })
      )
    )
  )
})
