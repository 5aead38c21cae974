/**
 * How soon a Gateway greets: with what a first start left, with nothing, with a large state.
 */
import * as Effect from "effect/Effect"
import { alternate, type Ground, type Turn } from "../alternate.ts"
import { bareTurn } from "../baselines.ts"
import { measures } from "../budgets.ts"
import { largeState } from "../largeState.ts"
import { freshHome, ours, type Running, start, type Subject } from "../subject.ts"
import { prepare, type Prepared } from "../world.ts"

export interface BootOptions {
  readonly rounds: number
  /** Turns that a large state remembers; none, and it is not measured. */
  readonly turns: number
}

/** A start, whose end is not part of it. */
export const starting = ({ config, home, subject }: Prepared) => Effect.scoped(start(subject, home, config))

/** A start as most are: the Gateway goes on for longer than it takes to keep the code that was compiled. */
export const startingOnce = ({ config, home, subject }: Prepared) =>
  Effect.scoped(Effect.andThen(start(subject, home, config), Effect.sleep("3 seconds")))

/** Something that starts, as a turn of its subject. */
export const started = <E, R>(
  { subject }: Prepared,
  measure: string,
  once: Effect.Effect<Running, E, R>,
  warmUp: Effect.Effect<unknown, E, R>
): Turn<E, R> => ({
  who: { name: subject.name, pid: process.pid },
  warmUp,
  run: Effect.map(once, ({ startCpuMs, startMs }) => ({
    operations: 1,
    cpuMs: startCpuMs,
    readings: [{ measure, unit: "ms", samples: [startMs] }]
  }))
})

export const boot = Effect.fnUntraced(function* (
  ground: Ground,
  subjects: ReadonlyArray<Subject>,
  { rounds, turns }: BootOptions
) {
  const all = yield* Effect.forEach(subjects, prepare)
  yield* alternate(ground, measures.warm, rounds, [
    bareTurn(measures.warm),
    ...all.map((one) => started(one, measures.warm, starting(one), startingOnce(one)))
  ])
  yield* alternate(ground, measures.fresh, rounds, [
    bareTurn(measures.fresh),
    ...all.map((one) =>
      started(
        one,
        measures.fresh,
        Effect.scoped(Effect.flatMap(freshHome, (home) => starting({ ...one, home }))),
        Effect.void
      )
    )
  ])
  if (turns === 0) return
  // Only ours: nobody else's format is known here.
  const large = yield* prepare(ours)
  yield* largeState(large, turns)
  yield* alternate(ground, measures.large, rounds, [
    bareTurn(measures.large),
    started(large, measures.large, starting(large), startingOnce(large))
  ])
}, Effect.scoped)
