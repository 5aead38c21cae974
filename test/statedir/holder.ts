/** A process of its own that owns a state directory until it is killed. Prints one line: `owned`, or the error as JSON. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as StateDirLive from "../../src/layers/StateDir.ts"
import { StateDir } from "../../src/services/StateDir.ts"

const program = Effect.gen(function* () {
  const stateDir = yield* StateDir
  yield* stateDir.own
  yield* Console.log("owned")
  return yield* Effect.never
}).pipe(
  Effect.catchTag("GatewayAlreadyRunning", (error) => Console.log(`running ${error.pid}`)),
  Effect.scoped
)

const layers = StateDirLive.layer({ root: process.argv[2] ?? "" }).pipe(
  Layer.provide(NodeServices.layer),
  Layer.provideMerge(Logger.layer([]))
)

NodeRuntime.runMain(Effect.provide(program, layers))
