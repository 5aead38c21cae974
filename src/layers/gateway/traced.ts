/**
 * A client's request as a span: of those that may begin a turn or a command, or that say themselves where they belong.
 */
import * as Effect from "effect/Effect"
import { parse } from "../../domain/TraceContext.ts"
import { CurrentFlow, type TracingShape } from "../../services/Tracing.ts"

/** Methods that something follows from. The others are too many, and nothing comes of them. */
const begins: ReadonlySet<string> = new Set([
  "agent",
  "chat.send",
  "node.invoke",
  "send",
  "sessions.compact",
  "system-event",
  "wake"
])

/** `traceparent` is the client's own word; one that is wrong is not heard. */
export const traced = <A, E, R>(
  tracing: TracingShape,
  method: string,
  traceparent: string | undefined,
  attributes: { readonly connId?: string; readonly client?: string },
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const parent = parse(traceparent)
  if (begins.has(method))
    return tracing.span("request", { parent, attributes: { method, ...attributes } }, () => effect)
  return parent === undefined ? effect : Effect.provideService(effect, CurrentFlow, parent)
}

/** One over HTTP that begins something; the header says where it belongs. */
export const tracedHttp = <A, E, R>(
  tracing: TracingShape,
  path: string,
  traceparent: string | undefined,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  tracing.span("request", { parent: parse(traceparent), attributes: { method: `POST ${path}` } }, () => effect)
