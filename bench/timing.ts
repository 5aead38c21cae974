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

/** So many at any time, until the time is up; what is under way then is waited for. */
export const keepUp = Effect.fnUntraced(function* <E, R>(
  ms: number,
  inFlight: number,
  run: (worker: number, index: number) => Effect.Effect<unknown, E, R>
) {
  const latencies: Array<number> = []
  const deadline = (yield* Clock.currentTimeNanos) + BigInt(Math.round(ms * 1e6))
  const worker = Effect.fnUntraced(function* (index: number) {
    do {
      latencies.push(yield* timed(run(index, latencies.length)))
    } while ((yield* Clock.currentTimeNanos) < deadline)
  })
  const took = yield* timed(
    Effect.forEach(Array.from({ length: inFlight }), (_, index) => worker(index), {
      concurrency: inFlight,
      discard: true
    })
  )
  return { latencies, perSecond: (latencies.length / took) * 1000 } satisfies Burst
})
