/** A node's memory of requests in a real file, through several runs of the program. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as StateDirLive from "../../src/layers/StateDir.ts"
import { InvokeMemory, type Outcome } from "../../src/node-host/InvokeMemory.ts"

export const folder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const root = yield* fs.makeTempDirectoryScoped()
  yield* fs.chmod(root, 0o700)
  return root
})

/** A node host's memory as one run of the program has it; `end` is a proper stop. */
export const start = Effect.fnUntraced(function* (root: string, ...limits: Parameters<typeof InvokeMemory.layer>) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const layer = InvokeMemory.layer(...limits).pipe(
    Layer.provide(StateDirLive.layer({ root }).pipe(Layer.provide(NodeServices.layer)))
  )
  const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
  return { memory: Context.get(context, InvokeMemory), end: Scope.close(scope, Exit.void) }
})

/** Work that is counted. */
export const counted = () => {
  let runs = 0
  const answer = (payloadJSON: string, keep = true) =>
    Effect.sync((): Outcome => {
      runs++
      return { reply: { ok: true, payloadJSON }, keep }
    })
  return { answer, runs: () => runs }
}
