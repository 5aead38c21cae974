/** The Gateway as a Layer of this app: its own model, its own folder, spoken to through the typed client. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Config, Gateway, VERSION } from "openclaw"
import { Credential, Endpoint, GatewayClient } from "openclaw/client"
import { ScriptedModel } from "openclaw/testing"

const ask = Effect.gen(function* () {
  const { port } = yield* Gateway.Gateway
  const token = (yield* (yield* Config).get).gateway?.auth?.token ?? ""
  const client = yield* GatewayClient.make({
    endpoint: Endpoint.loopback(port),
    client: { id: "cli", mode: "cli", version: VERSION, platform: "app" },
    scopes: ["operator.admin"],
    credentials: [Credential.token(token)]
  })
  const last = yield* Stream.runLast(client.call.agent({ message: "Good evening?", idempotencyKey: "1" }))
  yield* Console.log(JSON.stringify(last))
})

const main = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const stateDir = yield* files.makeTempDirectoryScoped()
  yield* files.writeFileString(`${stateDir}/openclaw.json`, JSON.stringify({ gateway: { mode: "local" } }))
  const models = ScriptedModel.layer([{ text: "Good evening, app." }])
  yield* Effect.provide(ask, Gateway.layerNode({ stateDir, flags: { port: 0 }, models }).pipe(Layer.orDie))
})

NodeRuntime.runMain(main.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
