import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { Gateway } from "openclaw"
import { stateDir } from "../stateDir.ts"

// A whole Gateway in this process: conversations, memory, tools, durability. Nothing listens.
const GatewayLive = Gateway.layerNode({
  stateDir,
  config: Gateway.config({}),
  listen: "none",
  models: Gateway.models({
    "house/parrot": Gateway.model(({ text }) => Effect.succeed(`You said: ${text}`))
  })
})

const program = Effect.gen(function* () {
  const { status, text } = yield* Gateway.ask("Good morning!")
  yield* Console.log(status, text)
})

program.pipe(
  Effect.provide(GatewayLive),
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  NodeRuntime.runMain
)
