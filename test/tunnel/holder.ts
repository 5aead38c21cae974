/** A process that holds a tunnel until it is killed: `holder.ts <ssh> <local port> <remote port>`. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import * as Forward from "../../src/client/tunnel/forward.ts"

const [program, localPort, remotePort] = process.argv.slice(2)

const hold = Effect.gen(function* () {
  const open = Forward.make({ spawner: yield* ChildProcessSpawner, fs: yield* FileSystem.FileSystem, program })
  const target = Result.getOrThrow(SshTarget.parse("box", "argv"))
  const spec = {
    target,
    localPort: Number(localPort),
    remotePort: Number(remotePort),
    hostKeyPolicy: "strict"
  } as const
  const forward = yield* open(spec, 10)
  yield* forward.bound
  yield* Console.log("bound")
  return yield* forward.ended
}).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

NodeRuntime.runMain(hold)
