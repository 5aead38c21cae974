/** A state directory of its own for each use, on the real file system. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as StateDirLive from "../../src/layers/StateDir.ts"

export const temporaryStateDir = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return StateDirLive.layer({ root: `${yield* fs.makeTempDirectoryScoped()}/state` })
  })
).pipe(Layer.provideMerge(NodeServices.layer))
