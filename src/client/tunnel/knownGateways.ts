/**
 * Which Gateway answered behind which target the first time, kept in the state directory.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { StateDir, type StateDirUnusable } from "../../services/StateDir.ts"
import { KNOWN_GATEWAYS, type TunnelSpec } from "../../services/TunnelManager.ts"
import type { Parts } from "./run.ts"

const Row = Schema.Struct({ target: Schema.String, remotePort: Schema.Int, deviceId: Schema.NonEmptyString })
const Stored = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), gateways: Schema.Array(Row) }))
const decodeStored = Schema.decodeUnknownEffect(Stored)
const encodeStored = Schema.encodeEffect(Stored)

const isFor = (spec: TunnelSpec) => (row: typeof Row.Type) =>
  row.target === spec.target && row.remotePort === spec.remotePort

/**
 * The state directory's. A file that cannot be read stops the tunnel's recognition with a defect rather than trusting a
 * Gateway anew; one that cannot be written is logged, and the next one is again the first.
 */
export const make: Effect.Effect<Parts["known"], never, StateDir> = Effect.gen(function* () {
  const state = yield* StateDir
  const lock = yield* Semaphore.make(1)
  const rows = Effect.gen(function* () {
    const text = yield* state.read(KNOWN_GATEWAYS)
    return text === undefined ? [] : (yield* decodeStored(text)).gateways
  }).pipe(
    Effect.tapError((error) =>
      Effect.logError(`${state.path(KNOWN_GATEWAYS)} cannot be read, so no Gateway is recognised: ${error.message}`)
    ),
    Effect.orDie
  )
  const add = (spec: TunnelSpec, deviceId: string): Effect.Effect<void, StateDirUnusable> =>
    rows.pipe(
      Effect.flatMap((all) => {
        const row = { target: spec.target, remotePort: spec.remotePort, deviceId }
        return Effect.orDie(encodeStored({ version: 1, gateways: [...all.filter((old) => !isFor(spec)(old)), row] }))
      }),
      Effect.flatMap((text) => state.write(KNOWN_GATEWAYS, text)),
      lock.withPermits(1)
    )
  return {
    get: (spec) => Effect.map(rows, (all) => all.find(isFor(spec))?.deviceId),
    put: (spec, gateway) =>
      Effect.catch(add(spec, gateway), (error) =>
        Effect.logWarning(`the Gateway behind ${spec.target} could not be remembered: ${error.message}`)
      )
  }
})
