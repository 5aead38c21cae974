/**
 * The turns that run in this process, and how to reach them.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RunId } from "../../domain/Ids.ts"
import type { AbortOrigin } from "../../services/Turns.ts"

/** What is done when a turn only waits, and when it goes on; either may be asked for again. */
interface Rest {
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

export interface RunningTurn {
  /** Completed by whoever wants the turn to end. */
  readonly abort: Deferred.Deferred<AbortOrigin>
  /** Completed when the turn has ended, whatever way. */
  readonly ended: Deferred.Deferred<void>
  /**
   * Passed between two steps, where all that the turn has done is stored. Once the process stops nothing comes through here
   * any more: the turn goes on from this place at the next start.
   */
  readonly checkpoint: Effect.Effect<void>
  /** Waits for what is no step of the turn: an orderly end need not wait for that. */
  readonly resting: <A, E, R>(wait: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Runs a step of the turn; several may run side by side. `resumed` before it, `paused` when only waits are left after it. */
  readonly working: <A, E, R>(step: Effect.Effect<A, E, R>, rest: Rest) => Effect.Effect<A, E, R>
  /**
   * Waits within a step for what is kept elsewhere. Where nothing else of the turn works meanwhile, that is `paused`, and an
   * orderly end need not wait for it; once that has begun, the wait does not end.
   */
  readonly waiting: <A, E, R>(wait: Effect.Effect<A, E, R>, rest: Rest) => Effect.Effect<A, E, R>
  /** What an orderly end does first: the turn is not charged for it. */
  lift: Effect.Effect<void>
}

export interface Running {
  readonly get: (runId: string) => RunningTurn | undefined
  /** Lists a turn until the scope closes. */
  readonly enter: (runId: RunId) => Effect.Effect<RunningTurn, never, Scope.Scope>
  /**
   * Lets no turn begin another step. Done when each has come to its end or to a checkpoint, or after so many milliseconds;
   * the number of turns that are still within a step.
   */
  readonly settle: (budgetMs: number) => Effect.Effect<number>
  /** Whether `settle` has begun. */
  readonly isStopping: () => boolean
}

export const make = (): Running => {
  const turns = new Map<string, { readonly turn: RunningTurn; readonly isBusy: () => boolean }>()
  const settled = Deferred.makeUnsafe<void>()
  let stopping = false

  const busy = () => Array.from(turns.values()).filter(({ isBusy }) => isBusy()).length
  const look = Effect.suspend(() => (stopping && busy() === 0 ? Deferred.succeed(settled, undefined) : Effect.void))
  const leave = (runId: RunId, turn: RunningTurn) =>
    Effect.suspend(() => {
      if (turns.get(runId)?.turn === turn) turns.delete(runId)
      return Effect.andThen(look, Deferred.succeed(turn.ended, undefined))
    })

  return {
    get: (runId) => turns.get(runId)?.turn,
    enter: (runId) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          let works = 0
          let rests = 0
          const counted = <A, E, R>(effect: Effect.Effect<A, E, R>, working: number, resting: number) =>
            Effect.suspend(() => {
              works += working
              rests += resting
              return Effect.ensuring(
                Effect.andThen(look, effect),
                Effect.suspend(() => {
                  works -= working
                  rests -= resting
                  return look
                })
              )
            })
          const resting: RunningTurn["resting"] = (wait) => counted(wait, 0, 1)
          const working: RunningTurn["working"] = (step, { pause, resume }) =>
            counted(Effect.andThen(resume, step), 1, 0).pipe(
              Effect.tap(() => (works === 0 && rests > 0 ? pause : Effect.void))
            )
          const waiting: RunningTurn["waiting"] = (wait, { pause, resume }) =>
            counted(
              Effect.suspend(() => (works === 0 ? pause : Effect.void)).pipe(
                Effect.andThen(Effect.exit(wait)),
                Effect.flatMap((exit) => (stopping ? Effect.never : Effect.andThen(resume, exit)))
              ),
              -1,
              1
            )
          const turn: RunningTurn = {
            abort: Deferred.makeUnsafe<AbortOrigin>(),
            ended: Deferred.makeUnsafe<void>(),
            // Somebody may end it while it rests: then it is told and recorded.
            checkpoint: Effect.suspend(() => (stopping ? resting(Effect.never) : Effect.void)),
            resting,
            working,
            waiting,
            lift: Effect.void
          }
          turns.set(runId, { turn, isBusy: () => works > 0 || rests === 0 })
          return turn
        }),
        (turn) => leave(runId, turn)
      ),
    settle: (budgetMs) =>
      Effect.gen(function* () {
        stopping = true
        // First of all: whoever asks twice gets no answer to the first.
        const lifted = Effect.forEach([...turns.values()], ({ turn }) => turn.lift, {
          concurrency: "unbounded",
          discard: true
        })
        const ended = Effect.andThen(look, Deferred.await(settled))
        yield* Effect.timeoutOption(Effect.all([lifted, ended], { concurrency: 2 }), budgetMs)
        return busy()
      }),
    isStopping: () => stopping
  }
}
