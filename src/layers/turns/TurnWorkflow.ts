/**
 * A turn as a workflow: record the message, run the agent, keep its result, deliver the reply, close the book.
 *
 * After the process died the workflow starts again from the top; what was finished is remembered by the engine (steps,
 * delivery), the book (result) or the transcript (dedupe keys), so only the interrupted part happens again.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Clock from "effect/Clock"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import { AgentRunner, type PartialText, type TurnSteps } from "../../services/AgentRunner.ts"
import { Channels } from "../../services/ChannelRouter.ts"
import { EventBus } from "../../services/EventBus.ts"
import { Sessions } from "../../services/Sessions.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { carried } from "../../services/Tracing.ts"
import { type AbortOrigin, TurnOutcome, TurnRequest } from "../../services/Turns.ts"
import { leftOf, sleepAwake } from "../awake.ts"
import * as Beginning from "./Beginning.ts"
import * as Charging from "./Charge.ts"
import * as Delivery from "./Delivery.ts"
import * as GivingUp from "./GivingUp.ts"
import type { Begun, Ledger } from "./Ledger.ts"
import * as Incoming from "./Incoming.ts"
import * as OpenCalls from "./openCalls.ts"
import * as Outcomes from "./Outcomes.ts"
import { engineStored, stored } from "./Patience.ts"
import type { Running, RunningTurn } from "./Running.ts"
import * as Traced from "./traced.ts"
import type { Pass, TrialOptions, Trials } from "./Trials.ts"

export const TurnWorkflow = Workflow.make("Turn", {
  payload: TurnRequest,
  success: TurnOutcome,
  idempotencyKey: (request) => request.runId
})

export interface TurnOptions {
  /**
   * How often a turn is started before it is given up: one that kills the process must not do so for ever. An orderly stop
   * does not count.
   */
  readonly maxAttempts: number
  /** How long turns are tried alone after all attempts but one. */
  readonly trials: TrialOptions
  readonly delivery: Delivery.DeliveryPolicy
}

const noPass = (): Pass => ({ charged: false })

const nothingSaid: PartialText = { text: "", unstored: "", seq: 0 }

/** Milliseconds that a turn which was interrupted by a restart gets at least, however long the Gateway was away. */
const leastAfterRestartMs = 60_000

/** What the user reads when the fault is this program's. */
export const defectText = "Something went wrong inside the Gateway while I worked on this; its log has the details."

/** Nothing but interruption is the engine stopping: the turn is not over, it resumes later. */
export const isOwnFault = <E>(cause: Cause.Cause<E>): boolean => !Cause.hasInterruptsOnly(cause)

type EngineServices = WorkflowEngine.WorkflowEngine | WorkflowEngine.WorkflowInstance

/** The steps of a turn are activities of its workflow. */
const makeStep = Effect.fnUntraced(function* ({ checkpoint, working }: RunningTurn, charge: Charging.Charge) {
  const engine = yield* WorkflowEngine.WorkflowEngine
  const instance = yield* WorkflowEngine.WorkflowInstance
  const carry = yield* carried
  const step: TurnSteps["step"] = ({ execute, name, success }) =>
    Effect.suspend(() => {
      let isNew = false
      const noted = Effect.suspend(() => {
        isNew = true
        return carry(execute)
      })
      return engineStored(
        `keeping step ${name}`,
        Activity.make({ name: `step/${name}`, success, execute: noted })
      ).pipe(Effect.tap(() => (isNew ? charge.progress : Effect.void)))
    }).pipe(
      (keep) => Effect.andThen(checkpoint, working(keep, charge)),
      Effect.provideService(WorkflowEngine.WorkflowEngine, engine),
      Effect.provideService(WorkflowEngine.WorkflowInstance, instance)
    )
  return step
})

export const make = Effect.fnUntraced(function* (
  ledger: Ledger,
  running: Running,
  trials: Trials,
  options: TurnOptions
) {
  const sql = yield* SqlClient.SqlClient
  const runner = yield* AgentRunner
  const channels = yield* Channels
  const sessions = yield* Sessions
  const bus = yield* EventBus
  const supervisor = yield* Supervisor
  const givingUp = yield* GivingUp.make
  const incoming = yield* Incoming.make(ledger)
  const outbox = yield* Delivery.makeLook
  const traced = yield* Traced.make

  const ending = (request: TurnRequest, startedAt: number) =>
    Effect.map(Effect.andThen(OpenCalls.close(request), runner.partialText(request.runId)), (partial) => ({
      request,
      startedAt,
      partial: partial ?? nothingSaid
    }))
  const provided = Effect.provideService(Sessions, sessions)
  const conclude = {
    aborted: (request: TurnRequest, startedAt: number, origin: AbortOrigin) =>
      stored(
        "recording an aborted turn",
        Effect.flatMap(ending(request, startedAt), (run) => Outcomes.aborted(run, origin))
      ).pipe(provided, Effect.provideService(EventBus, bus)),
    failed: (request: TurnRequest, startedAt: number, error: string, text: string) =>
      stored(
        "recording a failed turn",
        Effect.flatMap(ending(request, startedAt), (run) => Outcomes.failed(run, error, text))
      ).pipe(provided, Effect.provideService(EventBus, bus))
  }

  const isGuilty = ({ attempts }: Begun): boolean => attempts > options.maxAttempts

  const begin = yield* Beginning.make(ledger, incoming, isGuilty)

  /** The agent's result, or how the turn ended without one. Interruption from outside leaves the turn to be resumed. */
  const run = Effect.fnUntraced(function* (
    request: TurnRequest,
    begun: Begun,
    turn: RunningTurn,
    charge: Charging.Charge
  ) {
    const { startedAt } = begun
    const steps: TurnSteps = {
      step: yield* makeStep(turn, charge),
      waits: (wait) => turn.waiting(wait, charge),
      incoming: incoming.of(request)
    }
    const limit = request.timeoutMs ?? 0
    const remaining = leftOf(limit, startedAt, yield* Clock.currentTimeMillis, leastAfterRestartMs)

    const agent = runner.run(request, steps).pipe(
      Effect.map((outcome) => ({ _tag: "outcome", outcome }) as const),
      Effect.catchCauseIf(isOwnFault, (cause) => Effect.succeed({ _tag: "died", cause } as const))
    )
    const stop = Effect.map(Deferred.await(turn.abort), (origin) => ({ _tag: "aborted", origin }) as const)
    const timeout = Effect.as(sleepAwake(remaining), { _tag: "timeout" } as const)
    const ended = yield* Effect.raceAllFirst([agent, stop, ...(limit === 0 ? [] : [timeout])])
    switch (ended._tag) {
      case "outcome":
        return ended.outcome
      case "died":
        yield* Effect.logError(`turn ${request.runId} in ${request.sessionKey} died`, ended.cause)
        return yield* conclude.failed(request, startedAt, "TurnDefect", defectText)
      case "aborted":
        return yield* conclude.aborted(request, startedAt, ended.origin)
      case "timeout":
        return yield* conclude.failed(
          request,
          startedAt,
          "TurnTimedOut",
          `I stopped, because this took longer than ${Duration.format(Duration.millis(limit))}.`
        )
    }
  })

  const abandon = ({ runId }: TurnRequest, reason: string) =>
    stored("giving up a reply", Effect.provideService(Delivery.abandon(runId, reason), Channels, channels))

  const giveUp = Effect.fnUntraced(function* (request: TurnRequest, begun: Begun) {
    const deaths = options.maxAttempts
    // There is a reply only if it was its delivery that stopped the Gateway.
    yield* abandon(request, `delivering it stopped the Gateway ${deaths} times`)
    const { executionId } = yield* WorkflowEngine.WorkflowInstance
    const others = yield* stored("reading messages of a turn", ledger.queue.inHand(request.sessionKey, request.runId))
    yield* givingUp.setAside(request, others, deaths, `Workflow/${TurnWorkflow._tag}/${executionId}`)
    return yield* conclude.failed(request, begun.startedAt, GivingUp.givenUp, GivingUp.textFor(deaths, others.length))
  })

  const decide = Effect.fnUntraced(function* (
    request: TurnRequest,
    begun: Begun,
    turn: RunningTurn,
    charge: Charging.Charge
  ) {
    // Also when its reply is there already: then it was the delivery that stopped the Gateway.
    const isOver = isGuilty(begun) && begun.outcome?.error !== GivingUp.givenUp
    if (begun.outcome !== undefined && (begun.abort || !isOver)) return begun.outcome
    const outcome = begun.abort
      ? yield* conclude.aborted(request, begun.startedAt, begun.abort)
      : isOver
        ? yield* giveUp(request, begun)
        : begun.queue === "dropped"
          ? yield* incoming.drop(request, begun.startedAt, conclude.failed)
          : yield* run(yield* incoming.withGathered(request, begun), begun, turn, charge)
    // Without a delivery the turn is finished next, and its result is kept with that.
    if (Delivery.isWanted(request, outcome)) yield* stored("keeping a turn's result", ledger.decide(outcome))
    if (Delivery.isWanted(request, outcome) && !isOver) yield* charge.progress
    return outcome
  })

  /** `undefined` when there was nothing to deliver. An abort ends the waiting for a channel that is away. */
  const deliver = Effect.fnUntraced(function* (
    request: TurnRequest,
    outcome: TurnOutcome,
    begun: Begun,
    turn: RunningTurn,
    charge: Charging.Charge
  ) {
    if (!Delivery.isWanted(request, outcome)) return undefined
    const aborted = { _tag: "NotDelivered", message: "aborted before it was delivered" } as const
    const takeBack = stored("taking back a reply", Delivery.withdraw(request.runId)).pipe(
      Effect.flatten,
      Effect.as(aborted),
      Effect.provideService(Channels, channels)
    )
    // The book is asked again, for an abort counts from its commit on, whoever was to carry it out.
    if (begun.abort ?? (yield* stored("looking for an abort", ledger.abortOf(request.runId)))) return yield* takeBack
    if (begun.attempts > 2 * options.maxAttempts) {
      yield* abandon(request, "delivering it stopped the Gateway each time")
      return { _tag: "NotDelivered", message: "delivering it stopped the Gateway each time" } as const
    }
    const waits = (wait: Effect.Effect<void>) => turn.working(turn.waiting(wait, charge), charge)
    const delivery = traced
      .delivery(request, outcome, { waits, since: outbox.since }, (waiting) =>
        Delivery.deliver(request, outcome, options.delivery, waiting)
      )
      .pipe(
        Effect.provideService(Channels, channels),
        Effect.catchCauseIf(isOwnFault, (cause) =>
          Effect.as(Effect.logError(`delivering the reply of turn ${request.runId} died`, cause), {
            _tag: "NotDelivered",
            message: "the channel broke while it sent the reply"
          } as const)
        )
      )
    const delivered = yield* Effect.raceFirst(delivery, Effect.as(Deferred.await(turn.abort), aborted))
    return delivered === aborted ? yield* takeBack : delivered
  })

  const finish = Effect.fnUntraced(function* (outcome: TurnOutcome) {
    const undelivered = outcome.undelivered === undefined ? undefined : `reply not delivered: ${outcome.undelivered}`
    const folded = yield* stored(
      "finishing a turn",
      sql.withTransaction(
        Effect.tap(ledger.finish(outcome), () =>
          sessions.touch(outcome.sessionKey, {
            status: Outcomes.statusOf(outcome, undelivered),
            lastRunError: undelivered ?? (outcome.status === "error" ? outcome.text : undefined),
            ...(outcome.model === undefined ? {} : { model: outcome.model }),
            ...(outcome.provider === undefined ? {} : { modelProvider: outcome.provider }),
            ...outcome.usage
          })
        )
      )
    )
    yield* Effect.forEach(folded, Outcomes.announceFolded, { discard: true }).pipe(Effect.provideService(EventBus, bus))
  })

  const typing = (request: TurnRequest): Effect.Effect<void, never, Scope.Scope> =>
    request.replyTo === undefined
      ? Effect.void
      : channels.typing(request.replyTo.peer).pipe(
          Effect.catchCause((cause) =>
            Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logWarning("showing the typing action died", cause)
          ),
          Effect.forkScoped({ startImmediately: true }),
          Effect.asVoid
        )

  /** The process died between the last word's way out and the end of its turn. */
  const isShown = (request: TurnRequest, { outcome }: Begun) =>
    outcome === undefined || !Delivery.isWanted(request, outcome)
      ? Effect.succeed(false)
      : stored("looking for a reply", outbox.isSent(Delivery.keyFor(outcome)))

  const carryOut = Effect.fnUntraced(function* (
    request: TurnRequest,
    begun: Begun,
    turn: RunningTurn,
    charge: Charging.Charge
  ) {
    if (begun.outcome !== undefined && isGuilty(begun) && (yield* isShown(request, begun))) {
      yield* finish(begun.outcome)
      return begun.outcome
    }
    // A reply may have to wait for its channel; nobody is writing any more then.
    const decided = yield* Effect.scoped(Effect.andThen(typing(request), decide(request, begun, turn, charge)))
    const delivered = yield* deliver(request, decided, begun, turn, charge)
    const outcome = delivered?._tag === "NotDelivered" ? { ...decided, undelivered: delivered.message } : decided
    yield* finish(outcome)
    return outcome
  })

  const execute = Effect.fn("Turn.execute")(function* (
    request: TurnRequest
  ): Effect.fn.Return<TurnOutcome, never, EngineServices | Scope.Scope> {
    const turn = yield* running.enter(request.runId)
    // A turn that was aborted only has to be told so.
    const isAborted = Deferred.await(turn.abort)
    const checked = Effect.raceFirst(turn.checkpoint, Effect.asVoid(isAborted))
    yield* checked
    // Who is to be ended need not wait for leave to begin.
    const pass = yield* Effect.raceFirst(turn.resting(trials.enter(request.runId)), Effect.as(isAborted, noPass()))
    // The end of the process may have begun while it waited.
    yield* checked
    const begun = yield* begin(request, pass.charged)
    if (begun.finished && begun.outcome !== undefined) return begun.outcome
    const charge = Charging.make(ledger, request.runId, pass, begun.attempts, running.isStopping)
    turn.lift = charge.lift
    if (running.isStopping()) yield* charge.lift
    // Only the engine interrupts a turn, and only for an orderly stop.
    const work = traced.turn(request, begun, carryOut(request, begun, turn, charge))
    return yield* Effect.onInterrupt(work, () => charge.lift)
  }, Effect.scoped)

  return (request: TurnRequest) => supervisor.track(`sessions/${request.sessionKey}`, request.runId, execute(request))
})
