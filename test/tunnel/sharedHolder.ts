/**
 * A program that wants a tunnel, until it is killed: `sharedHolder.ts <ssh> <state dir> <local port> <remote port> <hold>`.
 * Prints each state as JSON.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as TunnelManagerLive from "../../src/client/TunnelManager.ts"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import * as StateDirLive from "../../src/layers/StateDir.ts"
import { TunnelManager } from "../../src/services/TunnelManager.ts"

const [program, root = "", localPort, remotePort, hold] = process.argv.slice(2)

const main = Effect.gen(function* () {
  const { up } = yield* TunnelManager
  const tunnel = yield* up({
    target: Result.getOrThrow(SshTarget.parse("box", "argv")),
    localPort: Number(localPort),
    remotePort: Number(remotePort),
    hostKeyPolicy: "strict"
  })
  yield* Stream.runForEach(SubscriptionRef.changes(tunnel.state), (state) => Console.log(JSON.stringify(state)))
}).pipe(
  Effect.scoped,
  Effect.provide(
    TunnelManagerLive.layer({ program, hold: hold === "true", holder: "a test" }).pipe(
      Layer.provide(StateDirLive.layer({ root })),
      Layer.provideMerge(NodeServices.layer)
    )
  )
)

NodeRuntime.runMain(main)
