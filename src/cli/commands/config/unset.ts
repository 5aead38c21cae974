import * as Effect from "effect/Effect"
import { Config } from "../../../services/Config.ts"
import { CommandFailed } from "../../errors.ts"
import { plain, print } from "../../output.ts"
import * as State from "../../state.ts"

export const run = Effect.fn("cli.config.unset")(function* (flags: { readonly path: string }) {
  const config = yield* Config
  if (!(yield* config.unset(flags.path))) {
    return yield* new CommandFailed({
      message: `Config path not found: ${plain(flags.path)}. Nothing was changed.\nFix: \`openclaw config get\` shows what is set.`
    })
  }
  yield* print(
    { removed: flags.path, path: config.file },
    () => `Removed ${plain(flags.path)}. Restart the Gateway to apply.`
  )
}, Effect.provide(State.config))
