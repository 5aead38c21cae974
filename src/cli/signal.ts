/**
 * Tells another process of this user something.
 */
import * as Effect from "effect/Effect"
import { CommandFailed } from "./errors.ts"

/** One that is gone by itself in the meantime needs no telling. `refused` makes the message of what the system answered. */
export const signal = (
  pid: number,
  name: NodeJS.Signals,
  refused: (code: string) => string
): Effect.Effect<void, CommandFailed> =>
  Effect.try({
    try: () => process.kill(pid, name),
    catch: (error) => (error instanceof Error && "code" in error ? String(error.code) : "unknown")
  }).pipe(
    Effect.catch((code) =>
      code === "ESRCH" ? Effect.void : Effect.fail(new CommandFailed({ message: refused(code) }))
    ),
    Effect.asVoid
  )
