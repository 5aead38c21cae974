/** The test kit in somebody else's project: their node, a scripted model, a whole Gateway. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { GatewayTest, MockNode, ScriptedModel } from "openclaw/testing"

const params = { action: "invoke", node: "lamp", command: "lamp.state" }
const config = { gateway: { nodes: { allowCommands: ["lamp.state"] } } }
const script: ScriptedModel.Script = [{ toolCalls: [{ name: "nodes", params }] }, { text: "The lamp is on." }]

it.live("an agent asks a node", () =>
  Effect.gen(function* () {
    const { connect } = yield* GatewayTest.GatewayTest
    const node = yield* MockNode.make({ nodeId: "lamp", commands: { "lamp.state": Effect.succeed({ on: true }) } })
    const { call } = yield* connect()
    const answer = yield* Stream.runLast(call.agent({ message: "Is the lamp on?", idempotencyKey: "1" }))
    assert.include(JSON.stringify(answer), "The lamp is on.")
    assert.deepStrictEqual(
      (yield* node.calls).map(({ command, state }) => [command, state]),
      [["lamp.state", "answered"]]
    )
  }).pipe(
    Effect.provide(GatewayTest.layer({ models: ScriptedModel.layer(script), config }).pipe(Layer.orDie)),
    Effect.scoped
  )
)
