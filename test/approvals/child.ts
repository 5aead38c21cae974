/**
 * A Gateway that its parent kills. Its model wants one command to run on the only node, and is done once it has the result.
 *
 * It prints where it listens, and then waits to be killed.
 */
import * as Fs from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as GatewayLayer from "../../src/layers/Gateway.ts"
import { Gateway } from "../../src/services/Gateway.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

const [stateDir, port, command] = process.argv.slice(2) as [string, string, string]

const step: Extract<ScriptedModel.Script[number], Function> = (messages) =>
  messages.some(({ role }) => role === "tool")
    ? { text: "Done." }
    : { toolCalls: [{ name: "nodes", params: { action: "run", argv: ["sh", "-c", command] } }] }

const gateway = GatewayLayer.layerNode({
  stateDir,
  flags: { port: Number(port) },
  portPatienceMs: 5_000,
  models: Layer.orDie(ScriptedModel.layer([step, step, step]))
})

const program = Effect.gen(function* () {
  const listening = yield* Gateway
  Fs.writeSync(1, `listening ${listening.port}\n`)
  return yield* Effect.never
}).pipe(Effect.provide(gateway.pipe(Layer.provide(NodeServices.layer))))

Effect.runFork(program)
