/** A process that holds a claim until it is killed: `holder.ts <tailscale> <port>`. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TailscaleLayer from "../../src/layers/tailscale/Tailscale.ts"
import { Tailscale } from "../../src/services/Tailscale.ts"

const [program = "tailscale", port] = process.argv.slice(2)

const held = Effect.gen(function* () {
  const tailscale = yield* Tailscale
  return yield* tailscale.hold({ mode: "serve", port: Number(port), changed: ({ _tag }) => Console.log(_tag) })
})

NodeRuntime.runMain(Effect.provide(held, TailscaleLayer.layer({ program }).pipe(Layer.provide(NodeServices.layer))))
