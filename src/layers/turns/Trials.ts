/**
 * Who is to blame when the process dies again and again: each turn that ran when it died may be the one that killed it.
 *
 * The first deaths charge every turn that ran and had stored nothing new since its start (Charge.ts). A turn that has one death
 * left before it is given up is a suspect, and at the next start suspects go first, one at a time, while every other turn
 * waits: whoever is given up was the only turn that ran when the process died. That is no proof: messages are taken in, requests
 * of operators are answered and nodes are served beside it, and a kill from outside looks like a death of the turn's own making.
 *
 * A suspect that finishes, or only waits for its channel or a person, makes room for the next one. One that lives longer than its time
 * alone keeps nobody waiting any longer: all the others begin, what happens from then on is charged to no suspect, and its next
 * time alone is twice as long. So each start clears, convicts or defers at least one suspect, and new messages wait for a
 * bounded time: the whole budget and the time alone of the suspect that began last within it.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { RunId } from "../../domain/Ids.ts"
import type { Ledger } from "./Ledger.ts"
import { stored } from "./Patience.ts"

export interface TrialOptions {
  /** Milliseconds that a suspect has alone the first time. */
  readonly aloneMs: number
  /** Milliseconds after which no further suspect is tried alone in this start. */
  readonly budgetMs: number
  /** Milliseconds in which the engine brings a suspect; it is passed over otherwise. */
  readonly arrivalMs: number
}

export const defaults: TrialOptions = { aloneMs: 5_000, budgetMs: 10_000, arrivalMs: 2_000 }

/** How often a suspect's time alone is doubled: from 5 s to 40 s. */
const mostDoublings = 3

/** A turn's leave to begin. */
export interface Pass {
  /** Whether the start is charged to the turn if the process dies. */
  charged: boolean
  /** Only a suspect has it: it waits for something outside, and its time alone is over. */
  readonly rest?: Effect.Effect<void>
}

interface Suspect {
  readonly runId: RunId
  readonly aloneMs: number
  readonly pass: Pass
  readonly arrived: Deferred.Deferred<void>
  readonly begins: Deferred.Deferred<void>
  readonly ended: Deferred.Deferred<void>
}

const suspicion = (): Omit<Suspect, "runId" | "aloneMs"> => {
  const ended = Deferred.makeUnsafe<void>()
  const rest = Effect.asVoid(Deferred.succeed(ended, undefined))
  return { pass: { charged: false, rest }, arrived: Deferred.makeUnsafe(), begins: Deferred.makeUnsafe(), ended }
}

/** Reads who is suspect, once, before any turn runs. `maxAttempts`: the deaths after which a turn is given up. */
export const make = Effect.fnUntraced(function* (ledger: Ledger, maxAttempts: number, options: TrialOptions) {
  const rows = yield* stored("reading suspects", ledger.suspects(maxAttempts))
  /** They do no work any more: their sender is told at once. */
  const convicted = new Set(rows.filter((row) => row.attempts >= maxAttempts).map((row) => row.runId))
  const suspects = rows.flatMap((row): ReadonlyArray<Suspect> =>
    convicted.has(row.runId)
      ? []
      : [
          {
            runId: row.runId,
            aloneMs: options.aloneMs * 2 ** Math.min(row.trials, mostDoublings),
            ...suspicion()
          }
        ]
  )
  const byId = new Map(suspects.map((suspect) => [suspect.runId as string, suspect]))
  const others = yield* Latch.make(suspects.length === 0)

  /** `false` when the time alone was over first. */
  const tryAlone = Effect.fnUntraced(function* (suspect: Suspect) {
    suspect.pass.charged = true
    yield* Deferred.succeed(suspect.begins, undefined)
    const ended = yield* Effect.timeoutOption(Deferred.await(suspect.ended), suspect.aloneMs)
    if (ended._tag === "Some") return true
    const { charged } = suspect.pass
    suspect.pass.charged = false
    yield* stored("clearing a turn", ledger.outlived(suspect.runId, charged))
    return false
  })

  const tryAll = Effect.gen(function* () {
    yield* Effect.logWarning(
      `the Gateway died ${maxAttempts - 1} times while ${suspects.length} of its turns ran; each of them runs alone first, and everything else waits for that`
    )
    const until = (yield* Clock.currentTimeMillis) + options.budgetMs
    for (const suspect of suspects) {
      if ((yield* Clock.currentTimeMillis) >= until) return
      const arrived = yield* Effect.timeoutOption(Deferred.await(suspect.arrived), options.arrivalMs)
      if (arrived._tag === "Some" && !(yield* tryAlone(suspect))) return
    }
  })

  const letAllGo = Effect.andThen(
    Effect.forEach(suspects, (suspect) => Deferred.succeed(suspect.begins, undefined), { discard: true }),
    others.open
  )
  if (suspects.length > 0) {
    yield* tryAll.pipe(
      Effect.catchDefect((defect) => Effect.logError("trying suspects alone died", defect)),
      Effect.ensuring(letAllGo),
      Effect.forkScoped
    )
  }

  /** Waits until a turn may begin. The scope is the turn's own. */
  const enter = (runId: RunId): Effect.Effect<Pass, never, Scope.Scope> =>
    Effect.suspend(() => {
      const suspect = byId.get(runId)
      if (suspect === undefined) {
        const pass: Pass = { charged: true }
        return convicted.has(runId) ? Effect.succeed(pass) : Effect.as(others.await, pass)
      }
      byId.delete(runId)
      return Effect.addFinalizer(() => Deferred.succeed(suspect.ended, undefined)).pipe(
        Effect.andThen(Deferred.succeed(suspect.arrived, undefined)),
        Effect.andThen(Deferred.await(suspect.begins)),
        Effect.as(suspect.pass)
      )
    })

  return { enter }
})

export type Trials = Effect.Success<ReturnType<typeof make>>
