/**
 * How the thread that serves everybody does: how late its timers are, how busy it and the whole process are.
 *
 * A histogram of the runtime collects all the time; a window of it ends with the first look a second after it began, so looking
 * costs a comparison. The Gateway's own look at its health ends one a minute at the latest.
 */
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EventLoopStatus } from "../../protocol/methods/system.ts"

/** Milliseconds between two looks of the histogram; what it records has them in it. */
const RESOLUTION = 50
const WINDOW_MS = 1_000

/** From here on it is said to be degraded. Milliseconds; shares of one. */
const LATE_MS = 1_000
const BUSY = 0.95
/** A busy processor alone harms nobody: timers have to be late too. */
const LATE_AND_BUSY_MS = 200

const round = (value: number, digits: number): number => Number(value.toFixed(digits))

/** What a window's numbers say. */
export const judge = (
  {
    cpuCoreRatio,
    delayMaxMs,
    delayP99Ms,
    intervalMs,
    utilization
  }: Omit<EventLoopStatus, "degraded" | "degradedSinceMs" | "reasons">,
  before: EventLoopStatus | undefined
): EventLoopStatus => {
  const reasons: EventLoopStatus["reasons"] = [
    ...(delayP99Ms >= LATE_MS ? (["event_loop_delay"] as const) : []),
    ...(utilization >= BUSY ? (["event_loop_utilization"] as const) : []),
    ...(cpuCoreRatio >= BUSY && delayP99Ms >= LATE_AND_BUSY_MS ? (["cpu"] as const) : [])
  ]
  const degraded = reasons.length > 0
  return {
    degraded,
    degradedSinceMs: degraded ? (before?.degraded === true ? (before.degradedSinceMs ?? 0) + intervalMs : 0) : null,
    reasons,
    intervalMs,
    delayP99Ms,
    delayMaxMs,
    utilization,
    cpuCoreRatio
  }
}

/** The latest window that ended; `undefined` until one has. Measures as long as the scope is open. */
export const make: Effect.Effect<() => EventLoopStatus | undefined, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const histogram = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const started = monitorEventLoopDelay({ resolution: RESOLUTION })
      started.enable()
      return started
    }),
    (started) => Effect.sync(() => started.disable())
  )
  const millis = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const late = (nanos: number) => round(Math.max(0, nanos / 1e6 - RESOLUTION), 1)
  let began = millis()
  let cpu = process.cpuUsage()
  let busy = performance.eventLoopUtilization()
  let latest: EventLoopStatus | undefined

  return () => {
    const intervalMs = millis() - began
    if (intervalMs < WINDOW_MS) return latest
    const used = process.cpuUsage(cpu)
    const isMeasured = histogram.count > 0
    latest = judge(
      {
        intervalMs: Math.round(intervalMs),
        delayP99Ms: isMeasured ? late(histogram.percentile(99)) : 0,
        delayMaxMs: isMeasured ? late(histogram.max) : 0,
        utilization: round(performance.eventLoopUtilization(busy).utilization, 3),
        cpuCoreRatio: round((used.user + used.system) / 1000 / intervalMs, 3)
      },
      latest
    )
    began += intervalMs
    cpu = process.cpuUsage()
    busy = performance.eventLoopUtilization()
    histogram.reset()
    return latest
  }
})
