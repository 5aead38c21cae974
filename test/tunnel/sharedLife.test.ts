/** What becomes of a tunnel that is shared where sharing itself goes wrong. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Queue from "effect/Queue"
import { keyOf } from "../../src/client/tunnel/sharedFiles.ts"
import { look } from "../../src/client/tunnel/sharedLook.ts"
import { StateDir } from "../../src/services/StateDir.ts"
import { PortTaken } from "../../src/services/TunnelManager.ts"
import { temporaryStateDir } from "../client/stateDir.ts"
import { spec, stageWith, target } from "./stage.ts"

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
    }).pipe(Effect.scoped, Effect.provide([temporaryStateDir, NodeServices.layer]))
  )

  it.live("is not enough for who can ask the Gateway's name where its holder could not", () =>
    Effect.gen(function* () {
      const whole = yield* sharing
      const holder = yield* stageWith(whole)
      const held = yield* holder.manager.up({ ...spec, credentials: [] })
      yield* (yield* Queue.take(holder.started)).bind
      assert.isUndefined((yield* held.ready).gateway)

      const one = yield* stageWith({ ...whole, hold: false })
      one.known.set(target, { deviceId: "gateway-b", proves: false })
      const tunnel = yield* one.manager.up(spec)
      yield* (yield* Queue.take(one.started)).bind
      const error = yield* Effect.flip(tunnel.ready)
      assert.deepInclude(error, { _tag: "WrongGateway", expected: "gateway-b", found: "gateway-a" })
    }).pipe(Effect.scoped, Effect.provide([temporaryStateDir, NodeServices.layer]))
  )

  it.live("ends elsewhere where another program has its port, for a holder that goes by what is told", () =>
    Effect.gen(function* () {
      const whole = yield* sharing
      const holder = yield* stageWith({ ...whole, elsewhere: true })
      const held = yield* holder.manager.up(spec)
      const taken = new PortTaken({ port: spec.localPort, forbidden: false, configured: false })
      yield* (yield* Queue.take(holder.started)).end(taken)
      yield* (yield* Queue.take(holder.started)).bind
      const { localPort } = yield* held.ready
      assert.notStrictEqual(localPort, spec.localPort)

      const one = yield* stageWith({ ...whole, hold: false })
      assert.strictEqual((yield* (yield* one.manager.up(spec)).ready).localPort, localPort)
      const found = yield* look(keyOf(spec)).pipe(Effect.provideService(StateDir, whole.state))
      assert.strictEqual(found?.status.localPort, localPort)
    }).pipe(Effect.scoped, Effect.provide([temporaryStateDir, NodeServices.layer]))
  )
})
