/**
 * Turns with a model that answers at once: one after the other, over Telegram, and of 32 sessions at once.
 */
import * as Effect from "effect/Effect"
import { alternate, type Ground } from "../alternate.ts"
import { httpAndCommit } from "../baselines.ts"
import * as Model from "../model.ts"
import { freshHome } from "../subject.ts"
import { keepUp } from "../timing.ts"
import { ADA, SESSIONS, turn, type Working } from "../world.ts"
import type { Windows } from "./requests.ts"

const ALONE = "turn: agent RPC to its final answer, less the model's time"
const TELEGRAM = "Telegram message to reply"
const AT_ONCE = 32
const TOGETHER = `${AT_ONCE} sessions at once: agent RPC to its final answer`
const RATE = `${AT_ONCE} sessions at once: turns`

const WARM_UP_MS = 500

/** One after the other, without what the model took meanwhile. */
const overheads = <E, R>(
  ms: number,
  model: Model.InstantModel,
  run: (index: number) => Effect.Effect<unknown, E, R>
) => {
  const spent: Array<number> = []
  return Effect.map(
    keepUp(ms, 1, (_, index) =>
      Effect.suspend(() => {
        const before = model.spentMs()
        return Effect.tap(run(index), () => Effect.sync(() => void spent.push(model.spentMs() - before)))
      })
    ),
    ({ latencies }) => latencies.map((took, index) => took - spent[index]!)
  )
}

const alone = (latencies: ReadonlyArray<number>) => ({
  operations: latencies.length,
  readings: [{ measure: ALONE, unit: "ms" as const, samples: latencies }]
})

export const turns = Effect.fnUntraced(function* (
  ground: Ground,
  sides: ReadonlyArray<Working>,
  { ms, rounds }: Windows
) {
  const model = yield* Model.serve
  const { once: least } = yield* httpAndCommit(yield* freshHome, model.baseUrl)
  yield* alternate(ground, ALONE, rounds, [
    {
      who: { name: "one HTTP request and one commit", pid: process.pid },
      warmUp: keepUp(WARM_UP_MS, 1, () => least),
      run: Effect.map(
        overheads(ms, model, () => least),
        // What it takes is this process' own, and that of the model beside it.
        (latencies) => ({ ...alone(latencies), cpuMs: undefined })
      )
    },
    ...sides.map((side) => {
      const next = (index: number) => turn(side.ask, `bench-${index % SESSIONS}`)
      return {
        who: side,
        warmUp: keepUp(WARM_UP_MS, 1, (_, index) => next(index)),
        run: Effect.map(overheads(ms, side.model, next), alone)
      }
    })
  ])
}, Effect.scoped)

export const telegram = Effect.fnUntraced(function* (
  ground: Ground,
  sides: ReadonlyArray<Working>,
  { ms, rounds }: Windows
) {
  yield* alternate(
    ground,
    TELEGRAM,
    rounds,
    sides.map((side) => {
      let last = 0
      const message = Effect.gen(function* () {
        yield* side.bot.awaitPolling
        yield* side.bot.sendText({ from: ADA, text: "How is everything?" })
        last = (yield* side.bot.awaitReply({ chatId: ADA.id, after: last })).messageId
      })
      return {
        who: side,
        warmUp: keepUp(WARM_UP_MS, 1, () => message),
        run: Effect.map(
          keepUp(ms, 1, () => message),
          ({ latencies }) => ({
            operations: latencies.length,
            readings: [{ measure: TELEGRAM, unit: "ms" as const, samples: latencies }]
          })
        )
      }
    })
  )
})

export const sessions = Effect.fnUntraced(function* (
  ground: Ground,
  sides: ReadonlyArray<Working>,
  { ms, rounds }: Windows
) {
  yield* alternate(
    ground,
    RATE,
    rounds,
    sides.map((side) => {
      const next = (worker: number) => turn(side.ask, `many-${worker}`)
      return {
        who: side,
        // Each session once.
        warmUp: keepUp(0, AT_ONCE, next),
        run: Effect.map(keepUp(ms, AT_ONCE, next), ({ latencies, perSecond }) => ({
          operations: latencies.length,
          readings: [
            { measure: RATE, unit: "1/s" as const, samples: [perSecond] },
            { measure: TOGETHER, unit: "ms" as const, samples: latencies }
          ]
        }))
      }
    })
  )
})
