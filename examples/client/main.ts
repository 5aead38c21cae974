import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { Gateway } from "openclaw"
import { GatewayClient } from "openclaw/client"
import { stateDir } from "../stateDir.ts"

const GatewayLive = Gateway.layerNode({
  stateDir,
  config: Gateway.config({}),
  listen: "none",
  models: Gateway.models({ "house/cook": Gateway.model(() => Effect.succeed("Soup, as ever.")) })
})

const program = Effect.gen(function* () {
  // The client that talks to a remote Gateway, without a socket: the same methods, checks and events.
  const client = yield* GatewayClient
  const heard = yield* client.on("chat").pipe(
    Stream.takeUntil(({ state }) => state === "final"),
    Stream.runForEach(({ sessionKey, state }) => Console.log(`event chat: ${state} in ${sessionKey}`)),
    Effect.forkChild({ startImmediately: true })
  )
  yield* client.call["chat.send"]({ sessionKey: "main", message: "What is for lunch?", idempotencyKey: "lunch-1" })
  yield* Fiber.join(heard)
  const { sessions } = yield* client.call["sessions.list"]({})
  yield* Console.log(`conversations: ${sessions.map(({ key }) => key).join(", ")}`)

  // A client may have fewer rights than the app.
  const guest = yield* GatewayClient.inProcess({ scopes: ["operator.read"] })
  const refused = yield* Effect.flip(guest.call["sessions.reset"]({ key: "main" }))
  yield* Console.log(`a guest is told: ${refused.message}`)
}).pipe(Effect.scoped)

program.pipe(
  Effect.provide(GatewayClient.layerInProcess().pipe(Layer.provideMerge(GatewayLive))),
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  NodeRuntime.runMain
)
