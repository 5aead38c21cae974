import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { Config } from "../../../services/Config.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { count, plain, print, tilde } from "../../output.ts"
import * as State from "../../state.ts"

/** Keys that OpenClaw has and this Gateway does not are no fault: they stay in the file and are listed. */
export const run = Effect.fn("cli.config.validate")(function* () {
  const fs = yield* FileSystem.FileSystem
  const { home } = yield* Environment
  const config = yield* Config
  const shown = tilde(config.file, home)
  if (!(yield* Effect.orElseSucceed(fs.exists(config.file), () => false))) {
    return yield* new CommandFailed({
      message: `Config file not found: ${shown}\nFix: \`openclaw config set gateway.mode local\` makes one.`
    })
  }
  yield* config.get
  const unused = yield* config.unusedKeys
  yield* print({ valid: true, path: config.file, unusedKeys: unused }, () =>
    [
      `Config valid: ${shown}`,
      ...(unused.length === 0
        ? []
        : [`${count(unused.length, "key")} kept but not used here:`, ...unused.map((path) => `  ${plain(path)}`)])
    ].join("\n")
  )
}, Effect.provide(State.config))
