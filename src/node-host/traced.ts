/**
 * A command that a Gateway asked for, as a span below the Gateway's own.
 */
import { randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { TracerEnabled } from "effect/References"
import * as Tracer from "effect/Tracer"
import { parse } from "../domain/TraceContext.ts"
import type { NodeSpan } from "../protocol/methods/nodes.ts"
import { CurrentFlow } from "../services/Tracing.ts"

export interface Traced<A> {
  readonly value: A
  /** What the Gateway is told of it; nothing where it named no trace. */
  readonly trace?: NodeSpan
}

/** Runs it where `traceparent` says; whatever else is sent there is as good as none. Log lines name the trace. */
export const traced = <A, E, R>(
  traceparent: string | undefined,
  command: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Traced<A>, E, R> => {
  const parent = parse(traceparent)
  if (parent === undefined) return Effect.map(effect, (value) => ({ value }))
  const run = Effect.fnUntraced(function* (spanId: string) {
    const clock = yield* Clock.Clock
    const began = clock.monotonicTimeNanosUnsafe()
    const flow = { ...parent, spanId, parentSpanId: parent.spanId }
    const value = yield* Effect.provideService(effect, CurrentFlow, flow)
    const tookMs = Number(clock.monotonicTimeNanosUnsafe() - began) / 1e6
    return { value, trace: { spanId, tookMs: Math.round(tookMs * 1000) / 1000 } }
  })
  return Effect.flatMap(TracerEnabled, (enabled) =>
    enabled
      ? Effect.useSpan(
          "openclaw.node",
          { kind: "server", parent: Tracer.externalSpan(parent), attributes: { command } },
          (span) => Effect.withParentSpan(run(span.spanId), span)
        )
      : Effect.suspend(() => run(randomBytes(8).toString("hex")))
  )
}
