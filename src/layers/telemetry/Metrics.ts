/**
 * What the Gateway counts, and looks at when somebody asks for it.
 */
import { monitorEventLoopDelay } from "node:perf_hooks"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as SqlClient from "effect/sql/SqlClient"
import { Spans } from "../tracing/Tracing.ts"
import * as Series from "./series.ts"

/** Milliseconds between two looks at the event loop's delay; what it records has them in it. */
const RESOLUTION = 20

export class Metrics extends Context.Service<
  Metrics,
  {
    /** Looks at queues, memory and the event loop. What cannot be looked at keeps what was known. */
    readonly look: Effect.Effect<void>
    /** All of it as Prometheus reads it, looked at just now. */
    readonly text: Effect.Effect<string>
    /** A connection finished the handshake (1) or ended (-1); `again`: its device was here before. */
    readonly connected: (role: string, by: 1 | -1, again?: boolean) => void
  }
>()("openclaw/layers/telemetry/Metrics") {}

interface Depths {
  readonly inbox: number
  readonly sessions: number
  readonly outbox: number
}

const late = (nanos: number): number => Math.max(0, nanos / 1e9 - RESOLUTION / 1e3)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const spans = yield* Spans
  const context = yield* Effect.context<never>()
  const clock = yield* Clock.Clock
  const startedAt = clock.currentTimeMillisUnsafe()
  const series = Series.make(context)
  const stop = spans.listen(series.count)
  yield* Effect.addFinalizer(() => Effect.sync(stop))

  const sizes = new Map<string, number>()
  const connects = new Map<string, number>()
  const raise = (counts: Map<string, number>, key: string, by: number): number => {
    const next = (counts.get(key) ?? 0) + by
    counts.set(key, next)
    return next
  }

  // Nobody pays for it who does not look: it measures from the first look on.
  let delay: ReturnType<typeof monitorEventLoopDelay> | undefined
  yield* Effect.addFinalizer(() => Effect.sync(() => delay?.disable()))
  const lookAtDelay = () => {
    if (delay === undefined) {
      delay = monitorEventLoopDelay({ resolution: RESOLUTION })
      delay.enable()
      return
    }
    if (delay.count === 0) return
    series.set("delay", { quantile: "0.5" }, late(delay.percentile(50)))
    series.set("delay", { quantile: "0.99" }, late(delay.percentile(99)))
    series.set("delay", { quantile: "1" }, late(delay.max))
    delay.reset()
  }

  const depths = sql<Depths>`
    SELECT
      (SELECT COUNT(*) FROM channel_inbox WHERE message IS NOT NULL AND set_aside_at IS NULL) AS inbox,
      (SELECT COUNT(*) FROM turns WHERE finished_at IS NULL) AS sessions,
      (SELECT COUNT(*) FROM channel_outbox WHERE state = 'sending') AS outbox`

  const look = Effect.gen(function* () {
    const { arrayBuffers, external, heapTotal, heapUsed, rss } = process.memoryUsage()
    const kinds = { rss, heap_used: heapUsed, heap_total: heapTotal, external, array_buffers: arrayBuffers }
    for (const [kind, bytes] of Object.entries(kinds)) series.set("memory", { kind }, bytes)
    series.set("uptime", {}, (clock.currentTimeMillisUnsafe() - startedAt) / 1000)
    lookAtDelay()
    const [found] = yield* depths
    if (found === undefined) return
    for (const lane of ["inbox", "sessions", "outbox"] as const) series.set("queue", { lane }, found[lane])
  }).pipe(Effect.catch((error) => Effect.logDebug(`the queues were not counted: ${error.message}`)))

  const prometheus = Effect.promise(() => import("effect/observability/PrometheusMetrics"))
  return Metrics.of({
    look,
    text: Effect.andThen(
      look,
      Effect.map(prometheus, ({ formatUnsafe }) => formatUnsafe(context))
    ),
    connected: (role, by, again = false) => {
      series.set("connections", { role }, raise(sizes, role, by))
      if (by < 0) return
      const kind = again ? "again" : "first"
      series.set("connects", { role, kind }, raise(connects, `${role} ${kind}`, 1))
    }
  })
})

/**
 * Where a Gateway counts: in a registry of its own, so that several of one process are told apart, or in the one that the app
 * provides. Effect's own, which all have that say nothing, is nobody's choice.
 */
export const registry: Layer.Layer<never> = Layer.effect(
  Metric.MetricRegistry,
  Effect.map(Metric.MetricRegistry, (given) =>
    given === Context.get(Context.empty(), Metric.MetricRegistry) ? new Map() : given
  )
)

export const layer: Layer.Layer<Metrics, never, SqlClient.SqlClient | Spans> = Layer.effect(Metrics, make)
