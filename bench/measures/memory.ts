/**
 * What a Gateway holds: with nothing to do, at work, and when the work is over.
 */
import * as Effect from "effect/Effect"
import type { Ground } from "../alternate.ts"
import { bareMemory } from "../baselines.ts"
import { measures } from "../budgets.ts"
import { treeMemory } from "../processes.ts"
import type { Side } from "../world.ts"

const LOOK_EVERY = "250 millis"

const note = ({ recorder }: Ground, measure: string, subject: string, sample: number | undefined) =>
  recorder.add({ measure, subject, unit: "MB", samples: [sample] })

/** From their start on, all at the same time: waiting costs nobody anything. */
export const idle = Effect.fnUntraced(function* (ground: Ground, sides: ReadonlyArray<Side>, isLong: boolean) {
  note(ground, measures.idleSoon, "a Node that waits", yield* bareMemory)
  yield* Effect.forEach(
    sides,
    ({ name, pid, upMs }) =>
      Effect.gen(function* () {
        for (const [measure, seconds] of [
          [measures.idleSoon, 5],
          ...(isLong ? ([[measures.idle, 25]] as const) : [])
        ] as const) {
          yield* Effect.sleep(Math.max(0, upMs + seconds * 1000 - performance.now()))
          note(ground, measure, name, treeMemory(pid))
        }
      }),
    { concurrency: "unbounded", discard: true }
  )
})

/** Looks again and again until the scope closes, and then says what was the most. */
export const highest = Effect.fnUntraced(function* (ground: Ground, sides: ReadonlyArray<Side>) {
  const most = new Map<string, number>()
  const look = Effect.sync(() => {
    for (const { name, pid } of sides) most.set(name, Math.max(most.get(name) ?? 0, treeMemory(pid) ?? 0))
  })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const [name, mb] of most) note(ground, measures.busy, name, mb === 0 ? undefined : mb)
    })
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, Effect.sleep(LOOK_EVERY))))
})

export const rested = Effect.fnUntraced(function* (ground: Ground, sides: ReadonlyArray<Side>) {
  yield* Effect.sleep("2 minutes")
  for (const { name, pid } of sides) note(ground, measures.rested, name, treeMemory(pid))
})
