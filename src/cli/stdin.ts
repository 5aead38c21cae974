/**
 * What is given by standard input: secrets above all, which other users of the machine could read on a command line.
 */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { CommandFailed } from "./errors.ts"

/** All of it, as text. */
export const readStdin = Effect.gen(function* () {
  const { stdin } = yield* Stdio.Stdio
  return yield* Effect.mapError(
    Stream.mkString(Stream.decodeText(stdin)),
    ({ message }) =>
      new CommandFailed({ message: `standard input cannot be read: ${message}.\nFix: give the value another way.` })
  )
})
