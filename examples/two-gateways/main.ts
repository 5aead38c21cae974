import { join } from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { Gateway } from "openclaw"
import { stateDir } from "../stateDir.ts"

// Each has its own state, port, configuration, sessions and nodes; nothing is shared.
const house = (name: string) =>
  Gateway.layerNode({
    stateDir: join(stateDir, name),
    config: Gateway.config({}),
    flags: { port: 0 },
    models: Gateway.models({ "house/butler": Gateway.model(() => Effect.succeed(`This is the ${name}.`)) })
  })

const program = Effect.gen(function* () {
  const [first, second] = [yield* Scope.make(), yield* Scope.make()]
  const upstairs = yield* Layer.buildWithScope(house("attic"), first)
  const downstairs = yield* Layer.buildWithScope(house("cellar"), second)
  const ask = Gateway.ask("Where am I?")
  yield* Console.log((yield* Effect.provide(ask, upstairs)).text)
  yield* Console.log((yield* Effect.provide(ask, downstairs)).text)

  const [one, other] = yield* Effect.all([
    Effect.provide(Gateway.Gateway, upstairs),
    Effect.provide(Gateway.Gateway, downstairs)
  ])
  yield* Console.log(`two ports: ${one.port !== other.port}`)

  yield* Scope.close(first, Exit.void)
  yield* Console.log(`without the attic: ${(yield* Effect.provide(ask, downstairs)).text}`)
  yield* Scope.close(second, Exit.void)
})

program.pipe(Effect.provideService(References.MinimumLogLevel, "Warn"), NodeRuntime.runMain)
