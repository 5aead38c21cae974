/**
 * Turns on the engine: a message is booked and put into its session's mailbox in one transaction, and runs when the
 * session's actor comes to it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { RunId } from "../../domain/Ids.ts"
import { agentIdOf } from "../../domain/SessionKey.ts"
import { AgentRunner } from "../../services/AgentRunner.ts"
import type { Channels } from "../../services/ChannelRouter.ts"
import { EventBus } from "../../services/EventBus.ts"
import type { Sessions } from "../../services/Sessions.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { TurnNotAccepted, Turns } from "../../services/Turns.ts"
import * as Engine from "./Engine.ts"
import * as Ledger from "./Ledger.ts"
import * as Outcomes from "./Outcomes.ts"
import * as Pruning from "./Pruning.ts"
import * as Running from "./Running.ts"
import * as SessionActor from "./SessionActor.ts"
import * as TurnWorkflow from "./TurnWorkflow.ts"

export interface TurnsOptions extends Partial<TurnWorkflow.TurnOptions> {
  /** Milliseconds that a finished turn is remembered, and with it that its id was used; 30 days when left out. */
  readonly keepMs?: number
}

const day = 24 * 60 * 60_000
const pruneEvery = "1 hour"
const abortPatience = "10 seconds"

const defaults: TurnWorkflow.TurnOptions & { readonly keepMs: number } = {
  keepMs: 30 * day,
  maxAttempts: 8,
  delivery: { giveUpAfterMs: 60 * 60_000, firstPauseMs: 1_000 }
}

type Needs = AgentRunner | Channels | EventBus | Sessions | Supervisor | SqlClient.SqlClient

const notAccepted = (doing: string) => (error: { readonly message: string }) =>
  new TurnNotAccepted({ message: `${doing} failed: ${error.message}` })

const make = Effect.fnUntraced(function* (ledger: Ledger.Ledger, running: Running.Running, keepMs: number) {
  const sql = yield* SqlClient.SqlClient
  const runner = yield* AgentRunner
  const bus = yield* EventBus
  const supervisor = yield* Supervisor
  const actor = yield* SessionActor.SessionActor.client

  // An event that ends a turn is numbered after the agent's own.
  const follow = Effect.gen(function* () {
    const events = yield* bus.subscribe
    while (true) {
      const { event, payload } = yield* PubSub.take(events)
      if (event !== "chat") continue
      const turn = running.get(payload.runId)
      if (turn !== undefined) turn.chatSeq = Math.max(turn.chatSeq, payload.seq)
    }
  }).pipe(Effect.scoped)
  yield* supervisor.supervise("turns/chat-events", follow, { restart: "always" })

  const { prune } = yield* Pruning.make(ledger, keepMs)
  yield* supervisor.supervise("turns/pruning", Effect.repeat(prune, Schedule.spaced(pruneEvery)), { restart: "always" })

  const submit: Turns["Service"]["submit"] = Effect.fn("Turns.submit")(
    function* (request) {
      return yield* Effect.gen(function* () {
        const isNew = yield* ledger.enter(request)
        if (isNew) yield* actor(request.sessionKey).turn({ runId: request.runId }, { discard: true })
        return isNew
      }).pipe(sql.withTransaction)
    },
    Effect.mapError(notAccepted("storing the message"))
  )

  const awaitTurn: Turns["Service"]["await"] = Effect.fn("Turns.await")(function* (runId, sessionKey) {
    const entry = yield* Effect.mapError(ledger.find(runId), notAccepted("looking up the turn"))
    if (entry === undefined || entry.sessionKey !== sessionKey) {
      return yield* new TurnNotAccepted({ message: `there is no turn ${runId} in ${sessionKey}` })
    }
    if (entry.finished && entry.outcome !== undefined) return entry.outcome
    // The same message again: the actor answers it once, and everybody who asks gets that answer.
    return yield* Effect.mapError(actor(sessionKey).turn({ runId }), notAccepted("waiting for the turn"))
  })

  const abort: Turns["Service"]["abort"] = Effect.fn("Turns.abort")(function* (sessionKey, runId) {
    const target = yield* Effect.orDie(ledger.requestAbort(sessionKey, runId))
    if (target === undefined) return []
    // One that only waits in the mailbox ends here and now; its actor will find it finished.
    if (yield* Effect.orDie(ledger.cancel(Outcomes.abortedOutcome(target, "", 0)))) {
      const agentId = agentIdOf(sessionKey)
      yield* bus.publish("chat", {
        ...target,
        ...(agentId === undefined ? {} : { agentId }),
        seq: 1,
        state: "aborted",
        stopReason: "rpc"
      })
      return [target.runId]
    }
    const turn = running.get(target.runId)
    if (turn !== undefined) {
      yield* Deferred.succeed(turn.abort, undefined)
      // It is recorded, so nobody waits for a step that does not let itself be interrupted.
      yield* Effect.timeoutOption(Deferred.await(turn.ended), abortPatience)
    }
    return [target.runId]
  })

  const inFlight: Turns["Service"]["inFlight"] = Effect.fn("Turns.inFlight")(function* (sessionKey) {
    const runId: RunId | undefined = yield* Effect.orDie(ledger.running(sessionKey))
    return runId === undefined ? undefined : { runId, text: (yield* runner.partialText(runId)) ?? "" }
  })

  return Turns.of({ submit, await: awaitTurn, abort, inFlight, active: Effect.orDie(ledger.countActive) })
})

/** Turns on an engine of the caller's choice. */
export const layerOn = (options: TurnsOptions = {}): Layer.Layer<Turns, never, Needs | Engine.Engine> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const ledger = yield* Ledger.make
      const running = Running.make()
      const settings = { ...defaults, ...options }
      const execute = yield* TurnWorkflow.make(ledger, running, settings)
      return Layer.effect(Turns, make(ledger, running, settings.keepMs)).pipe(
        Layer.provide(SessionActor.layer(ledger)),
        Layer.provide(TurnWorkflow.TurnWorkflow.toLayer(execute))
      )
    })
  )

/** Turns in this process alone, kept in the database of the `SqlClient`. */
export const layer = (options: TurnsOptions & Engine.EngineOptions = {}): Layer.Layer<Turns, never, Needs> =>
  layerOn(options).pipe(Layer.provide(Engine.layer(options)))
