import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { getAt, type Path, parsePath, setAt } from "../../../layers/config/path.ts"
import { redactConfig } from "../../../layers/config/redact.ts"
import { unusedPaths } from "../../../layers/config/unused.ts"
import { Config } from "../../../services/Config.ts"
import { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { CommandFailed } from "../../errors.ts"
import { Json } from "../../globals.ts"
import { document, lines, plain } from "../../output.ts"
import * as State from "../../state.ts"

/** Whether the schema names the path: a file with nothing but it would hold no unused key. */
const isKnown = (path: Path): boolean =>
  Result.match(setAt({}, path, null), {
    onFailure: () => false,
    onSuccess: (tree) => unusedPaths(tree, OpenClawConfig.ast).length === 0
  })

/** Prints what the file says, as it stands there: a text as it is, anything else as JSON. */
export const run = Effect.fn("cli.config.get")(function* (flags: {
  readonly path: string | undefined
  readonly showSecrets: boolean
}) {
  const config = yield* Config
  const text = flags.path ?? ""
  const path =
    flags.path === undefined
      ? []
      : yield* Effect.mapError(
          Effect.fromResult(parsePath(text)),
          ({ expected }) => new CommandFailed({ message: `${plain(text)} is no path.\nFix: give ${expected}.` })
        )
  const value = path.length === 0 ? yield* config.raw : getAt(yield* config.raw, path)
  if (value === undefined) {
    return yield* new CommandFailed({
      message: isKnown(path)
        ? `${plain(text)} is not set; the default applies.\nFix: set it with \`openclaw config set ${plain(text)} <value>\`.`
        : `Unknown config path: ${plain(text)}.\nFix: check the spelling; \`openclaw config get\` prints the whole file.`
    })
  }
  const shown = flags.showSecrets ? value : redactConfig(value, path)
  yield* Console.log(typeof shown === "string" && !(yield* Json) ? lines(shown) : document(shown))
  if (document(shown) !== document(value)) {
    yield* Console.error("Secrets are not shown; --show-secrets prints them.")
  }
}, Effect.provide(State.config))
