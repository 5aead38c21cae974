/**
 * Measuring several subjects by turns, so that a busy minute of the machine hits all of them.
 */
import { performance } from "node:perf_hooks"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { measures } from "./budgets.ts"
import { treeCpu } from "./processes.ts"
import type { Reading, Recorder } from "./record.ts"

/** A process under measurement. */
export interface Contender {
  readonly name: string
  readonly pid: number
  /** Milliseconds: the 99th percentile of its event loop's delay since the last time that somebody asked. */
  readonly loopMs?: Effect.Effect<number | undefined, { readonly message: string }>
}

/** What a window brought. The subject is known. */
export interface Window {
  readonly operations: number
  readonly readings: ReadonlyArray<Omit<Reading, "subject" | "cpu" | "loopMs">>
  /** Milliseconds of processor time, when a look at the contender's process would not tell. */
  readonly cpuMs?: number | undefined
  /** Operations that came to nothing, in words. */
  readonly complaint?: string | undefined
}

export interface Ground {
  readonly recorder: Recorder
  /** Is told shares of one, of this process' own thread. */
  readonly busy: (measure: string, share: number) => void
}

/** The Gateways' own word on their event loops is of a second or more. */
const LOOP_WINDOW_MS = 1000

const said = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  const text = error instanceof Error ? error.message : String(error)
  return text.trim().replaceAll(/\s+/g, " ").slice(0, 600)
}

/** `undefined` when it fails, and the failure stands in the record. What is interrupted stays interrupted. */
export const attempt = <A, E, R>(
  { recorder }: Pick<Ground, "recorder">,
  measure: string,
  subject: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A | undefined, never, R> =>
  Effect.catchCause(effect, (cause) => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
    const message = said(cause)
    recorder.problem({ measure, subject, message })
    return Effect.as(Console.error(`! ${subject}, ${measure}: ${message}`), undefined)
  })

const PATIENCE = "2 minutes"
/** Nobody is measured before everybody has been quiet for so long; or not for much longer than a garbage collection takes. */
const QUIET_MS = 100
const QUIET_TRIES = 30
const QUIET_SHARE = 0.25

/** Waits until none of the processes does anything worth mentioning. */
export const quiet = Effect.fnUntraced(function* (pids: ReadonlyArray<number>) {
  const spent = () => pids.reduce((sum, pid) => sum + (treeCpu(pid) ?? 0), 0)
  for (let attempts = 0; attempts < QUIET_TRIES; attempts++) {
    const before = spent()
    yield* Effect.sleep(QUIET_MS)
    if (spent() - before <= QUIET_MS * QUIET_SHARE) return
  }
})

export interface Turn<E, R> {
  readonly who: Contender
  /** Not counted: the first of each kind compile code and fill caches. */
  readonly warmUp: Effect.Effect<unknown, E, R>
  readonly run: Effect.Effect<Window, E, R>
}

const once = Effect.fnUntraced(function* <E, R>(ground: Ground, measure: string, { run, who }: Turn<E, R>) {
  const look = who.loopMs ?? Effect.undefined
  yield* look
  const cpu = treeCpu(who.pid)
  const utilization = performance.eventLoopUtilization()
  const { complaint, operations, readings, ...told } = yield* run
  const { active, idle, utilization: share } = performance.eventLoopUtilization(utilization)
  const after = treeCpu(who.pid)
  if (who.pid !== process.pid) ground.busy(`${measure} (${who.name})`, share)
  const loopMs = active + idle < LOOP_WINDOW_MS ? undefined : yield* look
  const ms = "cpuMs" in told ? told.cpuMs : cpu === undefined || after === undefined ? undefined : after - cpu
  const spent = ms === undefined ? undefined : { ms, operations }
  for (const [index, reading] of readings.entries()) {
    const whole = index === 0 ? { cpu: spent, loopMs } : undefined
    ground.recorder.add({ ...reading, subject: who.name, ...whole })
  }
  ground.recorder.add({ measure: measures.loop, subject: who.name, unit: "ms", samples: [loopMs] })
  if (complaint !== undefined) ground.recorder.problem({ measure, subject: who.name, message: complaint })
})

/** Each in turn, round after round. Who fails is left out of what follows, and the record says why. */
export const alternate = Effect.fnUntraced(function* <E, R>(
  ground: Ground,
  measure: string,
  rounds: number,
  turns: ReadonlyArray<Turn<E, R>>
) {
  const pids = turns.map(({ who }) => who.pid)
  const out = new Set<string>()
  const guarded = <A, E2, R2>({ name }: Contender, effect: Effect.Effect<A, E2, R2>) =>
    Effect.flatMap(attempt(ground, measure, name, Effect.as(Effect.timeout(effect, PATIENCE), true)), (done) =>
      Effect.sync(() => void (done === undefined && out.add(name)))
    )
  for (const { warmUp, who } of turns) yield* guarded(who, warmUp)
  for (let round = 0; round < rounds; round++) {
    for (const turn of turns) {
      if (out.has(turn.who.name)) continue
      yield* quiet(pids)
      yield* guarded(turn.who, once(ground, measure, turn))
    }
  }
})
