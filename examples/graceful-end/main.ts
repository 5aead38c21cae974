import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { Gateway } from "openclaw"
import { stateDir } from "../stateDir.ts"

const gatewayWith = (answer: Effect.Effect<string>) =>
  Gateway.layerNode({
    stateDir,
    config: Gateway.config({}),
    listen: "none",
    limits: { drainMs: 100 },
    models: Gateway.models({ "house/thinker": Gateway.model(() => answer) })
  })

const program = Effect.gen(function* () {
  const asked = yield* Deferred.make<void>()
  const before = yield* Scope.make()
  // This model has not answered when the Gateway is to end.
  const thinking = Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
  const first = yield* Layer.buildWithScope(gatewayWith(thinking), before)
  yield* Effect.forkChild(Effect.provide(Gateway.ask("What is 6 × 7?", { runId: "question-1" }), first))
  yield* Deferred.await(asked)
  yield* Console.log("the model is thinking, and the Gateway is told to end")

  // Closing the scope drains: nothing new is taken in, running steps have drainMs, what is left waits on the disk.
  yield* Scope.close(before, Exit.void)
  yield* Console.log("it has ended")

  // The next start takes the turn up again: asking with the same runId is asking for the same turn.
  const { status, text } = yield* Gateway.ask("What is 6 × 7?", { runId: "question-1" }).pipe(
    Effect.provide(gatewayWith(Effect.succeed("42")))
  )
  yield* Console.log(`after the restart: ${status}, ${text}`)
})

program.pipe(Effect.provideService(References.MinimumLogLevel, "Error"), NodeRuntime.runMain)
