/**
 * JSON that people type as a flag.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { CommandFailed } from "./errors.ts"

const parse = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

/** The value of a flag that holds JSON. The text itself is not repeated: it may hold a secret. */
export const parseJson = (flag: string, text: string): Effect.Effect<unknown, CommandFailed> =>
  Effect.mapError(
    Effect.fromOption(parse(text)),
    () =>
      new CommandFailed({
        message: `${flag} must be valid JSON.\nFix: quote it for the shell, for example ${flag} '{"key":"value"}'.`
      })
  )
