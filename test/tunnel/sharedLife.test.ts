/** What becomes of a tunnel that is shared where sharing itself goes wrong. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { StateDir } from "../../src/services/StateDir.ts"
import { temporaryStateDir } from "../client/stateDir.ts"
import { spec, stageWith } from "./stage.ts"

const sharing = Effect.gen(function* () {
  return { fs: yield* FileSystem.FileSystem, state: yield* StateDir, program: "a test", hold: true }
})

describe("sharing a tunnel", () => {
  it.live("that breaks says so to whoever waits for it", () =>
    Effect.gen(function* () {
      const whole = yield* sharing
      const state = { ...whole.state, hold: () => Effect.die("a bug") }
      const { manager } = yield* stageWith({ ...whole, state })
      const error = yield* Effect.flip((yield* manager.up(spec)).ready)
      assert.strictEqual(error._tag, "TunnelBroken")
    }).pipe(Effect.provide([temporaryStateDir, NodeServices.layer]))
  )
})
