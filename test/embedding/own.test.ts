/**
 * What an app brings to its Gateway: models, tools, nodes.
 */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { RunId } from "../../src/domain/Ids.ts"
import * as SessionKey from "../../src/domain/SessionKey.ts"
import { Config, Gateway, NodeRegistry, ToolCall } from "../../src/index.ts"
import { makeAppCaller } from "../../src/layers/agent/appTools.ts"
import { AppTools } from "../../src/services/AppTools.ts"
import { GatewayClient } from "../../src/client/index.ts"
import { ScriptedModel } from "../../src/testing/index.ts"

const folder = () => mkdtempSync(join(tmpdir(), "openclaw-own-"))
const base = () => ({ stateDir: folder(), config: Gateway.config({}), listen: "none" as const })
const parrot = Gateway.models({ "house/parrot": Gateway.model(({ text }) => Effect.succeed(text)) })

describe("models", () => {
  it.live("the first answers where the configuration names none, and each by its name", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Gateway.ask("hello")).text, "hello")
      const angry = yield* Gateway.ask("hello", { model: "house/angry" })
      assert.deepStrictEqual([angry.status, angry.error], ["error", "ModelFailed"])
      assert.include((yield* Gateway.ask("Which nodes are there?", { model: "builtin/offline" })).text, "No node")
      assert.strictEqual((yield* Gateway.ask("x", { model: "house/nobody" })).error, "ModelUnavailable")
      const [once, again] = [yield* Gateway.ask("one", { runId: "r" }), yield* Gateway.ask("one", { runId: "r" })]
      assert.deepStrictEqual(again, once)
    }).pipe(
      Effect.provide(
        Gateway.layerNode({
          ...base(),
          models: Gateway.models({
            "house/parrot": Gateway.model(({ text }) => Effect.succeed(text)),
            "house/angry": Gateway.model(() => Effect.fail({ message: "not today" }))
          })
        })
      )
    )
  )
})

class Pantry extends Context.Service<Pantry, { readonly of: string }>()("test/Pantry") {}

const look = Tool.make("look", {
  parameters: Schema.Struct({ item: Schema.String }),
  success: Schema.Struct({ from: Schema.String, key: Schema.String }),
  dependencies: [ToolCall]
}).annotate(Tool.Readonly, true)
const eat = Tool.make("eat", { success: Schema.String, failure: Schema.Struct({ why: Schema.String }) })
const both = Toolkit.make(look, eat)
const handlers = both.toLayer(
  Effect.gen(function* () {
    return {
      look: () =>
        Effect.gen(function* () {
          const { idempotencyKey, progress } = yield* ToolCall
          yield* progress("looking")
          const pantry = yield* Effect.serviceOption(Pantry)
          return { from: pantry._tag === "Some" ? pantry.value.of : "nobody", key: idempotencyKey }
        }),
      eat: () => Effect.fail({ why: "full" })
    }
  })
)
const pantry = (of: string) => Layer.succeed(Pantry, { of })
const calls = (name: string, params: unknown) =>
  ScriptedModel.layer([{ toolCalls: [{ name, params }] }, { text: "done" }])

describe("tools", () => {
  const current = (again: boolean) => ({
    request: { runId: RunId.make("r"), sessionKey: SessionKey.main("main"), agentId: "main", text: "", receivedAt: 0 },
    idempotencyKey: "key",
    again
  })
  const caller = Effect.flatMap(AppTools, makeAppCaller).pipe(
    Effect.provide(Gateway.tools(both, handlers.pipe(Layer.provide(pantry("the app")))))
  )
  const call = (name: string, params: unknown, again = false) =>
    Effect.flatMap(caller, (run) => run({ id: "1", name, params }, current(again)) ?? Effect.succeed("no such tool"))

  it.effect("a handler sees the app's services before the Gateway's, and the call", () =>
    Effect.gen(function* () {
      const answer = yield* call("look", { item: "eggs" }).pipe(Effect.provide(pantry("the Gateway")))
      assert.strictEqual(answer, '{"from":"the app","key":"key"}')
      assert.strictEqual(yield* call("other", {}), "no such tool")
    })
  )

  it.effect("what fails, or was cut off, is told in words", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(call("eat", {}))).message, '{"why":"full"}')
      assert.include((yield* Effect.flip(call("look", { item: 1 }))).message, "item")
      assert.include((yield* Effect.flip(call("eat", {}, true))).message, "outcome unknown")
      assert.include(yield* call("look", { item: "eggs" }, true), "the app")
    })
  )

  it.live("the agent calls them, operators see them, and a client may call one by itself", () =>
    Effect.gen(function* () {
      const outcome = yield* Gateway.ask("look")
      assert.deepStrictEqual([outcome.status, outcome.toolCalls], ["ok", 1])
      const prompt = JSON.stringify((yield* (yield* ScriptedModel.ScriptedModel).calls).at(-1))
      assert.include(prompt, "the app")
      const { call } = yield* GatewayClient.inProcess()
      const { groups } = yield* call["tools.catalog"]({})
      assert.includeMembers(
        groups.map(({ id }) => id),
        ["nodes", "message", "look", "eat"]
      )
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.unwrap(
          Effect.map(Layer.build(calls("look", { item: "eggs" })), (scripted) =>
            Gateway.layerNode({
              ...base(),
              tools: Gateway.tools(both, handlers.pipe(Layer.provide(pantry("the app")))),
              models: Layer.succeedContext(scripted)
            }).pipe(Layer.merge(Layer.succeedContext(scripted)))
          )
        )
      )
    )
  )

  it.effect("none has the name of one of the agent's own", () =>
    Effect.gen(function* () {
      const nodes = Toolkit.make(Tool.make("nodes", { success: Schema.String }))
      const layer = Gateway.tools(nodes, nodes.toLayer({ nodes: () => Effect.succeed("") }))
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.include(error.message, '"nodes"')
    })
  )

  it.live("an operator calls one over HTTP unless it is denied, and sees it as the app's", () =>
    Effect.gen(function* () {
      const { url } = yield* Gateway.Gateway
      const config = yield* Config
      const { token } = (yield* config.get).gateway?.auth ?? {}
      const invoke = (tool: string, args: Schema.JsonObject, secret = token) =>
        Effect.promise(async () => {
          const response = await fetch(`${url.replace("ws", "http")}/tools/invoke`, {
            method: "POST",
            headers: { authorization: `Bearer ${String(secret)}`, "content-type": "application/json" },
            body: JSON.stringify({ tool, args, idempotencyKey: "k" })
          })
          return { status: response.status, text: await response.text() }
        })
      const looked = yield* invoke("look", { item: "eggs" })
      assert.strictEqual(looked.status, 200)
      assert.include(looked.text, "the app")
      assert.strictEqual((yield* invoke("look", { item: 1 })).status, 400)
      assert.strictEqual((yield* invoke("eat", {})).status, 500)
      assert.strictEqual((yield* invoke("look", { item: "eggs" }, "wrong")).status, 401)
      const { call } = yield* GatewayClient.inProcess({ scopes: ["operator.read"] })
      const { groups } = yield* call["tools.effective"]({ sessionKey: "main" })
      assert.deepStrictEqual(
        groups.map(({ id, tools }) => [id, tools.map(({ label }) => label)]),
        [
          ["core", ["nodes", "message"]],
          ["plugin", ["look", "eat"]]
        ]
      )
      yield* config.set("gateway.tools.deny", ["look"])
      assert.strictEqual((yield* invoke("look", { item: "eggs" })).status, 404)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Gateway.layerNode({
          stateDir: folder(),
          config: Gateway.config({}),
          flags: { port: 0 },
          models: parrot,
          tools: Gateway.tools(both, handlers.pipe(Layer.provide(pantry("the app"))))
        })
      )
    )
  )

  it.effect("none is called unasked that says that somebody has to be asked", () =>
    Effect.gen(function* () {
      const pay = Toolkit.make(Tool.make("pay", { success: Schema.String, needsApproval: true }))
      const layer = Gateway.tools(pay, pay.toLayer({ pay: () => Effect.succeed("paid") }))
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.strictEqual(error._tag, "ToolApprovalUnsupported")
      assert.include(error.message, '"pay"')
    })
  )
})

describe("a question of the app", () => {
  it.live("goes to the agent of its conversation, and one that cannot be asked is refused in words", () =>
    Effect.gen(function* () {
      const { sessionKey } = yield* Gateway.ask("hello", { sessionKey: SessionKey.main("cook") })
      assert.strictEqual(sessionKey, "agent:cook:main")
      for (const wrong of [{ runId: "" }, { agentId: "" }, { agentId: "a".repeat(600) }, { timeoutMs: -1 }]) {
        assert.strictEqual((yield* Effect.flip(Gateway.ask("hello", wrong)))._tag, "TurnNotAccepted")
      }
    }).pipe(Effect.provide(Gateway.layerNode({ ...base(), models: parrot })))
  )
})

describe("a node", () => {
  it.live("is listed and invoked like any other, and the rules hold for it", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const config = yield* Config
      const row = (yield* registry.list).find(({ nodeId }) => nodeId === "lamp")
      assert.deepStrictEqual([row?.displayName, row?.connected, row?.commands], ["Lamp", true, ["lamp.set"]])
      const { call } = yield* GatewayClient.inProcess()
      const invoke = (command: string, params: Schema.JsonObject, idempotencyKey: string) =>
        call["node.invoke"]({ nodeId: "lamp", command, params, idempotencyKey })
      assert.deepStrictEqual((yield* invoke("lamp.set", { on: true }, "1")).payload, { on: true, from: "the app" })
      assert.deepStrictEqual((yield* invoke("lamp.set", { on: true }, "1")).payload, { on: true, from: "the app" })
      assert.include((yield* Effect.flip(invoke("lamp.set", { on: 1 }, "2"))).message, '["on"]')
      assert.include((yield* Effect.flip(invoke("sms.send", {}, "3"))).message, "not allow")
      yield* config.set("gateway.nodes.commands.deny", ["lamp.set"])
      assert.include((yield* Effect.flip(invoke("lamp.set", { on: true }, "4"))).message, "not allow")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Gateway.layerNode({
          ...base(),
          extensions: Gateway.node({
            id: "lamp",
            name: "Lamp",
            commands: {
              "lamp.set": Gateway.command({
                params: Schema.Struct({ on: Schema.Boolean }),
                run: ({ on }) => Effect.map(Pantry, ({ of }) => ({ on, from: of }))
              }),
              "sms.send": () => Effect.succeed(null)
            }
          })
        }).pipe(Layer.provide(pantry("the app")))
      )
    )
  )
})
