import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import { Gateway } from "openclaw"
import { GatewayClient } from "openclaw/client"
import { stateDir } from "../stateDir.ts"

// A device of the app as a Layer: no socket, but every rule that holds for a phone.
const Lamp = Gateway.node({
  id: "lamp-1",
  name: "Desk lamp",
  commands: {
    "lamp.set": Gateway.command({
      params: Schema.Struct({ on: Schema.Boolean }),
      run: ({ on }) => Effect.succeed({ lamp: on ? "on" : "off" })
    }),
    "lamp.paint": Gateway.command({
      params: Schema.Struct({ colour: Schema.String }),
      run: () => Effect.fail({ message: "the lamp is out of paint" })
    })
  }
})

const GatewayLive = Gateway.layerNode({
  stateDir,
  config: Gateway.config({ gateway: { nodes: { commands: { deny: ["lamp.explode"] } } } }),
  listen: "none",
  extensions: Lamp
})

const program = Effect.gen(function* () {
  const { call } = yield* GatewayClient
  const { nodes } = yield* call["node.list"]({})
  yield* Console.log((nodes ?? []).map((node) => `${node.displayName}: ${node.commands?.join(", ")}`).join("\n"))

  const invoke = (command: string, params: Schema.JsonObject) =>
    call["node.invoke"]({ nodeId: "lamp-1", command, params, idempotencyKey: command + JSON.stringify(params) }).pipe(
      Effect.map(({ payload }) => JSON.stringify(payload)),
      Effect.catch((error) => Effect.succeed(`refused: ${error.message}`)),
      Effect.flatMap((answer) => Console.log(`${command} → ${answer}`))
    )
  yield* invoke("lamp.set", { on: true })
  yield* invoke("lamp.set", { on: "please" })
  yield* invoke("lamp.paint", { colour: "red" })
})

program.pipe(
  Effect.provide(GatewayClient.layerInProcess().pipe(Layer.provideMerge(GatewayLive))),
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  NodeRuntime.runMain
)
