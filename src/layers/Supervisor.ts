/**
 * The supervisor: runs named effects, restarts them by their policy, remembers why they died.
 *
 * Each run has a scope of its own, so what a run acquired is released before the next run begins. A run that lasted
 * `HEALTHY_MS` starts the waits over: a fiber that fails once a day is not treated like one that fails in a loop.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { SupervisedFiber, SupervisePolicy } from "../services/Supervisor.ts"
import { Supervisor } from "../services/Supervisor.ts"
import { Redactor, redactShapes } from "./logging/Redactor.ts"

const HEALTHY_MS = 60_000
const LONGEST_WAIT = Duration.seconds(30)

/** 250 ms doubling up to 30 s, each wait drawn evenly from zero to that (full jitter), so that crowds spread out. */
export const fullJitter: Schedule.Schedule<Duration.Duration> = Schedule.exponential("250 millis").pipe(
  Schedule.modifyDelay(({ duration }) =>
    Effect.map(Random.next, (random) => Duration.times(Duration.min(duration, LONGEST_WAIT), random))
  )
)

/** One line saying why a fiber ended, for the tree; the log has the whole cause. Redacted before it is cut, never after. */
const summary = (cause: Cause.Cause<unknown>, redact: (text: string) => string): string => {
  const line = (error: unknown) => (redact(textOf(error)).split("\n", 1)[0] ?? "").slice(0, 500)
  const defect = Cause.findDefect(cause)
  if (Result.isSuccess(defect)) return `defect: ${line(defect.success)}`
  const error = Cause.findErrorOption(cause)
  return Option.isSome(error) ? line(error.value) : "interrupted"
}

const textOf = (error: unknown): string => {
  if (typeof error === "string") return error
  const tag = typeof error === "object" && error !== null && "_tag" in error ? `${String(error._tag)}: ` : ""
  return `${tag}${error instanceof Error ? error.message || error.name : Cause.pretty(Cause.die(error))}`
}

type Row = { -readonly [K in keyof SupervisedFiber]: SupervisedFiber[K] }

/** What follows the end of a run. */
type Verdict = "restart" | "done" | "failed"

const verdict = <E>(exit: Exit.Exit<unknown, E>, policy: SupervisePolicy<E>): Verdict => {
  if (Exit.isSuccess(exit)) return policy.restart === "always" ? "restart" : "done"
  if (policy.restart === "never") return "failed"
  const error = Cause.findErrorOption(exit.cause)
  const terminal = !Cause.hasDies(exit.cause) && Option.isSome(error) && policy.terminal?.(error.value) === true
  return terminal ? "failed" : "restart"
}

const askedWait = <E>(exit: Exit.Exit<unknown, E>, policy: SupervisePolicy<E>): Duration.Duration => {
  const error = Exit.isSuccess(exit) ? Option.none<E>() : Cause.findErrorOption(exit.cause)
  return Duration.millis(Option.isSome(error) ? (policy.retryAfterMs?.(error.value) ?? 0) : 0)
}

export const layer: Layer.Layer<Supervisor> = Layer.effect(
  Supervisor,
  Effect.gen(function* () {
    const rows = new Map<string, Row>()
    const redactor = yield* Effect.serviceOption(Redactor)
    const redact = Option.match(redactor, { onNone: () => redactShapes, onSome: (service) => service.redact })

    const enter = (row: Row, state: Row["state"]) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        row.state = state
        row.since = Math.max(0, now)
      })

    /** Every end of a run comes by here, so none is silent. Returns what follows. */
    const settle = Effect.fnUntraced(function* <E>(row: Row, exit: Exit.Exit<unknown, E>, policy: SupervisePolicy<E>) {
      const next = verdict(exit, policy)
      if (Exit.isSuccess(exit)) {
        const text = next === "restart" ? "ended, although it should run always" : "done"
        yield* next === "restart" ? Effect.logWarning(text) : Effect.logDebug(text)
        return next
      }
      row.lastCause = summary(exit.cause, redact)
      if (next === "failed") yield* Effect.logError("failed for good", exit.cause)
      else if (Cause.hasDies(exit.cause)) yield* Effect.logError("died of a defect", exit.cause)
      else yield* Effect.logWarning("failed", exit.cause)
      return next
    })

    const run = Effect.fnUntraced(function* <A, E, R>(
      row: Row,
      effect: Effect.Effect<A, E, R>,
      policy: SupervisePolicy<E>
    ) {
      const schedule = policy.schedule ?? fullJitter
      let step = yield* Schedule.toStep(schedule)
      while (true) {
        yield* enter(row, "running")
        const started = yield* Clock.currentTimeMillis
        const exit = yield* Effect.exit(Effect.scoped(effect))
        const next = yield* settle(row, exit, policy)
        if (next !== "restart") return yield* enter(row, next)
        const now = yield* Clock.currentTimeMillis
        if (now - started >= HEALTHY_MS) step = yield* Schedule.toStep(schedule)
        const input = Exit.isSuccess(exit) ? exit.value : Cause.squash(exit.cause)
        const wait = yield* Pull.matchEffect(step(now, input), {
          onSuccess: ([, delay]) => Effect.succeedSome(delay),
          onFailure: Effect.failCause,
          onDone: () => Effect.succeedNone
        })
        if (Option.isNone(wait)) {
          yield* Effect.logError(`given up after ${row.restarts} restarts`)
          return yield* enter(row, Exit.isSuccess(exit) ? "done" : "failed")
        }
        const pause = Duration.max(wait.value, askedWait(exit, policy))
        yield* enter(row, "backoff")
        yield* Effect.logInfo(
          `starts again in ${Duration.format(Duration.millis(Math.ceil(Duration.toMillis(pause))))}`
        )
        yield* Effect.sleep(pause)
        row.restarts += 1
      }
    })

    const supervise = Effect.fn("Supervisor.supervise")(function* <A, E, R>(
      name: string,
      effect: Effect.Effect<A, E, R>,
      policy: SupervisePolicy<E>
    ) {
      const scope = yield* Effect.scope
      const row: Row = { name, state: "running", restarts: 0, since: Math.max(0, yield* Clock.currentTimeMillis) }
      rows.set(name, row)
      // Added before the fork: finalizers run last in, first out, so the fiber has ended when its row goes.
      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => {
          if (rows.get(name) === row) rows.delete(name)
        })
      )
      const supervised = run(row, effect, policy).pipe(
        Effect.onExit((exit) => {
          if (Exit.isSuccess(exit) || !Cause.hasInterrupts(exit.cause)) return Effect.void
          // A scope that closes is an orderly end; a fiber interrupted by itself is worth a line.
          const line =
            scope.state._tag === "Closed" ? Effect.logDebug("stopped") : Effect.logInfo("stopped by interruption")
          const fault = Cause.hasDies(exit.cause) ? Effect.logError("died while it was stopped", exit.cause) : line
          return Effect.andThen(fault, enter(row, "stopped"))
        }),
        // Only the policy's own code (`terminal`, `schedule`) can bring us here.
        Effect.catchCauseIf(
          (cause) => !Cause.hasInterruptsOnly(cause),
          (cause) => {
            row.lastCause = summary(cause, redact)
            return Effect.andThen(Effect.logError("its supervision policy died", cause), enter(row, "failed"))
          }
        ),
        Effect.annotateLogs({ fiber: name })
      )
      return yield* Effect.forkIn(supervised, scope, { startImmediately: true })
    })

    const track = <A, E, R>(name: string, detail: string, effect: Effect.Effect<A, E, R>) =>
      Effect.acquireUseRelease(
        Effect.map(Clock.currentTimeMillis, (now) => {
          const row: Row = { name, state: "running", restarts: 0, since: Math.max(0, now), detail }
          rows.set(name, row)
          return row
        }),
        () => effect,
        (row) =>
          Effect.sync(() => {
            if (rows.get(name) === row) rows.delete(name)
          })
      )

    return {
      supervise,
      track,
      tree: Effect.sync(() =>
        [...rows.values()].map((row) => ({ ...row })).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
      )
    }
  })
)
