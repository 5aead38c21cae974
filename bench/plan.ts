/**
 * One run: every measure that is wanted, in the order in which they disturb each other least.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { alternate, type Ground } from "./alternate.ts"
import { bareTurn } from "./baselines.ts"
import { measures } from "./budgets.ts"
import { boot, started, starting, startingOnce } from "./measures/boot.ts"
import { cli } from "./measures/cli.ts"
import { broadcast, storm } from "./measures/crowd.ts"
import { invoke } from "./measures/invoke.ts"
import * as Memory from "./measures/memory.ts"
import { requests } from "./measures/requests.ts"
import { sessions, telegram, turns } from "./measures/turns.ts"
import type { Subject } from "./subject.ts"
import { each, furnish, prepare, run as runSide } from "./world.ts"

export const PARTS = [
  "boot",
  "memory",
  "cli",
  "rpc",
  "invoke",
  "turns",
  "telegram",
  "sessions",
  "storm",
  "broadcast"
] as const
export type Part = (typeof PARTS)[number]

/** Rounds are of each subject; times are milliseconds. */
export interface Sizes {
  readonly starts: number
  readonly largeTurns: number
  readonly commands: number
  readonly rounds: number
  readonly rpcMs: number
  readonly turnsMs: number
  readonly sessionRounds: number
  readonly crowds: number
  /** Also what takes minutes of waiting: memory long after the start and long after the load. */
  readonly isPatient: boolean
}

export const WHOLE: Sizes = {
  starts: 5,
  largeTurns: 50_000,
  commands: 10,
  rounds: 3,
  rpcMs: 1000,
  turnsMs: 2000,
  sessionRounds: 2,
  crowds: 3,
  isPatient: true
}

/** With somebody whose every start and command takes many seconds. */
export const BESIDE: Sizes = { ...WHOLE, starts: 2, commands: 4 }

export const QUICK: Sizes = {
  starts: 2,
  largeTurns: 0,
  commands: 2,
  rounds: 1,
  rpcMs: 1000,
  turnsMs: 1000,
  sessionRounds: 1,
  crowds: 1,
  isPatient: false
}

const WORKED_STARTS = 2

/** What is measured of Gateways that run and stay. */
const STANDING: ReadonlyArray<Part> = PARTS.filter((part) => part !== "boot")
/** What makes them work. */
const LOAD: ReadonlyArray<Part> = STANDING.filter((part) => part !== "memory" && part !== "cli")

export const run = Effect.fnUntraced(function* (
  ground: Ground,
  subjects: ReadonlyArray<Subject>,
  parts: ReadonlySet<Part>,
  sizes: Sizes
) {
  const wants = (some: ReadonlyArray<Part>) => some.some((part) => parts.has(part))
  const stage = <E, R>(part: Part, effect: Effect.Effect<unknown, E, R>) =>
    parts.has(part) ? Effect.andThen(Console.error(`… ${part}`), effect) : Effect.void

  yield* stage("boot", boot(ground, subjects, { rounds: sizes.starts, turns: sizes.largeTurns }))
  if (!wants(STANDING)) return
  const prepared = yield* each(
    ground,
    "preparing",
    subjects.map((subject) => ({ subject })),
    // Started once before, as all but an installation's first start are: what is compiled then is kept.
    ({ subject }) => Effect.tap(prepare(subject), startingOnce)
  )
  yield* Effect.scoped(
    Effect.gen(function* () {
      // Ours last and at once: what is idle is looked at so many seconds after its start, and others take their time.
      const sides = (yield* each(ground, "starting", prepared.toReversed(), runSide)).toReversed()
      yield* stage("memory", Memory.idle(ground, sides, sizes.isPatient))
      yield* stage("cli", cli(ground, sides, sizes.commands))
      if (!wants(LOAD)) return
      yield* Effect.scoped(
        Effect.gen(function* () {
          if (parts.has("memory")) yield* Memory.highest(ground, sides)
          const working = yield* each(ground, "furnishing", sides, furnish)
          const windows = { rounds: sizes.rounds, ms: sizes.rpcMs }
          const long = { rounds: sizes.rounds, ms: sizes.turnsMs }
          yield* stage("rpc", requests(ground, working, windows))
          yield* stage("invoke", invoke(ground, working, windows))
          yield* stage("turns", turns(ground, working, long))
          yield* stage("telegram", telegram(ground, working, long))
          yield* stage("sessions", sessions(ground, working, { ...long, rounds: sizes.sessionRounds }))
          yield* stage("storm", storm(ground, working, sizes.crowds))
          yield* stage("broadcast", broadcast(ground, working, sizes.crowds))
        })
      )
      if (sizes.isPatient) yield* stage("memory", Memory.rested(ground, sides))
    })
  )
  if (!wants(LOAD) || !sizes.isPatient) return
  yield* stage(
    "boot",
    alternate(ground, measures.worked, WORKED_STARTS, [
      bareTurn(measures.worked),
      ...prepared.map((one) => started(one, measures.worked, starting(one), Effect.void))
    ])
  )
}, Effect.scoped)
