import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { BotApi, Faults, GatewayTest, MockNode, ScriptedModel } from "openclaw/testing"
import * as Robot from "./robot.ts"

const ada = { id: 4711, firstName: "Ada" }
const drive = (to: string) => ScriptedModel.invoke("robot", "robot.drive", { to })
const house = (...script: ScriptedModel.Script) =>
  Effect.provide(GatewayTest.layer({ telegram: { allowFrom: [ada.id] }, models: ScriptedModel.layer(script) }))

const asked = Effect.fnUntraced(function* (text: string) {
  const bot = yield* BotApi.BotApi
  const robot = yield* MockNode.make({ nodeId: "robot", commands: yield* Robot.make })
  yield* bot.sendText({ from: ada, text })
  yield* robot.waitFor((calls) => calls.length === 1)
  return { bot, robot }
})

it.effect("drives for 20 seconds, then says where it is", () =>
  Effect.gen(function* () {
    const { bot, robot } = yield* asked("To the kitchen, please.")
    yield* TestClock.adjust("20 seconds")
    assert.strictEqual((yield* bot.awaitReply()).text, "It is in the kitchen.")
    assert.deepStrictEqual((yield* robot.calls)[0]?.params, { to: "kitchen" })
  }).pipe(house(drive("kitchen"), { text: "It is in the kitchen." }))
)

it.effect("loses its radio on the way, and the model is told that nobody knows", () =>
  Effect.gen(function* () {
    const { bot } = yield* asked("To the hall, please.")
    yield* (yield* Faults.Faults).node.cut
    yield* TestClock.adjust("10 seconds")
    assert.strictEqual((yield* bot.awaitReply()).text, "I lost it on the way.")
    const [, afterwards] = yield* (yield* ScriptedModel.ScriptedModel).calls
    assert.include(JSON.stringify(afterwards?.at(-1)), "outcome unknown")
  }).pipe(house(drive("hall"), { text: "I lost it on the way." }))
)
