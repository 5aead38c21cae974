/**
 * What happens in which world, drawn from a seed: every named point first, then more of them, and all the other ways to die.
 */
import type { Fault as ApiFault } from "../../src/testing/BotApi.ts"
import type { Point } from "./catalog.ts"
import type { Fault, Victim } from "./faults.ts"
import { type Dice, dice } from "./random.ts"
import type { Api } from "./setting.ts"

export interface WorldPlan {
  readonly index: number
  readonly seed: string
  readonly faults: ReadonlyArray<Fault>
  /** Before this fault two hundred messages arrive at once. */
  readonly rushBefore: number | undefined
}

/** Faults of one world. Enough to share what its making costs, few enough to find out which of them did harm. */
const faultsPerWorld = 15
/** One world in so many has a burst. */
const rushEvery = 5
/** Passages that are waited for at most, so that a point is met within a second or two. */
const mostPassages = 12

type Make = (dice: Dice) => Fault

const instant =
  (victim: Victim, awayMs: number): Make =>
  (dice) => ({
    kind: "instant",
    victim,
    afterMs: dice.whole(0, 300),
    awayMs: dice.whole(0, awayMs)
  })

const methods = ["sendMessage", "editMessageText", "getUpdates"] as const

const apiFault = (dice: Dice): ApiFault => {
  const method = dice.pick(methods)
  const times = dice.whole(1, 3)
  const carriedOut = method === "getUpdates" ? false : dice.next() < 0.5
  switch (dice.whole(0, 4)) {
    case 0:
      return { kind: "html", status: dice.pick([500, 502, 503]), method, times, carriedOut }
    case 1:
      return {
        kind: "refuse",
        code: 429,
        description: "Too Many Requests: retry after 1",
        parameters: { retry_after: 1 },
        method,
        times
      }
    case 2:
      return { kind: "drop", method, times, carriedOut }
    case 3:
      return { kind: "cut-body", method, times, carriedOut }
    default:
      return { kind: "cut-json", method, times, carriedOut }
  }
}

/** Besides the named points, which get what is left. Weights of a hundred. */
const others: ReadonlyArray<readonly [Make, number]> = [
  [instant("gateway", 0), 9],
  [(dice) => ({ kind: "startup", afterMs: dice.whole(0, 400) }), 6],
  [(dice) => ({ kind: "recovery", afterMs: dice.whole(0, 250) }), 6],
  [(dice) => ({ kind: "pause", victim: "gateway", forMs: dice.whole(100, 3_000) }), 3],
  [(dice) => ({ kind: "pause", victim: dice.pick(["desk", "model", "botApi"]), forMs: dice.whole(100, 1_500) }), 2],
  [(dice) => ({ kind: "stop", afterMs: dice.whole(0, 300) }), 3],
  [instant("desk", 300), 3],
  [instant("attic", 300), 2],
  [instant("model", 500), 3],
  [instant("botApi", 500), 3],
  [(dice) => ({ kind: "api", fault: apiFault(dice) }), 6],
  [(dice) => ({ kind: "answer", fault: dice.pick(["500", "429", "refuse", "cut"]), times: dice.whole(1, 3) }), 4]
]
const othersWeight = others.reduce((sum, [, weight]) => sum + weight, 0)

const atPoint = (dice: Dice, { atStart, name, often, victim }: Point): Fault => ({
  kind: "point",
  victim,
  name,
  nth: dice.whole(1, Math.min(mostPassages, often)),
  atStart
})

/** What a Bot API that forgets cannot stand. */
const needsMemory = (fault: Fault): boolean =>
  fault.kind === "api" ||
  ((fault.kind === "instant" || fault.kind === "pause") && fault.victim === "botApi") ||
  (fault.kind === "point" && /getUpdates|channel_inbox/.test(fault.name))

/** The worlds of a run, without what the other Bot API cannot stand in for if it has to. With `namedOnly` every fault is at a named point. */
export const draw = (
  seed: string,
  points: number,
  catalog: ReadonlyArray<Point>,
  namedOnly: boolean,
  api: Api = "kit"
): ReadonlyArray<WorldPlan> => {
  const all = dice(seed)
  let named: ReadonlyArray<Point> = []
  const nextPoint = (): Fault => {
    const [first, ...rest] = named.length === 0 ? all.shuffled(catalog) : named
    named = rest
    return atPoint(all, first!)
  }
  const any = (): Fault => (!namedOnly && all.next() * 100 < othersWeight ? all.weighted(others)(all) : nextPoint())
  const one = (): Fault => {
    const drawn = any()
    return api === "other" && needsMemory(drawn) ? one() : drawn
  }
  const faults = Array.from({ length: points }, one)
  return Array.from({ length: Math.ceil(points / faultsPerWorld) }, (_, index) => ({
    index,
    seed: `${seed}/${index}`,
    faults: faults.slice(index * faultsPerWorld, (index + 1) * faultsPerWorld),
    rushBefore: api === "kit" && index % rushEvery === rushEvery - 1 ? all.whole(1, 4) : undefined
  }))
}
