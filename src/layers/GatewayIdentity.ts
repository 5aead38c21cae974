/**
 * The Gateway's identity, kept in its state directory.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { GatewayIdentity } from "../services/GatewayIdentity.ts"
import { StateDir } from "../services/StateDir.ts"

/** The file's name inside the state directory. */
export const IDENTITY_FILE = "gateway-id"

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Without a readable and writable state directory the identity is one of this run only, and a warning says so. */
export const layer: Layer.Layer<GatewayIdentity, never, StateDir> = Layer.effect(
  GatewayIdentity,
  Effect.gen(function* () {
    const state = yield* StateDir
    const kept = Effect.gen(function* () {
      const found = (yield* state.read(IDENTITY_FILE))?.trim()
      if (found !== undefined && UUID.test(found)) return found
      const fresh = randomUUID()
      yield* state.write(IDENTITY_FILE, `${fresh}\n`)
      return fresh
    })
    const id = yield* Effect.catch(kept, (error) =>
      Effect.as(
        Effect.logWarning(`the Gateway's id cannot be kept, so this run has one of its own: ${error.message}`),
        randomUUID()
      )
    )
    return { id, process: randomUUID() }
  })
)
