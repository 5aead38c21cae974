import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { Config, ConfigInvalid } from "../../../services/Config.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed, describe, exitCodeOf, NotWell } from "../../errors.ts"
import { Json } from "../../globals.ts"
import { count, plain, print, tilde } from "../../output.ts"
import * as State from "../../state.ts"

const check = Effect.fnUntraced(function* (config: Config["Service"], shown: string) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* Effect.orElseSucceed(fs.exists(config.file), () => false))) {
    return yield* new CommandFailed({
      message: `Config file not found: ${shown}\nFix: \`openclaw config set gateway.mode local\` makes one.`
    })
  }
  yield* config.get
  return yield* config.unusedKeys
})

const issuesOf = (error: unknown) =>
  error instanceof ConfigInvalid
    ? error.problems.map(({ expected, path, value }) => ({ path, message: `got ${value}, expected ${expected}` }))
    : []

/** Keys that OpenClaw has and this Gateway does not are no fault: they stay in the file and are listed. */
export const run = Effect.fn("cli.config.validate")(function* () {
  const { home } = yield* Environment
  const config = yield* Config
  const json = yield* Json
  const shown = tilde(config.file, home)
  const unused = yield* check(config, shown).pipe(
    Effect.tapError((error) =>
      json
        ? print(
            { ok: false, valid: false, path: config.file, issues: issuesOf(error), error: describe(error) },
            () => ""
          )
        : Effect.void
    ),
    Effect.catch((error) => Effect.fail(json ? new NotWell({ exitCode: exitCodeOf(error) }) : error))
  )
  yield* print({ valid: true, path: config.file, unusedKeys: unused }, () =>
    [
      `Config valid: ${shown}`,
      ...(unused.length === 0
        ? []
        : [`${count(unused.length, "key")} kept but not used here:`, ...unused.map((path) => `  ${plain(path)}`)])
    ].join("\n")
  )
}, Effect.provide(State.config))
