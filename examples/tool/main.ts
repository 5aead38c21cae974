import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import { Gateway } from "openclaw"
import { ScriptedModel } from "openclaw/testing"
import { stateDir } from "../stateDir.ts"

// A service of the app.
class Pantry extends Context.Service<Pantry, { readonly left: (item: string) => Effect.Effect<number> }>()(
  "app/Pantry"
) {
  static readonly layer = Layer.succeed(Pantry, { left: (item) => Effect.succeed(item === "eggs" ? 6 : 0) })
}

// What the agent may call. It only reads, so a call that a crash cut off is simply made again.
const PantryTool = Tool.make("pantry", {
  description: "How many of an item are left in the pantry.",
  parameters: Schema.Struct({ item: Schema.NonEmptyString }),
  success: Schema.Int
}).annotate(Tool.Readonly, true)
const AppToolkit = Toolkit.make(PantryTool)
const HandlersLive = AppToolkit.toLayer(
  Effect.gen(function* () {
    const pantry = yield* Pantry
    return {
      pantry: ({ item }) =>
        Effect.tap(pantry.left(item), (left) => Console.log(`the agent asks for ${item}: ${left} left`))
    }
  })
)

const GatewayLive = Gateway.layerNode({
  stateDir,
  config: Gateway.config({}),
  listen: "none",
  tools: Gateway.tools(AppToolkit, HandlersLive.pipe(Layer.provide(Pantry.layer))),
  // Stands in for a real model, which would decide this by itself.
  models: ScriptedModel.layer([
    { toolCalls: [{ name: "pantry", params: { item: "eggs" } }] },
    { text: "Yes, go ahead." }
  ])
})

const program = Effect.gen(function* () {
  const { text, toolCalls } = yield* Gateway.ask("Enough eggs for a cake?")
  yield* Console.log(text)
  yield* Console.log(`${toolCalls} tool call`)
})

program.pipe(
  Effect.provide(GatewayLive),
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  NodeRuntime.runMain
)
