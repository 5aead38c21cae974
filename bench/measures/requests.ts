/**
 * Requests that only ask: over one connection and over sixteen, one at a time and 32.
 */
import * as Effect from "effect/Effect"
import type { Endpoint } from "../../src/domain/Endpoint.ts"
import { alternate, attempt, type Contender, type Ground } from "../alternate.ts"
import { echo } from "../baselines.ts"
import { open, pump, type Pumped } from "../rawClient.ts"
import type { Side } from "../world.ts"

const METHODS = ["health", "sessions.list", "node.list"]
const SHAPES = [
  [1, 1],
  [1, 32],
  [16, 1],
  [16, 32]
] as const

export interface Windows {
  readonly rounds: number
  /** Milliseconds of a window. */
  readonly ms: number
}

/** What was pumped, as a window: how many a second, and what share was refused. */
export const pumped = (measure: string, { latencies, ms, refusal, refused }: Pumped) => ({
  operations: latencies.length,
  readings: [
    { measure, unit: "1/s" as const, samples: [(latencies.length / ms) * 1000] },
    ...(refused === 0
      ? []
      : [
          {
            measure: `${measure}: refused`,
            unit: "%" as const,
            samples: [(refused / (latencies.length + refused)) * 100]
          }
        ])
  ],
  complaint: refusal === undefined ? undefined : `refused ${refused} of ${latencies.length + refused}: ${refusal}`
})

type Reached = Contender & { readonly endpoint: Endpoint }

export const requests = Effect.fnUntraced(function* (
  ground: Ground,
  sides: ReadonlyArray<Side>,
  { ms, rounds }: Windows
) {
  const { endpoint, who } = yield* echo
  const baseline: Reached = { ...who, endpoint }
  for (const method of METHODS) {
    for (const [connections, inFlight] of SHAPES) {
      const measure = `${method}, ${connections} × ${inFlight} in flight`
      const frame = (id: string) => `{"type":"req","id":"${id}","method":"${method}","params":{}}`
      yield* Effect.scoped(
        Effect.gen(function* () {
          const turns = yield* Effect.forEach([...(method === METHODS[0] ? [baseline] : []), ...sides], (one) =>
            attempt(
              ground,
              measure,
              one.name,
              Effect.map(
                Effect.forEach(Array.from({ length: connections }), () => open(one.endpoint)),
                (clients) => ({
                  who: one,
                  warmUp: pump(clients, { frame, inFlight, ms: ms / 4 }),
                  run: Effect.map(pump(clients, { frame, inFlight, ms }), (all) => pumped(measure, all))
                })
              )
            )
          )
          yield* alternate(
            ground,
            measure,
            rounds,
            turns.filter((one) => one !== undefined)
          )
        })
      )
    }
  }
}, Effect.scoped)
