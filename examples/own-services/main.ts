import { join } from "node:path"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as SqlClient from "effect/sql/SqlClient"
import * as Tracer from "effect/Tracer"
import { Gateway } from "openclaw"
import { stateDir } from "../stateDir.ts"

// The app's logger and tracer hear the Gateway too.
let lines = 0
const spans = new Set<string>()
const LoggerLive = Logger.layer([Logger.make(() => void lines++)])
const TracerLive = Layer.succeed(
  Tracer.Tracer,
  Tracer.make({
    span: (options) => {
      spans.add(options.name)
      return new Tracer.NativeSpan(options)
    }
  })
)

// The Gateway's database is a file of its own; the app may open it as it likes, or as here by the library's own client.
const PlatformLive = Layer.mergeAll(
  Gateway.stateDir({ root: stateDir }),
  Gateway.database({ filename: join(stateDir, "gateway.sqlite") }),
  Gateway.config({ agents: { defaults: { model: "builtin/offline" } } })
).pipe(Layer.provideMerge(Layer.mergeAll(NodeServices.layer, NodeHttpClient.layerNodeHttp)))

const GatewayLive = Gateway.layer({ listen: "none" }).pipe(Layer.provideMerge(PlatformLive))

const program = Effect.gen(function* () {
  const { text } = yield* Gateway.ask("Which nodes are there?")
  yield* Console.log(text)
  const sql = yield* SqlClient.SqlClient
  const [counted] = yield* sql<{ turns: number }>`SELECT COUNT(*) AS turns FROM turns`
  yield* Console.log(`${counted?.turns} turn in the database`)
  yield* Console.log(`the app's logger heard the Gateway: ${lines > 0}`)
  yield* Console.log(`the app's tracer saw its turn: ${spans.has("AgentRunner.run")}`)
})

program.pipe(Effect.provide(GatewayLive), Effect.provide([LoggerLive, TracerLive]), NodeRuntime.runMain)
