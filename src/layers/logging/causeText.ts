/**
 * A cause as text: what was foreseen on one line, a stack only for what was not. Stands alone, so that a command that
 * answers and ends loads nothing else of the log.
 */
import * as Cause from "effect/Cause"

export type Foreseen = Error & { readonly _tag: string }

/** One of the errors that the program names; where it was made says nothing that its message does not. */
export const isForeseen = (error: unknown): error is Foreseen =>
  error instanceof Error && "_tag" in error && typeof error._tag === "string"

/** Its message, behind its name. */
export const failureText = (error: Foreseen): string =>
  error.message === "" ? error._tag : `${error._tag}: ${error.message}`

/** Failures by their message, a line each; defects, and errors without a name, with their stack. */
export const causeText = (cause: Cause.Cause<unknown>): string => {
  const foreseen = cause.reasons.flatMap((reason) =>
    Cause.isFailReason(reason) && isForeseen(reason.error) ? [failureText(reason.error)] : []
  )
  const others = cause.reasons.filter(
    (reason) => !(Cause.isFailReason(reason) && isForeseen(reason.error)) && !Cause.isInterruptReason(reason)
  )
  if (foreseen.length === 0) return Cause.pretty(cause)
  return [...foreseen, ...(others.length === 0 ? [] : [Cause.pretty(Cause.fromReasons(others))])].join("\n")
}
