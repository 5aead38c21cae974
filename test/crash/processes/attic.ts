/**
 * A node that remembers nothing, a process of its own: it counts in a file and cannot tell what became of an earlier call.
 * Prints a line when it has begun; connects again by itself.
 */
import * as Fs from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DeviceIdentity from "../../../src/client/DeviceIdentity.ts"
import { ReconnectingClient } from "../../../src/client/ReconnectingClient.ts"
import { token } from "../../../src/domain/Credential.ts"
import { loopback } from "../../../src/domain/Endpoint.ts"
import { VERSION } from "../../../src/domain/Version.ts"
import * as StateDir from "../../../src/layers/StateDir.ts"
import * as Supervisor from "../../../src/layers/Supervisor.ts"

const [port, stateDir, effects, secret] = process.argv.slice(2) as [string, string, string, string]
process.on("disconnect", () => process.exit(0))

const decodeParams = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ effect: Schema.String })))

const count = (effect: string) =>
  Effect.sync(() => {
    Fs.appendFileSync(`${effects}/attic`, `${effect}\n`)
    return { said: `wrote ${effect}.` }
  })

const program = Effect.gen(function* () {
  const device = yield* DeviceIdentity.load
  const client = yield* ReconnectingClient.make({
    endpoint: loopback(Number(port)),
    credentials: [token(secret)],
    client: { id: "node-host", mode: "node", displayName: "attic", version: VERSION, platform: "linux" },
    role: "node",
    device,
    commands: ["counter.add"],
    waitForPairing: true
  })
  yield* Effect.sync(() => process.stdout.write("ready\n"))
  yield* client.on("node.invoke.request").pipe(
    Stream.mapEffect(
      Effect.fnUntraced(function* ({ id, nodeId, paramsJSON }) {
        const params = decodeParams(paramsJSON)
        const payload = params._tag === "Some" ? yield* count(params.value.effect) : {}
        yield* Effect.ignore(client.request("node.invoke.result", { id, nodeId, ok: true, payload }))
      }),
      { concurrency: "unbounded", unordered: true }
    ),
    Stream.runDrain
  )
}).pipe(Effect.scoped)

const services = Layer.mergeAll(StateDir.layer({ root: stateDir }), Supervisor.layer).pipe(
  Layer.provideMerge(NodeServices.layer)
)
NodeRuntime.runMain(Effect.provide(program, services))
