import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import JSON5 from "json5"
import { Config } from "../../../services/Config.ts"
import { plain, print } from "../../output.ts"
import * as State from "../../state.ts"

/** `19001` is a number, `"19001"` and `abc` are texts. */
const valueOf = (text: string): unknown =>
  Result.getOrElse(
    Result.try((): unknown => JSON5.parse(text)),
    () => text
  )

/** Says what was set, not to what: the value may be a secret. */
export const run = Effect.fn("cli.config.set")(function* (flags: { readonly path: string; readonly value: string }) {
  const config = yield* Config
  yield* config.set(flags.path, valueOf(flags.value))
  yield* print(
    { updated: flags.path, path: config.file },
    () => `Updated ${plain(flags.path)}. Restart the Gateway to apply.`
  )
}, Effect.provide(State.config))
