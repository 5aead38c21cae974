/**
 * A session as an actor: a durable mailbox that is worked off in order of arrival, one turn at a time.
 */
import * as Cause from "effect/Cause"
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as Entity from "effect/cluster/Entity"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import { RunId } from "../../domain/Ids.ts"
import type { SessionKey } from "../../domain/SessionKey.ts"
import { TurnOutcome, type TurnRequest } from "../../services/Turns.ts"
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

const firstOf = (cause: Cause.Cause<unknown>): string => Cause.prettyErrors(cause)[0]?.message ?? "an unknown defect"

/** Runs session actors. `tell`: keeps a message whose turn broke, and tells its sender. The entity's id is the session key. */
export const layer = (ledger: Ledger, tell: (request: TurnRequest, cause: string) => Effect.Effect<void>) => {
  // Not even the workflow could say how the turn ends. It ends here, so that the session goes on with the next.
  const broken = Effect.fnUntraced(function* (runId: RunId, sessionKey: SessionKey, cause: Cause.Cause<unknown>) {
    yield* Effect.logError(`turn ${runId} in ${sessionKey} could not be run`, cause)
    // What cannot even be read is nobody's to be told of.
    const entry = yield* Effect.catchCauseIf(
      stored("reading a broken turn", ledger.find(runId)),
      isOwnFault,
      () => Effect.undefined
    )
    if (entry !== undefined && !entry.finished)
      yield* tell(entry.request, `the turn could not be run: ${firstOf(cause)}`)
    const outcome: TurnOutcome = {
      runId,
      sessionKey,
      status: "error",
      error: "TurnDefect",
      text: defectText,
      toolCalls: 0,
      durationMs: 0
    }
    yield* stored("ending a broken turn", ledger.end(outcome))
    return outcome
  })

  const run = (request: TurnRequest) =>
    engineStored("running a turn", TurnWorkflow.execute(request)).pipe(
      Effect.catchCauseIf(isOwnFault, (cause) => broken(request.runId, request.sessionKey, cause))
    )

  /**
   * Runs what comes next in the session until the turn named has ended. The mailbox only wakes: its order is that of its
   * ids, which are made of the wall clock, and a clock can be set back. The book knows the order of arrival.
   */
  const upTo = Effect.fnUntraced(function* (runId: RunId, sessionKey: SessionKey) {
    let ran: RunId | undefined
    while (true) {
      const entry = yield* stored("reading a turn", ledger.find(runId))
      if (entry === undefined) return yield* Effect.die(`turn ${runId} is in no book`)
      // Ended before it had begun, for example: the engine need not hear of it.
      if (entry.finished && entry.outcome !== undefined) return entry.outcome
      const next = yield* stored("reading what comes next", ledger.queue.next(sessionKey))
      if (next === undefined) return yield* Effect.die(`nothing comes before turn ${runId}, nor it itself`)
      if (next.quietMs > 0) {
        yield* Effect.sleep(next.quietMs)
        continue
      }
      const outcome = yield* run(next.request)
      // The engine remembers its end and the book does not: a copy of the one, an older one of the other.
      if (ran === next.runId) yield* stored("ending a turn", ledger.end(outcome))
      ran = next.runId
    }
  })

  return SessionActor.toLayer(
    Effect.gen(function* () {
      const address = yield* Entity.CurrentAddress
      const sessionKey = address.entityId as string as SessionKey
      return SessionActor.of({
        turn: ({ payload: { runId } }) =>
          Effect.catchCauseIf(upTo(runId, sessionKey), isOwnFault, (cause) => broken(runId, sessionKey, cause))
      })
    })
  )
}
