/**
 * Which Gateway answered behind which target the first time, kept in the state directory.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { StateDir } from "../../services/StateDir.ts"
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

const rows = Effect.gen(function* () {
  const state = yield* StateDir
  return yield* state.read(KNOWN_GATEWAYS).pipe(
    Effect.flatMap((text) =>
      text === undefined ? Effect.succeed([]) : Effect.map(decodeStored(text), ({ gateways }) => gateways)
    ),
    Effect.mapError(
      (error) => new KnownGatewaysUnusable({ path: state.path(KNOWN_GATEWAYS), detail: printable(error.message) })
    )
  )
})

/** One change after another, whichever process makes it: none is lost. Gives how many rows went. */
const change = (edit: (all: ReadonlyArray<typeof Row.Type>) => ReadonlyArray<typeof Row.Type>) =>
  Effect.gen(function* () {
    const state = yield* StateDir
    yield* state
      .hold(`${KNOWN_GATEWAYS}.lock`)
      .pipe(
        Effect.retry({ while: ({ _tag }) => _tag === "LockHeld", schedule: Schedule.spaced("20 millis"), times: 100 })
      )
    const before = yield* rows
    const after = edit(before)
    yield* state.write(KNOWN_GATEWAYS, yield* Effect.orDie(encodeStored({ version: 1, gateways: after })))
    return before.length - after.length
  }).pipe(Effect.scoped)

/** Forgets who answered behind a target, at one port there or at any. Gives how many Gateways that were. */
export const forget = Effect.fn("Tunnels.forget")(function* (target: string, remotePort?: number) {
  const isMeant = (row: typeof Row.Type) =>
    row.target === target && (remotePort === undefined || row.remotePort === remotePort)
  if (!(yield* rows).some(isMeant)) return 0
  return yield* change((all) => all.filter((row) => !isMeant(row)))
})

/** The state directory's. A row that cannot be written is logged: the next Gateway is again the first. */
export const make: Effect.Effect<Parts["known"], never, StateDir> = Effect.map(StateDir, (state) => ({
  get: (spec) =>
    Effect.map(rows, (all) => {
      const row = all.find(isFor(spec))
      return row === undefined ? undefined : { deviceId: row.deviceId, proves: row.proves === true }
    }).pipe(Effect.provideService(StateDir, state)),
  put: (spec, known: Known) =>
    change((all) => [
      ...all.filter((old) => !isFor(spec)(old)),
      { target: spec.target, remotePort: spec.remotePort, ...known }
    ]).pipe(
      Effect.asVoid,
      Effect.catch((error) =>
        Effect.logWarning(`the Gateway behind ${spec.target} could not be remembered: ${error.message}`)
      ),
      Effect.provideService(StateDir, state)
    )
}))
