import * as Effect from "effect/Effect"
import { print } from "../../output.ts"
import * as State from "../../state.ts"

export const run = Effect.fn("cli.config.file")(function* () {
  const { configFile } = yield* State.plan
  yield* print({ path: configFile }, () => configFile)
})
