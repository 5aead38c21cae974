/**
 * A session as an actor: a durable mailbox that is worked off in order of arrival, one turn at a time.
 */
import type * as Cause from "effect/Cause"
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as Entity from "effect/cluster/Entity"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import { RunId } from "../../domain/Ids.ts"
import type { SessionKey } from "../../domain/SessionKey.ts"
import { TurnOutcome } from "../../services/Turns.ts"
import type { Ledger } from "./Ledger.ts"
import { engineStored, stored } from "./Patience.ts"
import { defectText, isOwnFault, TurnWorkflow } from "./TurnWorkflow.ts"

/**
 * A turn's key in the mailbox. The engine joins type, session, tag and key with `/` and keeps the result unique, so a key
 * has none: otherwise one session's turn could be taken for another's.
 */
export const mailboxKey = (runId: RunId): string => runId.replaceAll("%", "%25").replaceAll("/", "%2F")

export const SessionActor = Entity.make("Session", [
  Rpc.make("turn", {
    payload: { runId: RunId },
    primaryKey: ({ runId }) => mailboxKey(runId),
    success: TurnOutcome
  })
    .annotate(ClusterSchema.Persisted, true)
    // Whoever waits for a turn may go away; the turn stays. Ending one is `Turns.abort`'s alone.
    .annotate(ClusterSchema.Uninterruptible, true)
])

/** Runs session actors. The entity's id is the session key. */
export const layer = (ledger: Ledger) => {
  // Not even the workflow could say how the turn ends. It ends here, so that the session goes on with the next.
  const broken = Effect.fnUntraced(function* (runId: RunId, sessionKey: SessionKey, cause: Cause.Cause<unknown>) {
    yield* Effect.logError(`turn ${runId} in ${sessionKey} could not be run`, cause)
    const outcome: TurnOutcome = {
      runId,
      sessionKey,
      status: "error",
      error: "TurnDefect",
      text: defectText,
      toolCalls: 0,
      durationMs: 0
    }
    yield* stored("ending a broken turn", ledger.finish(outcome))
    return outcome
  })

  return SessionActor.toLayer(
    Effect.gen(function* () {
      const address = yield* Entity.CurrentAddress
      const sessionKey = address.entityId as string as SessionKey
      return SessionActor.of({
        turn: ({ payload: { runId } }) =>
          Effect.gen(function* () {
            const entry = yield* stored("reading a turn", ledger.find(runId))
            if (entry === undefined) return yield* Effect.die(`turn ${runId} is in no book`)
            // Ended before it had begun, for example: the engine need not hear of it.
            if (entry.finished && entry.outcome !== undefined) return entry.outcome
            return yield* engineStored("running a turn", TurnWorkflow.execute(entry.request))
          }).pipe(Effect.catchCauseIf(isOwnFault, (cause) => broken(runId, sessionKey, cause)))
      })
    })
  )
}
