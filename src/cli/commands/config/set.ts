import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import JSON5 from "json5"
import { Config } from "../../../services/Config.ts"
import * as State from "../../state.ts"
import { refused, report } from "./change.ts"

/** `19001` is a number, `"19001"` and `abc` are texts. */
const valueOf = (text: string): unknown =>
  Result.getOrElse(
    Result.try((): unknown => JSON5.parse(text)),
    () => text
  )

export const run = Effect.fn("cli.config.set")(function* (flags: { readonly path: string; readonly value: string }) {
  const config = yield* Config
  yield* Effect.mapError(config.set(flags.path, valueOf(flags.value)), refused(config))
  yield* report(config, "updated", flags.path)
}, Effect.provide(State.config))
