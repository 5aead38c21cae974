/**
 * The turns that run in this process, and how to reach them.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RunId } from "../../domain/Ids.ts"
import type { AbortOrigin } from "../../services/Turns.ts"

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
}

export const make = (): Running => {
  const turns = new Map<string, RunningTurn>()
  const resting = new Set<RunningTurn>()
  const settled = Deferred.makeUnsafe<void>()
  let stopping = false

  const busy = () => turns.size - resting.size
  const look = Effect.suspend(() => (stopping && busy() <= 0 ? Deferred.succeed(settled, undefined) : Effect.void))
  const leave = (runId: RunId, turn: RunningTurn) =>
    Effect.suspend(() => {
      if (turns.get(runId) === turn) turns.delete(runId)
      resting.delete(turn)
      return Effect.andThen(look, Deferred.succeed(turn.ended, undefined))
    })

  return {
    get: (runId) => turns.get(runId),
    enter: (runId) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const turn: RunningTurn = {
            abort: Deferred.makeUnsafe<AbortOrigin>(),
            ended: Deferred.makeUnsafe<void>(),
            checkpoint: Effect.suspend(() => {
              if (!stopping) return Effect.void
              resting.add(turn)
              return Effect.ensuring(
                Effect.andThen(look, Effect.never),
                // Somebody ended it while it rested: it has to be told and recorded.
                Effect.sync(() => resting.delete(turn))
              )
            })
          }
          turns.set(runId, turn)
          return turn
        }),
        (turn) => leave(runId, turn)
      ),
    settle: (budgetMs) =>
      Effect.gen(function* () {
        stopping = true
        yield* look
        yield* Effect.timeoutOption(Deferred.await(settled), budgetMs)
        return Math.max(0, busy())
      })
  }
}
