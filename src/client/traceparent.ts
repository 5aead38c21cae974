/**
 * What a request tells of the trace that it belongs to.
 */
import * as Effect from "effect/Effect"
import { format, type TraceContext } from "../domain/TraceContext.ts"
import { CurrentFlow } from "../services/Tracing.ts"

/** A property of the frame; none where nothing is traced, and none of spans that nobody reads: Effect's own tracer keeps none. */
export const traceparent: Effect.Effect<{ readonly traceparent: string } | undefined> = Effect.withFiber((fiber) => {
  const { span, tracer, tracerEnabled } = fiber.cache
  const read: TraceContext | undefined = tracerEnabled && tracer !== undefined ? span : undefined
  const found = fiber.getRef(CurrentFlow) ?? read
  return Effect.succeed(found === undefined ? undefined : { traceparent: format(found) })
})
