/**
 * Which Gateway answered behind which target the first time, kept in the state directory.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { StateDir, type StateDirUnusable } from "../../services/StateDir.ts"
import { KNOWN_GATEWAYS, KnownGatewaysUnusable, type TunnelSpec } from "../../services/TunnelManager.ts"
import { printable } from "../errors.ts"
import type { Known, Parts } from "./run.ts"

const Row = Schema.Struct({
  target: Schema.String,
  remotePort: Schema.Int,
  deviceId: Schema.NonEmptyString,
  /** False where it only said its identity, to whoever showed it a credential. */
  proves: Schema.optional(Schema.Boolean)
})
const Stored = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), gateways: Schema.Array(Row) }))
const decodeStored = Schema.decodeUnknownEffect(Stored)
const encodeStored = Schema.encodeEffect(Stored)

const isFor = (spec: TunnelSpec) => (row: typeof Row.Type) =>
  row.target === spec.target && row.remotePort === spec.remotePort

/** The state directory's. A row that cannot be written is logged: the next Gateway is again the first. */
export const make: Effect.Effect<Parts["known"], never, StateDir> = Effect.gen(function* () {
  const state = yield* StateDir
  const lock = yield* Semaphore.make(1)
  const rows = Effect.gen(function* () {
    const text = yield* state.read(KNOWN_GATEWAYS)
    return text === undefined ? [] : (yield* decodeStored(text)).gateways
  }).pipe(
    Effect.mapError(
      (error) => new KnownGatewaysUnusable({ path: state.path(KNOWN_GATEWAYS), detail: printable(error.message) })
    )
  )
  const add = (spec: TunnelSpec, known: Known): Effect.Effect<void, StateDirUnusable | KnownGatewaysUnusable> =>
    rows.pipe(
      Effect.flatMap((all) => {
        const row = { target: spec.target, remotePort: spec.remotePort, ...known }
        return Effect.orDie(encodeStored({ version: 1, gateways: [...all.filter((old) => !isFor(spec)(old)), row] }))
      }),
      Effect.flatMap((text) => state.write(KNOWN_GATEWAYS, text)),
      lock.withPermits(1)
    )
  return {
    get: (spec) =>
      Effect.map(rows, (all) => {
        const row = all.find(isFor(spec))
        return row === undefined ? undefined : { deviceId: row.deviceId, proves: row.proves === true }
      }),
    put: (spec, known) =>
      Effect.catch(add(spec, known), (error) =>
        Effect.logWarning(`the Gateway behind ${spec.target} could not be remembered: ${error.message}`)
      )
  }
})
