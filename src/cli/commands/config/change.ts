/**
 * What `config set` and `config unset` have in common: how a change is refused, and what to know once it is made.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { formatPath, isWithin, type Path, parsePath } from "../../../layers/config/path.ts"
import { reloadKindOf } from "../../../layers/config/reload.ts"
import { suggestPath } from "../../../layers/config/unused.ts"
import { type Config, ConfigInvalid, type ConfigUnreadable } from "../../../services/Config.ts"
import { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { CommandFailed } from "../../errors.ts"
import { EXIT } from "../../exitCodes.ts"
import { Json } from "../../globals.ts"
import { count, plain, print } from "../../output.ts"

/** What says which Gateway this machine uses. */
const READ_BY_CLIENTS = ["gateway.mode", "gateway.remote"]

const concerns = (path: string, keys: ReadonlyArray<string>): boolean =>
  keys.some((key) => isWithin(key, path) || isWithin(path, key))

const pathOf = (text: string): Path => Result.getOrElse(parsePath(text), () => [])

/** A change that would not be valid is not the file's fault. */
export const refused =
  (config: Config["Service"]) =>
  (error: ConfigInvalid | ConfigUnreadable): CommandFailed | ConfigInvalid | ConfigUnreadable => {
    if (!(error instanceof ConfigInvalid) || error.problems.some(({ path }) => path === "")) return error
    const found = error.problems.map(({ expected, path, value }) => `  ${path}: got ${value}, expected ${expected}`)
    return new CommandFailed({
      exitCode: EXIT.misconfigured,
      message: `nothing was written to ${config.file}:\n${found.join("\n")}\nFix: give what is expected there; \`openclaw config get\` shows what is set.`
    })
  }

/** The keys at or under a path that nothing here reads, each with what was probably meant. */
const unusedAt = (unused: ReadonlyArray<string>, at: string): string | undefined => {
  const found = unused.filter((key) => isWithin(key, at) || isWithin(at, key))
  if (found.length === 0) return undefined
  return found
    .map((key) => {
      const meant = suggestPath(isWithin(key, at) ? pathOf(at) : pathOf(key), OpenClawConfig.ast)
      const hint = meant === undefined ? "" : ` Did you mean ${formatPath(meant)}?`
      return `${plain(key)} is not used by this Gateway; kept.${hint}`
    })
    .join("\n")
}

const stillWrong = (config: Config["Service"]) =>
  Effect.match(config.get, {
    onSuccess: () => undefined,
    onFailure: (error) =>
      error instanceof ConfigInvalid
        ? `The file still has ${count(error.problems.length, "problem")}; \`openclaw config validate\` lists them.`
        : error.message
  })

/** What becomes of a change that is read only at a Gateway's start. */
export const restartNote = (config: Config["Service"]) =>
  Effect.match(config.get, {
    onSuccess: ({ gateway }) => gateway?.reload?.mode !== "off",
    onFailure: () => false
  }).pipe(Effect.map((restarts) => `A running Gateway ${restarts ? "restarts" : "needs a restart"} for it.`))

/** Says what was changed, never to what: the value may be a secret. */
export const report = Effect.fnUntraced(function* (
  config: Config["Service"],
  what: "updated" | "removed",
  given: string
) {
  const at = formatPath(pathOf(given))
  const unused = unusedAt(yield* config.unusedKeys, at)
  const warnings = [unused, yield* stillWrong(config)].filter((warning) => warning !== undefined)
  const needsRestart = unused === undefined && reloadKindOf(at) === "restart"
  const isLive = unused === undefined && !needsRestart && !concerns(at, READ_BY_CLIENTS)
  const restart = yield* restartNote(config)
  const warning = warnings.length === 0 ? undefined : warnings.join("\n")
  yield* print(
    { [what]: given, path: config.file, needsRestart, warning },
    () =>
      `${what === "updated" ? "Updated" : "Removed"} ${plain(given)}.` +
      (needsRestart ? ` ${restart}` : "") +
      (isLive ? " A running Gateway needs no restart." : "")
  )
  if (warning !== undefined && !(yield* Json)) yield* Console.error(warning)
})
