/**
 * What docs/testing.md shows, run: each of its TypeScript blocks stands here word for word.
 */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Gateway } from "openclaw"
import { BotApi, Faults, GatewayTest, MockNode, ProviderServer, ScriptedModel, SpeakingNode } from "openclaw/testing"

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")

it("docs/testing.md shows nothing else", () => {
  // Indentation is the document's own.
  const bare = (text: string) => text.replace(/\s+/g, "")
  const own = bare(read("guide.test.ts"))
  const blocks = [...read("../../docs/testing.md").matchAll(/```ts\n([^]*?)```/g)].map(([, block]) => block!.trim())
  assert.isAbove(blocks.length, 8)
  const imports = (block: string) => block.replace(/^import .*\n/gm, "").trim()
  assert.deepStrictEqual(
    blocks.filter((block) => !own.includes(bare(imports(block)))),
    []
  )
})

const models = ScriptedModel.layer([
  ScriptedModel.invoke("lamp", "lamp.set", { on: true }),
  { text: "The lamp is on." }
])

it.effect("switches the lamp on", () =>
  Effect.gen(function* () {
    const gateway = yield* GatewayTest.GatewayTest
    const lamp = yield* MockNode.make({ nodeId: "lamp", commands: { "lamp.set": Effect.succeed({ on: true }) } })
    const { text } = yield* gateway.ask("light, please")
    assert.strictEqual(text, "The lamp is on.")
    assert.deepStrictEqual((yield* lamp.calls)[0]?.params, { on: true })
  }).pipe(Effect.provide(GatewayTest.layer({ models })))
)

describe("time", () => {
  it.effect("a door that does not answer is given up after thirty seconds", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const door = yield* MockNode.make({ nodeId: "door", commands: { "door.open": Effect.never } })
      const turn = yield* Effect.forkChild(gateway.ask("open the door"), { startImmediately: true })
      yield* door.waitFor((calls) => calls.length === 1)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* Fiber.join(turn)).text, "The door does not answer.")
    }).pipe(
      Effect.provide(
        GatewayTest.layer({
          models: ScriptedModel.layer([
            ScriptedModel.invoke("door", "door.open"),
            { text: "The door does not answer." }
          ])
        })
      )
    )
  )
})

describe("pieces", () => {
  it.effect("somebody writes to the bot", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.BotApi
      yield* bot.sendText({ from: { id: 4711, firstName: "Ada" }, text: "hello" })
      const reply = yield* bot.awaitReply()
      assert.strictEqual(reply.text, "Hello, Ada.")
    }).pipe(
      Effect.provide(
        GatewayTest.layer({
          telegram: { allowFrom: [4711] },
          models: ScriptedModel.layer([{ text: "Hello, Ada." }])
        })
      )
    )
  )

  it.effect("an operator looks at the nodes", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      yield* MockNode.make({ nodeId: "lamp", commands: {} })
      const client = yield* gateway.client({ scopes: ["operator.read"] })
      const { nodes } = yield* client.call["node.list"]({})
      assert.strictEqual(nodes?.[0]?.nodeId, "lamp")
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
  )

  it.effect("the model is told what the node said", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const script = yield* ScriptedModel.ScriptedModel
      yield* MockNode.make({ nodeId: "fridge", commands: { "fridge.look": Effect.succeed(["milk"]) } })
      yield* gateway.ask("what is in the fridge?")
      const [, second] = yield* script.calls
      assert.include(JSON.stringify(second), "milk")
      yield* script.played
    }).pipe(
      Effect.provide(
        GatewayTest.layer({
          models: ScriptedModel.layer([ScriptedModel.invoke("fridge", "fridge.look"), { text: "Milk." }])
        })
      )
    )
  )

  it.live("a provider answers as its wire format has it", () =>
    Effect.gen(function* () {
      const provider = yield* ProviderServer.ProviderServer
      yield* provider.push({ text: ["Hel", "lo."] }, { status: 429, retryAfter: "1" })
      const ask = () => fetch(`${provider.url}/v1/messages`, { method: "POST", body: "{}" })
      assert.include(yield* Effect.promise(() => ask().then((answer) => answer.text())), "text_delta")
      assert.strictEqual((yield* Effect.promise(ask)).status, 429)
    }).pipe(Effect.provide(ProviderServer.layer))
  )

  it.live("somebody speaks to a phone", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const phone = yield* SpeakingNode.make({ connect: gateway.connect })
      yield* phone.follow("agent:main:main")
      yield* phone.say("are you there?")
      assert.deepStrictEqual(yield* phone.reply, { state: "final", text: "Yes." })
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([{ text: "Yes." }]) })))
  )
})

describe("faults", () => {
  it.effect("the lamp's answer is lost, and the model is told that nobody knows", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      yield* MockNode.make({ nodeId: "lamp", commands: { "lamp.set": Effect.void } })
      yield* faults.node.drop(1, { on: "answer" })
      const turn = yield* Effect.forkChild(gateway.ask("light!"), { startImmediately: true })
      yield* faults.node.seen({ fate: "dropped" })
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(turn)
      const calls = yield* (yield* ScriptedModel.ScriptedModel).calls
      assert.include(JSON.stringify(calls[1]), "outcome unknown")
    }).pipe(Effect.provide(GatewayTest.layer({ models })))
  )

  it.effect("Telegram's answer to a message is lost, and it is shown once", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.BotApi
      const faults = yield* Faults.Faults
      yield* faults.botApi.drop(1, { on: "answer", what: "editMessageText" })
      yield* bot.sendText({ from: { id: 4711 }, text: "hello" })
      yield* faults.botApi.seen({ fate: "dropped" })
      yield* TestClock.adjust("2 minutes")
      yield* bot.awaitReply()
      assert.strictEqual((yield* bot.sent).length, 1)
    }).pipe(
      Effect.provide(
        GatewayTest.layer({ telegram: { allowFrom: [4711] }, models: ScriptedModel.layer([{ text: "Hello." }]) })
      )
    )
  )

  it.effect("chance decides, and the seed decides about chance", () =>
    Effect.gen(function* () {
      const faults = yield* Faults.make({ seed: 7 })
      yield* faults.node.chaos({ drop: 0.1, delay: 0.3, upTo: "5 seconds" })
    })
  )
})

describe("recipes", () => {
  const shutter = Gateway.node({
    id: "shutter",
    commands: {
      "shutter.move": Gateway.command({
        params: Schema.Struct({ percent: Schema.Finite }),
        run: ({ percent }) => Effect.as(Effect.sleep("3 seconds"), { at: percent })
      })
    }
  })

  it.effect("the shutter takes three seconds", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const client = yield* gateway.client()
      const move = { nodeId: "shutter", command: "shutter.move", params: { percent: 50 }, idempotencyKey: "one" }
      const call = yield* Effect.forkChild(client.call["node.invoke"](move), { startImmediately: true })
      yield* faults.node.seen({ what: "shutter.move" })
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual((yield* Fiber.join(call)).payload, { at: 50 })
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer({ extensions: shutter })))
  )

  it.effect("a delivery that the guestbook refuses is tried again", () =>
    Effect.gen(function* () {
      const written = yield* Queue.unbounded<Record<"id" | "chatId" | "text", string>>()
      const tried = yield* Queue.unbounded<string>()
      const page = yield* Ref.make<ReadonlyArray<string>>([])
      const guestbook = Gateway.channel({
        id: "guestbook",
        incoming: Stream.fromQueue(written),
        send: Effect.fnUntraced(function* ({ text }) {
          const isFirst = (yield* Queue.size(tried)) === 0
          yield* Queue.offer(tried, text)
          if (isFirst) return yield* Effect.fail({ message: "the page is full" })
          yield* Ref.update(page, (texts) => [...texts, text])
        })
      })
      const models = ScriptedModel.layer([{ text: "Welcome, Ada." }])
      yield* Effect.gen(function* () {
        yield* Queue.offer(written, { id: "1", chatId: "ada", text: "What a place!" })
        const isShown = Effect.map(Ref.get(page), (texts) => texts.length > 0)
        yield* Effect.repeat(TestClock.adjust("1 second"), { until: () => isShown })
        assert.deepStrictEqual(yield* Ref.get(page), ["Welcome, Ada."])
      }).pipe(Effect.provide(GatewayTest.layer({ extensions: guestbook, models })))
    })
  )

  it.effect("a person speaks first to a bot that pairs", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const bot = yield* BotApi.BotApi
      yield* bot.sendText({ from: { id: 99, firstName: "Eve" }, text: "let me in" })
      const asked = yield* bot.awaitReply()
      assert.match(asked.text, /pairing approve/)
      assert.strictEqual((yield* (yield* gateway.client()).call["sessions.list"]({})).count, 0)
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer({ telegram: { dmPolicy: "pairing" } })))
  )
})
