/**
 * What is given by standard input: secrets above all, which other users of the machine could read on a command line.
 */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { CommandFailed } from "./errors.ts"

/** Bytes; a secret or a section of the configuration is far shorter. */
export const MOST_BYTES = 1024 * 1024

/** All of it, as text. */
export const readStdin = Effect.gen(function* () {
  const { stdin } = yield* Stdio.Stdio
  const tooLong = new CommandFailed({
    message: "standard input is longer than any value (1 MB).\nFix: give the value, and nothing else."
  })
  return yield* stdin.pipe(
    Stream.mapError(
      ({ message }) =>
        new CommandFailed({ message: `standard input cannot be read: ${message}.\nFix: give the value another way.` })
    ),
    Stream.limitBytes(MOST_BYTES, () => Stream.fail(tooLong)),
    Stream.decodeText,
    Stream.mkString
  )
})
