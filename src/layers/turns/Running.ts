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
}

export interface Running {
  readonly get: (runId: string) => RunningTurn | undefined
  /** Lists a turn until the scope closes. */
  readonly enter: (runId: RunId) => Effect.Effect<RunningTurn, never, Scope.Scope>
}

export const make = (): Running => {
  const turns = new Map<string, RunningTurn>()
  return {
    get: (runId) => turns.get(runId),
    enter: (runId) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const turn = { abort: Deferred.makeUnsafe<AbortOrigin>(), ended: Deferred.makeUnsafe<void>() }
          turns.set(runId, turn)
          return turn
        }),
        (turn) =>
          Effect.suspend(() => {
            if (turns.get(runId) === turn) turns.delete(runId)
            return Deferred.succeed(turn.ended, undefined)
          })
      )
  }
}
