import * as Effect from "effect/Effect"
import { Config } from "../../../services/Config.ts"
import { CommandFailed } from "../../errors.ts"
import { plain } from "../../output.ts"
import * as State from "../../state.ts"
import { refused, report } from "./change.ts"

export const run = Effect.fn("cli.config.unset")(function* (flags: { readonly path: string }) {
  const config = yield* Config
  if (!(yield* Effect.mapError(config.unset(flags.path), refused(config)))) {
    return yield* new CommandFailed({
      message: `Config path not found: ${plain(flags.path)}. Nothing was changed.\nFix: \`openclaw config get\` shows what is set.`
    })
  }
  yield* report(config, "removed", flags.path)
}, Effect.provide(State.config))
