/**
 * The test kit as somebody else's test uses it: a Gateway on the clock of the test.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { NodeRegistry } from "../../src/services/NodeRegistry.ts"
import { exchange } from "../../src/testing/faults/carriers.ts"
import { BotApi, Faults, GatewayTest, MockNode, ScriptedModel } from "../../src/testing/index.ts"

const ada = { id: 4711, firstName: "Ada" }
const telegram = { dmPolicy: "allowlist", allowFrom: [ada.id] } as const

const robot = (commands: MockNode.MockNodeOptions["commands"] = { "robot.move": Effect.succeed({ at: "kitchen" }) }) =>
  MockNode.make({ nodeId: "robot", displayName: "Robot", commands })

const move = ScriptedModel.invoke("robot", "robot.move", { to: "kitchen" })

describe("GatewayTest on TestClock", () => {
  it.effect("runs a turn that calls a node, and no time passes", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const script = yield* ScriptedModel.ScriptedModel
      const node = yield* robot()
      const outcome = yield* gateway.ask("to the kitchen, please")
      assert.deepStrictEqual(
        [outcome.status, outcome.text, outcome.toolCalls, outcome.durationMs],
        ["ok", "I am there.", 1, 0]
      )
      assert.deepStrictEqual(
        (yield* node.calls).map(({ params, state }) => [params, state]),
        [[{ to: "kitchen" }, "answered"]]
      )
      yield* script.played
    }).pipe(Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([move, { text: "I am there." }]) })))
  )

  it.effect("lets an invoke time out at its second", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const node = yield* robot({ "robot.move": Effect.never })
      const turn = yield* Effect.forkChild(gateway.ask("go"), { startImmediately: true })
      yield* node.waitFor((calls) => calls.length === 1)
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(turn.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(turn)).durationMs, 30_000)
      assert.strictEqual((yield* node.calls)[0]?.state, "interrupted")
    }).pipe(Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([move, { text: "No answer." }]) })))
  )

  it.effect("ends although a turn still runs and nobody adjusts the clock", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const node = yield* robot({ "robot.move": Effect.never })
      yield* Effect.forkChild(gateway.ask("go"), { startImmediately: true })
      yield* node.waitFor((calls) => calls.length === 1)
    }).pipe(Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([move]) })))
  )

  it.effect("speaks with Telegram in memory", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.BotApi
      yield* bot.sendText({ from: ada, text: "hello" })
      assert.strictEqual((yield* bot.awaitReply({ chatId: ada.id })).text, "Hello, Ada.")
      yield* bot.awaitConfirmed
    }).pipe(Effect.provide(GatewayTest.layer({ telegram, models: ScriptedModel.layer([{ text: "Hello, Ada." }]) })))
  )

  it.effect("has a typed client without a socket", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      yield* robot()
      const client = yield* gateway.client()
      const { nodes } = yield* client.call["node.list"]({})
      assert.deepStrictEqual(
        (nodes ?? []).map(({ connected, nodeId }) => [nodeId, connected]),
        [["robot", true]]
      )
      const answer = yield* client.call["node.invoke"]({
        nodeId: "robot",
        command: "robot.move",
        params: { to: "hall" },
        idempotencyKey: "one"
      })
      assert.deepStrictEqual(answer.payload, { at: "kitchen" })
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
  )

  it.effect("says which call asked what when the script has run out", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const script = yield* ScriptedModel.ScriptedModel
      yield* robot()
      assert.strictEqual((yield* gateway.ask("go")).status, "error")
      const { message } = yield* Effect.flip(script.played)
      assert.match(message, /call 2 of the model asks tool "nodes: .*kitchen.*", and 1 steps were played/)
    }).pipe(Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([move]) })))
  )

  it.effect("says which steps were left", () =>
    Effect.gen(function* () {
      const script = yield* ScriptedModel.ScriptedModel
      assert.match((yield* Effect.flip(script.played)).message, /2 steps of the script were not played/)
    }).pipe(Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([move, move]) })))
  )

  it.effect("names a command that its node does not have", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const script = yield* ScriptedModel.ScriptedModel
      yield* robot()
      yield* gateway.ask("dance")
      const asked = JSON.stringify((yield* script.calls).at(-1))
      assert.include(asked, "robot.dance")
    }).pipe(
      Effect.provide(
        GatewayTest.layer({
          models: ScriptedModel.layer([ScriptedModel.invoke("robot", "robot.dance"), { text: "It cannot." }])
        })
      )
    )
  )
})

describe("faults", () => {
  it.effect("a request to a node that is dropped never arrives, and the call times out", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const node = yield* robot()
      yield* faults.node.drop()
      const turn = yield* Effect.forkChild(gateway.ask("go"), { startImmediately: true })
      yield* faults.node.seen({ fate: "dropped" })
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* Fiber.join(turn)).text, "Nobody answered.")
      assert.deepStrictEqual(yield* node.calls, [])
      assert.deepStrictEqual(yield* faults.node.log, [{ way: "request", what: "robot.move", fate: "dropped" }])
    }).pipe(Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([move, { text: "Nobody answered." }]) })))
  )

  it.effect("an answer of a node that is late comes when the clock says so", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      yield* robot()
      yield* faults.node.delay("5 seconds", { on: "answer" })
      const turn = yield* Effect.forkChild(gateway.ask("go"), { startImmediately: true })
      yield* faults.node.seen({ way: "answer" })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(turn)).durationMs, 5_000)
    }).pipe(Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([move, { text: "There." }]) })))
  )

  it.effect("a request that comes twice runs a command twice, under one key", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const node = yield* robot()
      yield* faults.node.duplicate()
      yield* gateway.ask("go")
      const keys = (yield* node.calls).map(({ idempotencyKey }) => idempotencyKey)
      assert.deepStrictEqual([keys.length, new Set(keys).size], [2, 1])
    }).pipe(Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([move, { text: "There." }]) })))
  )

  it.effect("a cut takes the node away in the middle of a call, and it comes back", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const registry = yield* NodeRegistry
      const node = yield* robot({ "robot.move": Effect.never })
      const turn = yield* Effect.forkChild(gateway.ask("go"), { startImmediately: true })
      yield* node.waitFor((calls) => calls.length === 1)
      yield* faults.node.cut
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(turn)).text, "It is gone.")
      assert.deepStrictEqual(yield* registry.list, [])
      yield* faults.node.restore
      assert.deepStrictEqual(
        (yield* registry.list).map(({ connected }) => connected),
        [true]
      )
    }).pipe(Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([move, { text: "It is gone." }]) })))
  )

  it.effect("an answer of Telegram that is lost does not show a reply twice", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.BotApi
      const faults = yield* Faults.Faults
      yield* faults.botApi.drop(1, { on: "answer", what: "editMessageText" })
      yield* bot.sendText({ from: ada, text: "hello" })
      yield* bot.awaitCall(({ method }) => method === "sendMessage")
      yield* TestClock.adjust("2 minutes")
      yield* bot.awaitReply({ chatId: ada.id })
      assert.deepStrictEqual(
        (yield* bot.sent).map(({ text }) => text),
        ["Hello, Ada."]
      )
    }).pipe(Effect.provide(GatewayTest.layer({ telegram, models: ScriptedModel.layer([{ text: "Hello, Ada." }]) })))
  )

  it.effect("Telegram that cannot be reached is asked again when it is back", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.BotApi
      const faults = yield* Faults.Faults
      yield* bot.awaitPolling
      yield* faults.botApi.cut
      yield* bot.sendText({ from: ada, text: "hello" })
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(yield* bot.sent, [])
      yield* faults.botApi.restore
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* bot.awaitReply({ chatId: ada.id })).text, "Hello, Ada.")
    }).pipe(Effect.provide(GatewayTest.layer({ telegram, models: ScriptedModel.layer([{ text: "Hello, Ada." }]) })))
  )

  it.effect("a model that cannot be reached is told of, and the next turn is answered", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      yield* faults.model.cut
      const outcome = yield* gateway.ask("hello")
      assert.match(outcome.text, /could not be reached/)
      yield* faults.model.restore
      assert.strictEqual((yield* gateway.ask("hello")).text, "Hello.")
    }).pipe(Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([{ text: "Hello." }]) })))
  )

  it.effect("a model's answer that breaks off in the middle is told of", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const turn = yield* Effect.forkChild(gateway.ask("hello"), { startImmediately: true })
      yield* faults.model.seen({ way: "answer" })
      yield* TestClock.adjust("1 second")
      yield* faults.model.cut
      assert.match((yield* Fiber.join(turn)).text, /cut|broke|interrupted|connection/i)
    }).pipe(
      Effect.provide(
        GatewayTest.layer({ models: ScriptedModel.layer([{ text: ["Once", " upon"], deltaDelay: "1 minute" }]) })
      )
    )
  )

  it.effect("a model that falls silent is given up by the turn's own limit", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      yield* faults.model.drop()
      const turn = yield* Effect.forkChild(gateway.ask("hello", { timeoutMs: 60_000 }), { startImmediately: true })
      yield* faults.model.seen({ fate: "dropped" })
      yield* TestClock.adjust("1 minute")
      const outcome = yield* Fiber.join(turn)
      assert.deepStrictEqual([outcome.status, outcome.durationMs], ["error", 60_000])
    }).pipe(Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer([{ text: "Too late." }]) })))
  )

  it.effect("an answer of a call that is to come twice says why it cannot", () =>
    Effect.gen(function* () {
      const link = yield* (yield* Faults.make()).link("any")
      yield* link.duplicate(1, { on: "answer" })
      const exit = yield* Effect.exit(exchange(link, "x", () => "cut")(Effect.succeed(1)))
      assert.match(`${Exit.isFailure(exit) ? Cause.squash(exit.cause) : ""}`, /cannot come twice/)
    })
  )

  it.effect("a client's request that is lost times out at the client", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const client = yield* gateway.client({ callTimeout: "10 seconds" })
      yield* faults.client.drop(1, { what: "health" })
      const call = yield* Effect.forkChild(Effect.flip(client.call["health"]({})), { startImmediately: true })
      yield* faults.client.seen({ fate: "dropped" })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(call))._tag, "RequestTimeout")
      assert.isTrue((yield* client.call["health"]({})).ok)
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
  )

  it.effect("a client's connection that is cut says so, and cannot be made before it is restored", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const faults = yield* Faults.Faults
      const client = yield* gateway.client()
      yield* faults.client.cut
      assert.strictEqual((yield* client.closed).code, 1006)
      assert.strictEqual((yield* Effect.flip(gateway.client()))._tag, "ConnectionClosed")
      yield* faults.client.restore
      assert.isTrue((yield* (yield* gateway.client()).call["health"]({})).ok)
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
  )

  it.effect("no times is no message", () =>
    Effect.gen(function* () {
      const link = yield* (yield* Faults.make()).link("any")
      yield* link.drop(0)
      assert.strictEqual(link.decide({ way: "request", what: "x" }).fate, "passed")
    })
  )

  it.effect("chance is the same for the same seed", () =>
    Effect.gen(function* () {
      const fates = Effect.fnUntraced(function* (seed: number) {
        const link = yield* (yield* Faults.make({ seed })).link("any")
        yield* link.chaos({ drop: 0.2, duplicate: 0.2, delay: 0.2, upTo: "2 seconds" })
        return Array.from({ length: 50 }, () => link.decide({ way: "request", what: "x" }).fate)
      })
      const first = yield* fates(7)
      assert.deepStrictEqual(yield* fates(7), first)
      assert.notDeepEqual(yield* fates(8), first)
      assert.deepStrictEqual([...new Set(first)].sort(), ["delayed", "dropped", "duplicated", "passed"])
    })
  )
})
