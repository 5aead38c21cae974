/**
 * Running something many times and keeping the times.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds that an effect takes. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<number, E, R> =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeNanos
    yield* effect
    return Number((yield* Clock.currentTimeNanos) - started) / 1e6
  })

/** One after the other. */
export const sequential = <E, R>(
  times: number,
  run: (index: number) => Effect.Effect<unknown, E, R>
): Effect.Effect<ReadonlyArray<number>, E, R> =>
  Effect.forEach(Array.from({ length: times }), (_, index) => timed(run(index)))

export interface Burst {
  readonly latencies: ReadonlyArray<number>
  readonly perSecond: number
}

/** `inFlight` at any time. */
export const concurrent = <E, R>(
  times: number,
  inFlight: number,
  run: (index: number) => Effect.Effect<unknown, E, R>
): Effect.Effect<Burst, E, R> =>
  Effect.gen(function* () {
    let latencies: ReadonlyArray<number> = []
    const took = yield* timed(
      Effect.map(
        Effect.forEach(Array.from({ length: times }), (_, index) => timed(run(index)), { concurrency: inFlight }),
        (all) => (latencies = all)
      )
    )
    return { latencies, perSecond: (times / took) * 1000 }
  })
