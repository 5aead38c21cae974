/**
 * What a death of the process would cost a turn. Its start is charged to it (see Trials.ts); progress clears it of the deaths
 * before, and what is no work of its own is not charged: waiting for a channel or a person, and an orderly stop.
 */
import * as Effect from "effect/Effect"
import type { RunId } from "../../domain/Ids.ts"
import type { Ledger } from "./Ledger.ts"
import { stored } from "./Patience.ts"
import type { Pass } from "./Trials.ts"

export interface Charge {
  /** Something of the turn that was not there before is stored. Costs nothing where no death was charged. */
  readonly progress: Effect.Effect<void>
  /** Takes this start's charge back, once. One try only: an orderly end must not wait for storage. */
  readonly lift: Effect.Effect<void>
  /** The turn only waits, for its channel or a person: not charged until `resume`. Either costs nothing when repeated. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

/** `attempts`: those in the book, with this start. */
export const make = (
  ledger: Pick<Ledger, "charge">,
  runId: RunId,
  pass: Pass,
  attempts: number,
  isStopping: () => boolean
): Charge => {
  let before = attempts - (pass.charged ? 1 : 0)
  let isPaused = false

  const progress = Effect.suspend(() => {
    if (before <= 0) return Effect.void
    const cleared = before
    before = 0
    return stored("clearing a turn", ledger.charge(runId, -cleared))
  })

  const lift = Effect.suspend(() => {
    if (!pass.charged) return Effect.void
    pass.charged = false
    return Effect.catch(ledger.charge(runId, -1), (error) =>
      Effect.logWarning(`an end that is no fault of turn ${runId} counts against it: ${error.message}`)
    )
  })

  const pause = Effect.suspend(() => {
    // A suspect is charged only while it runs alone, and this is the end of that.
    isPaused ||= pass.charged && pass.rest === undefined
    return Effect.andThen(lift, pass.rest ?? Effect.void)
  })

  const resume = Effect.suspend(() => {
    if (!isPaused || isStopping()) return Effect.void
    isPaused = false
    pass.charged = true
    return stored("counting a delivery", ledger.charge(runId, 1))
  })

  return { progress, lift, pause, resume }
}
