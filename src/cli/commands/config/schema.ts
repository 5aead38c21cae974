import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { configJsonSchema } from "../../../layers/config/jsonSchema.ts"
import { document } from "../../output.ts"

/** Prints what this program knows of the file, as JSON Schema. */
export const run = Effect.fn("cli.config.schema")(function* () {
  yield* Console.log(document(configJsonSchema()))
})
