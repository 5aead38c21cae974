/**
 * The error that travels on the wire: OpenClaw's ErrorShape.
 *
 * Every typed error of a service ends here when it leaves by a WebSocket. `code` is what programs branch on, `message`
 * is what a person reads, `details.code` is the finer reason that OpenClaw's clients branch on during a handshake.
 */
import * as Schema from "effect/Schema"

/** The codes that OpenClaw 2026.9.6 was seen to send. */
export const ErrorCode = Schema.Literals([
  "INVALID_REQUEST",
  "FORBIDDEN",
  "NOT_PAIRED",
  "NOT_LINKED",
  "NOT_FOUND",
  "AGENT_TIMEOUT",
  "TIMEOUT",
  "CONFLICT",
  "UNAVAILABLE",
  "INTERNAL"
])
export type ErrorCode = typeof ErrorCode.Type

const shape = {
  message: Schema.NonEmptyString,
  details: Schema.optional(Schema.Unknown),
  /** The same request may succeed later. */
  retryable: Schema.optional(Schema.Boolean),
  /** Milliseconds to wait before that. */
  retryAfterMs: Schema.optional(Schema.Natural)
}

/** What is decoded: any code, so that a newer Gateway's errors are still readable. */
export const ErrorShape = Schema.Struct({ code: Schema.NonEmptyString, ...shape })
export type ErrorShape = typeof ErrorShape.Type

/** A request that failed: the error channel of every method in the table. */
export class GatewayError extends Schema.TaggedError<GatewayError>()("GatewayError", {
  code: Schema.NonEmptyString,
  ...shape
}) {
  /** The frame's `error` object. */
  get wire(): ErrorShape {
    const { code, details, message, retryAfterMs, retryable } = this
    return {
      code,
      message,
      ...(details === undefined ? undefined : { details }),
      ...(retryable === undefined ? undefined : { retryable }),
      ...(retryAfterMs === undefined ? undefined : { retryAfterMs })
    }
  }
}

type Extra = { readonly details?: unknown; readonly retryable?: boolean; readonly retryAfterMs?: number }

const make =
  (code: ErrorCode) =>
  (message: string, extra: Extra = {}): GatewayError =>
    new GatewayError({ code, message, ...extra })

export const invalidRequest = make("INVALID_REQUEST")
export const forbidden = make("FORBIDDEN")
export const notPaired = make("NOT_PAIRED")
export const notFound = make("NOT_FOUND")
export const timeout = make("TIMEOUT")
export const conflict = make("CONFLICT")
export const unavailable = make("UNAVAILABLE")
/** A defect's answer: it never carries the defect's own text, which is in the log. */
export const internal = (): GatewayError => make("INTERNAL")("internal error; the Gateway's log has the cause")

/** The answer to a call without the scope it needs. `details` is OpenClaw's MissingScopeErrorDetails. */
export const missingScope = (missing: string, required: ReadonlyArray<string> = [missing]): GatewayError =>
  forbidden(`missing scope: ${missing}`, {
    details: { code: "MISSING_SCOPE", missingScope: missing, requiredScopes: required }
  })
