/**
 * Turns on the engine: a message is booked and put into its session's mailbox in one transaction, and runs when the
 * session's actor comes to it.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as FiberSet from "effect/FiberSet"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { RunId } from "../../domain/Ids.ts"
import type { SessionKey } from "../../domain/SessionKey.ts"
import { AgentRunner } from "../../services/AgentRunner.ts"
import { Channels } from "../../services/ChannelRouter.ts"
import { EventBus } from "../../services/EventBus.ts"
import { Sessions } from "../../services/Sessions.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { CurrentFlow, Tracing } from "../../services/Tracing.ts"
import {
  type AbortOrigin,
  RunIdConflict,
  TurnNotAccepted,
  type TurnOutcome,
  type TurnRequest,
  Turns
} from "../../services/Turns.ts"
import { accepted, isSame, notAccepted } from "./accepting.ts"
import * as Delivery from "./Delivery.ts"
import * as Engine from "./Engine.ts"
import * as GivingUp from "./GivingUp.ts"
import * as Ledger from "./Ledger.ts"
import * as Outcomes from "./Outcomes.ts"
import { stored } from "./Patience.ts"
import { defaultPolicy } from "../channels/deliverPatiently.ts"
import * as Pruning from "./Pruning.ts"
import * as RunningTurns from "./Running.ts"
import * as SessionActor from "./SessionActor.ts"
import * as Trials from "./Trials.ts"
import * as TurnWorkflow from "./TurnWorkflow.ts"

/** What is left out has its default: how often a turn is tried, how long it is remembered, … */
export type TurnsOptions = Partial<TurnWorkflow.TurnOptions & Pruning.PruningOptions>

/** Milliseconds that the engine has for its own end; the turns had their time in `settle`. */
const shutdownGraceMs = 200
const abortPatience = "10 seconds"
/** How often somebody who waits for a turn looks it up besides. */
const bookEvery = "5 seconds"

const defaults: Required<TurnsOptions> = {
  ...Pruning.defaults,
  maxAttempts: 3,
  trials: Trials.defaults,
  delivery: defaultPolicy
}

type Needs = AgentRunner | Channels | EventBus | Sessions | Supervisor | SqlClient.SqlClient

/** What is to end, and for whom. */
interface Ending {
  readonly origin: AbortOrigin
  /** All that have not ended when left out. */
  readonly runIds?: ReadonlyArray<RunId>
  readonly seal?: boolean
  /** The message for which the others have to go. */
  readonly into?: RunId
}

const make = Effect.fnUntraced(function* (
  ledger: Ledger.Ledger,
  running: RunningTurns.Running,
  pruning: Pruning.PruningOptions
) {
  const sql = yield* SqlClient.SqlClient
  const runner = yield* AgentRunner
  const bus = yield* EventBus
  const channels = yield* Channels
  const sessions = yield* Sessions
  const supervisor = yield* Supervisor
  const actor = yield* SessionActor.SessionActor.client
  const tracing = yield* Tracing

  const { keep } = yield* Pruning.make(pruning)
  yield* supervisor.supervise("turns/pruning", keep, { restart: "always" })

  /** Turns that ended without having begun: their actor answers for them only when it comes to them. */
  const cancelled = yield* PubSub.unbounded<TurnOutcome>()

  const awaitTurn: Turns["Service"]["await"] = Effect.fn("Turns.await")(function* (runId, sessionKey) {
    const cancellations = yield* PubSub.subscribe(cancelled)
    const entry = yield* Effect.mapError(ledger.find(runId), notAccepted("looking up the turn"))
    if (entry === undefined || entry.sessionKey !== sessionKey) {
      return yield* new TurnNotAccepted({ message: `there is no turn ${runId} in ${sessionKey}` })
    }
    if (entry.finished && entry.outcome !== undefined) return entry.outcome
    const isCancelled = PubSub.take(cancellations).pipe(Effect.repeat({ until: (outcome) => outcome.runId === runId }))
    // The same message again: the actor answers it once, and everybody who asks gets that answer.
    const answered = Effect.mapError(actor(sessionKey).turn({ runId }), notAccepted("waiting for the turn"))
    // After the process stood still for long (a suspended machine) the engine may have forgotten what it answered.
    const booked = Effect.delay(Effect.orDie(ledger.find(runId)), bookEvery).pipe(
      Effect.map((row) => (row?.finished === true ? row.outcome : undefined)),
      Effect.repeat({ until: (outcome) => outcome !== undefined }),
      Effect.map((outcome) => outcome!)
    )
    return yield* Effect.raceAllFirst([answered, isCancelled, booked])
  }, Effect.scoped)

  /** Ends a turn that only waits in the mailbox; its actor will find it finished. `false` when it does not wait. */
  const cancel = (request: TurnRequest, outcome: TurnOutcome) =>
    Effect.gen(function* () {
      if (!(yield* ledger.cancel(outcome))) return false
      if (request.compact === undefined) yield* sessions.append([Outcomes.userEntry(request, outcome.folded)])
      return true
    }).pipe(sql.withTransaction)

  const knows: Turns["Service"]["knows"] = Effect.fn("Turns.knows")(
    (runId) => Effect.map(ledger.find(runId), (entry) => entry !== undefined),
    Effect.mapError(notAccepted("looking up the turn"))
  )

  const find: Turns["Service"]["find"] = Effect.fn("Turns.find")(
    function* (runId) {
      const entry = yield* ledger.find(runId)
      if (entry === undefined) return undefined
      const { abort, endedAt, outcome, sessionKey, startedAt } = entry
      return {
        sessionKey,
        ...(startedAt === null ? undefined : { startedAt }),
        ...(endedAt === null ? undefined : { endedAt, ...(outcome === undefined ? undefined : { outcome }) }),
        ...(abort === undefined ? undefined : { abort })
      }
    },
    Effect.mapError(notAccepted("looking up the turn"))
  )

  const endRunning = Effect.fnUntraced(function* (runId: RunId, origin: AbortOrigin) {
    const turn = running.get(runId)
    if (turn === undefined) return
    yield* Deferred.succeed(turn.abort, origin)
    // It is recorded, so nobody waits for a step that does not let itself be interrupted.
    yield* Effect.timeoutOption(Deferred.await(turn.ended), abortPatience)
  })

  /** Ends a turn as far as the book and the transcript go; what is left to do is returned. */
  const endOne = Effect.fnUntraced(function* (target: TurnRequest, { into, origin, seal }: Ending) {
    const outcome = Outcomes.abortedOutcome(target, "", 0, into && { how: "interrupted", into })
    if (yield* cancel(target, outcome)) {
      const announced = Outcomes.announceAborted(target, { origin, seq: 1, text: "" })
      return Effect.andThen(PubSub.publish(cancelled, outcome), Effect.provideService(announced, EventBus, bus))
    }
    // A reply that waits is not shown any more once this is committed; the turn sees to the rest when it is told.
    yield* Effect.asVoid(Effect.provideService(Delivery.withdraw(target.runId), Channels, channels))
    const partial = seal === true ? yield* runner.partialText(target.runId) : undefined
    if (partial !== undefined) {
      yield* Effect.provideService(Outcomes.keepUnstored({ request: target, partial }, origin), Sessions, sessions)
    }
    return endRunning(target.runId, origin)
  })

  /** Aborts that are committed are carried out here, whatever becomes of the one who asked. */
  const committed = yield* Queue.unbounded<{
    readonly runIds: ReadonlyArray<RunId>
    readonly carryOut: Effect.Effect<void>
  }>()
  const deeds = yield* FiberSet.make()
  const isCommitted = (runIds: ReadonlyArray<RunId>) =>
    Effect.map(sql.withTransaction(Effect.forEach(runIds, ledger.abortOf)), (found) =>
      found.some((origin) => origin !== undefined)
    )
  const carryOutNext = Effect.gen(function* () {
    const { carryOut, runIds } = yield* Queue.take(committed)
    // As a transaction the look waits for the one that it is about; one that was rolled back has noted nothing.
    const holds = yield* stored("looking for aborted turns", isCommitted(runIds))
    if (holds) yield* FiberSet.run(deeds, carryOut, { startImmediately: true })
  })
  yield* supervisor.supervise("turns/aborts", Effect.forever(carryOutNext), { restart: "always" })

  const endAll = Effect.fnUntraced(function* (sessionKey: SessionKey, how: Ending) {
    const targets = yield* ledger.requestAbort(sessionKey, how.origin, how.runIds)
    const runIds = targets.map((target) => target.runId)
    const deeds = yield* Effect.forEach(targets, (target) => endOne(target, how))
    const done = yield* Deferred.make<void>()
    // What only waited is told first; the running turn may take its time.
    const carryOut = Effect.forEach(deeds.toReversed(), (deed) => deed, { discard: true }).pipe(
      Effect.ensuring(Deferred.succeed(done, undefined))
    )
    if (runIds.length > 0) yield* Queue.offer(committed, { runIds, carryOut })
    const waits = Effect.asVoid(Effect.timeoutOption(Deferred.await(done), abortPatience))
    return { runIds, carryOut: runIds.length === 0 ? Effect.void : waits }
  })

  const requestAbort: Turns["Service"]["requestAbort"] = Effect.fn("Turns.requestAbort")(
    (sessionKey, { origin, runId, seal }) =>
      endAll(sessionKey, {
        origin,
        ...(runId === undefined ? undefined : { runIds: [runId] }),
        ...(seal === undefined ? undefined : { seal })
      }),
    (effect) => sql.withTransaction(effect),
    Effect.mapError(notAccepted("ending the turn"))
  )

  /** Enters a turn as part of the caller's transaction. `false` when it was entered before. */
  const enter = Effect.fnUntraced(function* (request: TurnRequest, foldable: boolean) {
    if (yield* ledger.enter(request, foldable)) return true
    if (isSame(request, (yield* ledger.find(request.runId))?.request)) return false
    return yield* new RunIdConflict({ runId: request.runId })
  })

  /** What nobody began a trace for begins one here. */
  const traced = <A, E>({ agentId, runId }: TurnRequest, effect: Effect.Effect<A, E>) =>
    Effect.flatMap(CurrentFlow, (flow) =>
      flow === undefined ? tracing.span("admit", { runId, attributes: { agentId } }, () => effect) : effect
    )

  const submit: Turns["Service"]["submit"] = Effect.fn("Turns.submit")(
    function* (request, queue) {
      return yield* Effect.gen(function* () {
        const { runId, sessionKey } = request
        if (!(yield* enter(request, queue !== undefined))) return false
        if (queue !== undefined) {
          const ends = yield* ledger.queue.arrange(request, queue)
          if (ends.length > 0) yield* endAll(sessionKey, { origin: "interrupt", runIds: ends, into: runId })
        }
        yield* actor(sessionKey).turn({ runId }, { discard: true })
        return true
      }).pipe(sql.withTransaction, (effect) => traced(request, effect))
    },
    Effect.mapError(accepted("storing the message"))
  )

  const anew: Turns["Service"]["anew"] = Effect.fn("Turns.anew")(
    function* (sessionKey, asked) {
      const carryOut = yield* Effect.gen(function* () {
        if (asked !== undefined) {
          if (!(yield* enter(asked.request, false))) return undefined
          yield* ledger.finish(Outcomes.answeredOutcome(asked.request, asked.answer))
        }
        const ended = yield* endAll(sessionKey, { origin: "stop", seal: true })
        yield* sessions.reset(sessionKey)
        return ended.carryOut
      }).pipe(sql.withTransaction)
      if (carryOut !== undefined) yield* carryOut
      return carryOut !== undefined
    },
    Effect.mapError(accepted("beginning a new conversation"))
  )

  const abort: Turns["Service"]["abort"] = Effect.fn("Turns.abort")(function* (sessionKey, how) {
    const { carryOut, runIds } = yield* Effect.orDie(requestAbort(sessionKey, how))
    yield* carryOut
    return runIds
  })

  const inFlight: Turns["Service"]["inFlight"] = Effect.fn("Turns.inFlight")(function* (sessionKey) {
    const turn = yield* Effect.orDie(ledger.running(sessionKey))
    return turn === undefined ? undefined : { ...turn, text: (yield* runner.partialText(turn.runId))?.text ?? "" }
  })

  return {
    submit,
    await: awaitTurn,
    find,
    knows,
    requestAbort,
    abort,
    anew,
    inFlight,
    waiting: Effect.fn("Turns.waiting")((sessionKey) => Effect.orDie(ledger.waiting(sessionKey))),
    active: Effect.orDie(ledger.countActive),
    settle: Effect.fn("Turns.settle")(running.settle)
  }
})

/** What runs the turns, in a scope of its own that `suspend` closes. */
class Running extends Context.Service<Running, Effect.Success<ReturnType<typeof make>>>()(
  "openclaw/layers/turns/Running"
) {}

const suspendable = <R>(running: Layer.Layer<Running, never, R>): Layer.Layer<Turns, never, R> =>
  Layer.effect(
    Turns,
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope)
      const turns = Context.get(yield* Layer.buildWithScope(running, scope), Running)
      const stopping = new TurnNotAccepted({ message: "the Gateway is stopping; send it again once it is back" })
      const open = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.suspend((): Effect.Effect<A, E | TurnNotAccepted> =>
          scope.state._tag === "Closed" ? Effect.fail(stopping) : effect
        )
      return {
        ...turns,
        submit: (request, queue) => open(turns.submit(request, queue)),
        anew: (sessionKey, asked) => open(turns.anew(sessionKey, asked)),
        await: (runId, sessionKey) => open(turns.await(runId, sessionKey)),
        settle: turns.settle,
        suspend: Effect.withSpan(Scope.close(scope, Exit.void), "Turns.suspend")
      }
    })
  )

const runningOn = (options: TurnsOptions): Layer.Layer<Running, never, Needs | Engine.Engine> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const ledger = yield* Ledger.make
      const running = RunningTurns.make()
      const settings = { ...defaults, ...options }
      const trials = yield* Trials.make(ledger, settings.maxAttempts, settings.trials)
      const execute = yield* TurnWorkflow.make(ledger, running, trials, settings)
      return Layer.effect(Running, make(ledger, running, settings)).pipe(
        Layer.provide(SessionActor.layer(ledger, yield* GivingUp.makeTell)),
        Layer.provide(TurnWorkflow.TurnWorkflow.toLayer(execute))
      )
    })
  )

/** Turns on an engine of the caller's choice. */
export const layerOn = (options: TurnsOptions = {}): Layer.Layer<Turns, never, Needs | Engine.Engine> =>
  suspendable(runningOn(options))

/** Turns in this process alone, kept in the database of the `SqlClient`. */
export const layer = (options: TurnsOptions & Engine.EngineOptions = {}): Layer.Layer<Turns, never, Needs> =>
  suspendable(runningOn(options).pipe(Layer.provide(Engine.layer({ shutdownGraceMs, ...options }))))
