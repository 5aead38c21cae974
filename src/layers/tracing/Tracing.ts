/**
 * Tracing in a Gateway: the recorder, and the fiber that brings its spans to the database.
 *
 * Spans are written a moment after they ended, many at a time: no turn waits for them, and a `kill -9` costs the last half
 * second of them. What is not lost is which trace a turn belongs to: that is in the turn's own row.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import type * as SqlClient from "effect/sql/SqlClient"
import { Config } from "../../services/Config.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { Traces } from "../../services/Traces.ts"
import { Tracing } from "../../services/Tracing.ts"
import type { SpanRecord } from "./record.ts"
import * as Recorder from "./Recorder.ts"
import * as Store from "./Store.ts"

/** Spans of this long are written together. */
const GATHER = "500 millis"
/** Spans that may wait for a database that does not take them; the oldest go. */
const MOST_WAITING = 10_000
/** Between two looks at what is to be forgotten there are so many spans, or so much time where fewer come. */
const PRUNE_AFTER = 2_000
const PRUNE_EVERY_MS = 60 * 60_000

/** The spans as they end, for whoever counts or exports them. */
export class Spans extends Context.Service<Spans, Recorder.Recorder>()("openclaw/layers/tracing/Spans") {}

const make = Effect.gen(function* () {
  const recorder = yield* Recorder.make
  const supervisor = yield* Supervisor
  const config = yield* Config
  const store = yield* Store.makeWrite
  const read = yield* Store.makeRead
  const arrived = yield* Latch.make()
  let waiting: Array<SpanRecord> = []
  let written = PRUNE_AFTER
  let prunedAt = 0
  /** Those that were written before they ended. */
  const begun = new Map<string, SpanRecord>()
  const writing = yield* Semaphore.make(1)

  const enable = config.get.pipe(
    Effect.map(({ diagnostics }) => recorder.enable(diagnostics?.enabled !== false)),
    Effect.ignore
  )
  yield* enable

  recorder.listen((span) => {
    begun.delete(span.spanId)
    waiting.push(span)
    if (waiting.length > MOST_WAITING) waiting.shift()
    if (waiting.length === 1) arrived.openUnsafe()
  })

  /**
   * Writes what ended, and what has begun and takes its time: it would not be seen until its end. Whoever comes meanwhile waits
   * for it, and whoever goes meanwhile takes nothing with him.
   */
  const flush = Effect.suspend(() => {
    const ended = waiting
    waiting = []
    arrived.closeUnsafe()
    const fresh = Array.from(recorder.open()).filter(({ spanId }) => !begun.has(spanId))
    // What goes on no more and did not end was dropped.
    const dropped = Array.from(begun.values()).filter(({ spanId }) => !recorder.isOpen(spanId))
    if (ended.length + fresh.length + dropped.length === 0) return Effect.void
    for (const span of fresh) begun.set(span.spanId, span)
    written += ended.length
    const work = Effect.andThen(store.forget(dropped), store.write([...ended, ...fresh]))
    const taken = Effect.tap(work, () =>
      Effect.sync(() => {
        for (const { spanId } of dropped) begun.delete(spanId)
      })
    )
    return Effect.catch(taken, (error) => {
      for (const { spanId } of fresh) begun.delete(spanId)
      // What the table does not take it never will.
      if (error.reason._tag === "ConstraintError") {
        return Effect.logWarning(`${ended.length} spans are not kept: ${error.message}`)
      }
      waiting = [...ended, ...waiting].slice(-MOST_WAITING)
      return Effect.logDebug(`spans wait for the database: ${error.message}`)
    })
  }).pipe(Effect.uninterruptible, writing.withPermit)

  const prune = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (written < PRUNE_AFTER && now - prunedAt < PRUNE_EVERY_MS) return
    written = 0
    prunedAt = now
    yield* Effect.catch(store.prune(now), (error) =>
      Effect.logDebug(`old spans are not forgotten yet: ${error.message}`)
    )
  })

  // A span that goes on for long ends in nothing that opens the latch, and a model call may take minutes: hence the timeout.
  const keep = Effect.forever(
    arrived.await.pipe(
      Effect.timeoutOption("5 seconds"),
      Effect.andThen(Effect.sleep(GATHER)),
      Effect.andThen(flush),
      Effect.andThen(prune),
      Effect.andThen(enable)
    )
  )
  yield* Effect.addFinalizer(() => Effect.ignoreCause(flush))
  yield* supervisor.supervise("tracing/store", keep, { restart: "always" })

  const find = (asked?: string) =>
    Effect.andThen(
      flush,
      read(asked, (spanId) => recorder.isOpen(spanId))
    )
  return Context.make(Tracing, recorder.tracing).pipe(
    Context.add(Spans, recorder),
    Context.add(Traces, Traces.of({ find }))
  )
})

/** Also the `Tracing` of everything above it. */
export const layer: Layer.Layer<Spans | Traces, never, Config | SqlClient.SqlClient | Supervisor> =
  Layer.effectContext(make)
