/**
 * A span as it is kept: plain data. Pure.
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type { Attribute, Attributes, SpanName } from "../../services/Tracing.ts"

export interface SpanRecord {
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | undefined
  readonly name: SpanName
  readonly runId: string | undefined
  readonly sampled: boolean
  /** Unix milliseconds, with a fraction. */
  readonly startedAt: number
  /** Milliseconds; `undefined` while it goes on. */
  durationMs: number | undefined
  status: "open" | "ok" | "error" | "interrupted"
  error: string | undefined
  attributes: Record<string, Attribute>
}

/** An id or a name that came from outside is cut here. */
const MAX_TEXT = 256

/** Adds what is there; a long text is cut, and a number that is none is left out. */
export const addTo = (target: Record<string, Attribute>, attributes: Attributes): void => {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || (typeof value === "number" && !Number.isFinite(value))) continue
    target[key] = typeof value === "string" && value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value
  }
}

/** An error as another program names it: a code, or nothing of what it says. */
export const codeOf = (told: string): string => (/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(told) ? told : "Failure")

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string"
    ? error._tag
    : "Failure"

/** How a span ended by its exit; an error is told by its tag, and a message never. */
export const endOf = (exit: Exit.Exit<unknown, unknown>): { readonly status: SpanRecord["status"]; error?: string } => {
  if (Exit.isSuccess(exit)) return { status: "ok" }
  if (Cause.hasInterruptsOnly(exit.cause)) return { status: "interrupted" }
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  return { status: "error", error: failure === undefined ? "Defect" : tagOf(failure.error) }
}
