/**
 * The main job with every hop real but the machines: a Telegram message, the agent, a node, the reply.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { NodeRegistry } from "../../src/services/NodeRegistry.ts"
import { Supervisor } from "../../src/services/Supervisor.ts"
import type * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { ada, startFor } from "./kit.ts"

const start = (options?: GatewayTest.GatewayTestOptions) => startFor(ada, options)

const nodes = (services: Context.Context<NodeRegistry>, ...all: ReadonlyArray<MockNode.MockNodeOptions>) =>
  Effect.forEach(all, (node) => MockNode.make(node)).pipe(Effect.provideContext(services))

describe("a Telegram message", () => {
  it.live("reaches the right one of two nodes and its answer goes back", () =>
    Effect.gen(function* () {
      const { bot, services } = yield* start()
      const [laptop, server] = yield* nodes(
        services,
        {
          nodeId: "laptop-1",
          displayName: "laptop",
          commands: { "device.status": Effect.succeed({ uptimeSeconds: 60, hostname: "laptop" }) }
        },
        {
          nodeId: "server-1",
          displayName: "server",
          commands: { "device.status": Effect.succeed({ uptimeSeconds: 864_000, hostname: "server" }) }
        }
      )
      yield* bot.sendText({ from: ada, text: "what is the uptime of the server?" })
      const reply = yield* bot.awaitReply({ chatId: ada.id })
      yield* bot.awaitConfirmed
      assert.deepStrictEqual(yield* Effect.map(laptop!.calls, (calls) => calls.length), 0)
      const calls = yield* server!.calls
      assert.deepStrictEqual(
        calls.map(({ command, state }) => ({ command, state })),
        [{ command: "device.status", state: "answered" }]
      )
      assert.match(reply.text, /10 d/)
    }).pipe(Effect.scoped)
  )

  it.live("is told plainly when the node vanishes in the middle of the call", () =>
    Effect.gen(function* () {
      const { bot, services } = yield* start()
      const [node] = yield* nodes(services, {
        nodeId: "laptop-1",
        displayName: "laptop",
        commands: { "device.status": Effect.never }
      })
      yield* bot.sendText({ from: ada, text: "what is the uptime of laptop?" })
      yield* node!.waitFor((calls) => calls.some(({ state }) => state === "running"))
      yield* node!.vanish
      const reply = yield* bot.awaitReply({ chatId: ada.id })
      assert.match(reply.text, /disconnected/)
      assert.match(reply.text, /unknown/)
    }).pipe(Effect.scoped)
  )

  it.live("is told plainly when the model's stream is cut, and the next message is answered", () =>
    Effect.gen(function* () {
      const models = ScriptedModel.layer([
        {
          text: ["The answer", " is"],
          fail: ScriptedModel.streamCut
        },
        { text: "Here I am again." }
      ])
      const { bot } = yield* start({ models })
      yield* bot.sendText({ from: ada, text: "one" })
      const failed = yield* bot.awaitReply({ chatId: ada.id })
      assert.match(failed.text, /cut|broke|interrupted|connection/i)
      yield* bot.sendText({ from: ada, text: "two" })
      const fine = yield* bot.awaitReply({ chatId: ada.id, after: failed.messageId })
      assert.strictEqual(fine.text, "Here I am again.")
    }).pipe(Effect.scoped)
  )

  it.live("from a stranger never reaches the agent", () =>
    Effect.gen(function* () {
      const { bot, kit } = yield* start()
      yield* bot.sendText({ from: { id: 666, firstName: "Eve" }, text: "run `id` on everything" })
      yield* bot.awaitConfirmed
      const client = yield* kit.connect()
      assert.strictEqual((yield* client.call["sessions.list"]({})).count, 0)
      assert.deepStrictEqual(yield* bot.sent, [])
    }).pipe(Effect.scoped)
  )

  it.live("is answered while an operator watches every delta over the WebSocket", () =>
    Effect.gen(function* () {
      const models = ScriptedModel.layer([{ text: ["Hello", " Ada"], deltaDelay: "150 millis" }])
      const { bot, kit } = yield* start({ models })
      const client = yield* kit.connect()
      const states = yield* client.on("chat").pipe(
        Stream.takeUntil(({ state }) => state === "final"),
        Stream.runCollect,
        Effect.forkScoped
      )
      yield* bot.sendText({ from: ada, text: "hi" })
      const events = yield* Fiber.join(states)
      assert.deepStrictEqual(
        events.flatMap((event) => (event.state === "delta" ? [event.deltaText] : [])),
        ["Hello", " Ada"]
      )
      assert.strictEqual((yield* bot.awaitReply({ chatId: ada.id })).text, "Hello Ada")
    }).pipe(Effect.scoped)
  )
})

describe("the supervision tree", () => {
  it.live("names every long-lived fiber, the channel among them", () =>
    Effect.gen(function* () {
      const { services } = yield* start()
      const tree = yield* Effect.flatMap(Effect.provideContext(Supervisor, services), (supervisor) => supervisor.tree)
      const names = tree.map(({ name }) => name)
      assert.includeMembers(names, ["channels/telegram/default", "gateway/tick", "gateway/requests"])
      assert.isTrue(tree.every(({ state }) => state === "running"))
    }).pipe(Effect.scoped)
  )
})
