import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { Gateway } from "openclaw"
import { Credential, Endpoint, GatewayClient } from "openclaw/client"
import { stateDir } from "../stateDir.ts"

const token = "a-long-random-secret"
const server = createServer()

const AppLive = HttpRouter.serve(HttpRouter.add("GET", "/", HttpServerResponse.text("the app's own page"))).pipe(
  Layer.provideMerge(NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1" }))
)

// The Gateway takes what is below /openclaw, and the app keeps everything else.
const GatewayLive = Gateway.layerNode({
  stateDir,
  config: Gateway.config({ gateway: { auth: { mode: "token", token } } }),
  listen: { server, path: "/openclaw" }
})

const get = (url: string) => Effect.promise(() => fetch(url).then((response) => response.text()))

const program = Effect.gen(function* () {
  const { port, url } = yield* Gateway.Gateway
  yield* Console.log(yield* get(`http://127.0.0.1:${port}/`))
  yield* Console.log(yield* get(`http://127.0.0.1:${port}/openclaw/healthz`))

  const client = yield* GatewayClient.make({
    endpoint: Endpoint.Endpoint.make(url),
    client: { id: "cli", mode: "cli", version: "1.0.0", platform: "example" },
    scopes: ["operator.read"],
    credentials: [Credential.token(token)]
  })
  yield* Console.log(`connected to ${url.replace(String(port), "…")}, protocol ${client.hello.protocol}`)
}).pipe(Effect.scoped)

program.pipe(
  Effect.provide(GatewayLive.pipe(Layer.provideMerge(AppLive))),
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  NodeRuntime.runMain
)
