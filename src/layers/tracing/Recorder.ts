/**
 * `Tracing`: makes the spans of the flow and hands each that ends to whoever keeps, counts or exports them.
 */
import { randomFillSync } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { TracerEnabled } from "effect/References"
import * as Tracer from "effect/Tracer"
import type { TraceContext } from "../../domain/TraceContext.ts"
import { CurrentFlow, type FlowContext, type FlowSpan, type TracingShape, untraced } from "../../services/Tracing.ts"
import { addTo, codeOf, endOf, type SpanRecord } from "./record.ts"

/** Random bytes are asked for by the page: one call of the system for 170 spans. */
const PAGE = 4_096

const makeHex = (): ((bytes: number) => string) => {
  const page = Buffer.alloc(PAGE)
  let at = PAGE
  return (bytes) => {
    if (at + bytes > PAGE) {
      randomFillSync(page)
      at = 0
    }
    at += bytes
    return page.toString("hex", at - bytes, at)
  }
}

/** Beyond this much between the two clocks the wall clock was set. */
const MOST_DRIFT_MS = 50

/** The wall clock with the fine steps of the one that only goes forward. */
export const makeNow = (clock: Clock.Clock): (() => number) => {
  const fine = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  let offset = clock.currentTimeMillisUnsafe() - fine()
  return () => {
    const wall = clock.currentTimeMillisUnsafe()
    const now = offset + fine()
    if (Math.abs(now - wall) <= MOST_DRIFT_MS) return now
    offset += wall - now
    return wall
  }
}

export type Listener = (span: SpanRecord) => void

export interface Recorder {
  readonly tracing: TracingShape
  /** Called with each span that ended, on the fiber that ended it. */
  readonly listen: (listener: Listener) => () => void
  /** Those that go on now. */
  readonly open: () => Iterable<SpanRecord>
  readonly isOpen: (spanId: string) => boolean
  /** Nothing is traced while it is off. */
  readonly enable: (enabled: boolean) => void
}

export const make: Effect.Effect<Recorder> = Effect.map(Clock.Clock, (clock): Recorder => {
  const hex = makeHex()
  const now = makeNow(clock)
  const open = new Map<string, SpanRecord>()
  const listeners = new Set<Listener>()
  let enabled = true

  const tell = (span: SpanRecord) => {
    for (const listener of listeners) listener(span)
  }

  const handle = (record: SpanRecord): FlowSpan & { readonly end: (exit: Exit.Exit<unknown, unknown>) => void } => {
    let failed: string | undefined
    let isDropped = false
    const context: FlowContext = {
      traceId: record.traceId,
      spanId: record.spanId,
      sampled: record.sampled,
      ...(record.parentId === undefined ? undefined : { parentSpanId: record.parentId }),
      ...(record.runId === undefined ? undefined : { runId: record.runId })
    }
    return {
      context,
      annotate: (attributes) => addTo(record.attributes, attributes),
      fail: (error) => {
        failed = error
      },
      child: ({ attributes, beforeEndMs, durationMs, error, name, spanId }) => {
        // The other's word: it does not take the place of one that goes on here.
        if (open.has(spanId)) return
        const child: SpanRecord = {
          traceId: record.traceId,
          spanId,
          parentId: record.spanId,
          name,
          runId: record.runId,
          sampled: record.sampled,
          startedAt: now() - beforeEndMs,
          durationMs,
          status: error === undefined ? "ok" : "error",
          error: error === undefined ? undefined : codeOf(error),
          attributes: {}
        }
        addTo(child.attributes, attributes)
        tell(child)
      },
      drop: () => {
        isDropped = true
      },
      end: (exit) => {
        open.delete(record.spanId)
        if (isDropped) return
        const { error, status } = endOf(exit)
        record.durationMs = Math.max(0, now() - record.startedAt)
        record.status = failed === undefined || status !== "ok" ? status : "error"
        record.error = error ?? failed
        tell(record)
      }
    }
  }

  const begin = (
    name: SpanRecord["name"],
    { sampled, spanId, traceId }: TraceContext,
    parent: TraceContext | undefined,
    runId: string | undefined
  ) => {
    const record: SpanRecord = {
      traceId,
      spanId,
      sampled,
      parentId: parent?.spanId,
      name,
      runId,
      startedAt: now(),
      durationMs: undefined,
      status: "open",
      error: undefined,
      attributes: {}
    }
    open.set(record.spanId, record)
    return { record, span: handle(record) }
  }

  const span: TracingShape["span"] = (name, options, use) =>
    Effect.withFiber((fiber) => {
      if (!enabled) return use(untraced)
      const within = fiber.getRef(CurrentFlow)
      const parent = options.root === true ? undefined : (options.parent ?? within)
      const runId = options.runId ?? within?.runId
      const run = (ids: TraceContext) => {
        const { record, span } = begin(name, ids, parent, runId)
        if (options.attributes !== undefined) addTo(record.attributes, options.attributes)
        const used = Effect.suspend(() => use(span))
        return {
          record,
          effect: Effect.onExit(Effect.provideService(used, CurrentFlow, span.context), (exit) =>
            Effect.sync(() => span.end(exit))
          )
        }
      }
      if (!fiber.getRef(TracerEnabled)) {
        const traceId = parent?.traceId ?? hex(16)
        return run({ traceId, spanId: hex(8), sampled: parent?.sampled ?? true }).effect
      }
      // The app's tracer makes the span, and this one is told by the same ids. Between the two may be spans of the app's own.
      const natural = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
      const isBelow = options.parent === undefined && natural?.traceId === within?.traceId
      const above =
        options.root === true
          ? { root: true }
          : isBelow || parent === undefined
            ? {}
            : { parent: Tracer.externalSpan(parent) }
      return Effect.useSpan(`openclaw.${name}`, above, (theirs) => {
        const { effect, record } = run(theirs)
        return Effect.onExit(Effect.withParentSpan(effect, theirs), () =>
          Effect.sync(() => {
            for (const [key, value] of Object.entries(record.attributes)) theirs.attribute(key, value)
          })
        )
      })
    })

  return {
    tracing: { span },
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    open: () => open.values(),
    isOpen: (spanId) => open.has(spanId),
    enable: (is) => {
      enabled = is
    }
  }
})
