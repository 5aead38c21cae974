import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Prompt from "effect/cli/Prompt"
import * as Result from "effect/Result"
import JSON5 from "json5"
import { getAt, isTree, parsePath, type Path } from "../../../layers/config/path.ts"
import { isSecretPath } from "../../../layers/config/redact.ts"
import { mergePatch } from "../../../layers/config/wire/mergePatch.ts"
import { Config } from "../../../services/Config.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { plain } from "../../output.ts"
import * as State from "../../state.ts"
import { readStdin } from "../../stdin.ts"
import { refused, report } from "./change.ts"

interface SetFlags {
  readonly path: string
  /** `-`: from standard input. */
  readonly value: string | undefined
  readonly stdin: boolean
  readonly strictJson: boolean
  readonly merge: boolean
  readonly replace: boolean
}

/** `19001` is a number, `"19001"` and `abc` are texts; strictly, `abc` is wrong. */
const valueOf = (strictJson: boolean, value: string): Result.Result<unknown, CommandFailed> => {
  if (!strictJson) {
    return Result.succeed(
      Result.getOrElse(
        Result.try((): unknown => JSON5.parse(value)),
        () => value
      )
    )
  }
  return Result.try({
    try: (): unknown => JSON.parse(value),
    catch: () => new CommandFailed({ message: "the value is no JSON.\nFix: quote texts, or leave out --strict-json." })
  })
}

/** Maps and lists that people add to over time: a value that forgets some of it is rarely meant. */
const COLLECTIONS: ReadonlyArray<ReadonlyArray<string | undefined>> = [
  ["agents", "defaults", "models"],
  ["agents", "entries"],
  ["models", "providers"],
  ["models", "providers", undefined],
  ["models", "providers", undefined, "models"]
]

const isCollection = (path: Path): boolean =>
  COLLECTIONS.some(
    (each) => each.length === path.length && each.every((name, at) => name === undefined || name === path[at])
  )

const idsOf = (items: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  items.flatMap((item) => (isTree(item) && typeof item["id"] === "string" ? [item["id"]] : []))

/** The names of what is there and would not be any more. */
const lost = (own: unknown, given: unknown): ReadonlyArray<string> => {
  const names = (value: unknown) => (Array.isArray(value) ? idsOf(value) : isTree(value) ? Object.keys(value) : [])
  const left = new Set(names(given))
  return names(own).filter((name) => !left.has(name))
}

/** What is to stand at the path, given what stands there. */
const wanted = (flags: SetFlags, at: Path, own: unknown, given: unknown): Result.Result<unknown, CommandFailed> => {
  const path = plain(flags.path)
  if (flags.merge) {
    if (!isTree(given) && !Array.isArray(given)) {
      return Result.fail(
        new CommandFailed({ message: "--merge takes an object or a list.\nFix: leave it out to set another value." })
      )
    }
    const { losing, tree } = mergePatch({ value: own }, { value: given })
    return losing.length > 0
      ? Result.fail(
          new CommandFailed({
            message: `${path} has lists that cannot be merged, because their items have no ids.\nFix: give the whole list, without --merge.`
          })
        )
      : Result.succeed((tree as { readonly value: unknown }).value)
  }
  const names = flags.replace || !isCollection(at) ? [] : lost(own, given)
  return names.length === 0
    ? Result.succeed(given)
    : Result.fail(
        new CommandFailed({
          message: `${path} would lose ${names.map(plain).join(", ")}. Nothing was changed.\nFix: pass --merge to keep what is there, or --replace to let it go.`
        })
      )
}

/** On a terminal it is typed, shown as stars; elsewhere all of standard input is taken, without the line's end. */
const fromStdin = Effect.fnUntraced(function* (path: string) {
  const { interactive } = yield* Environment
  if (!interactive) return (yield* readStdin).replace(/\r?\n$/, "")
  const typed = yield* Effect.mapError(
    Prompt.run(Prompt.Password({ message: `${plain(path)} (shown as stars)` })),
    () => new CommandFailed({ message: "nothing was typed, and nothing was changed.\nFix: run the command again." })
  )
  return Redacted.value(typed)
})

/** What is given, and whether it is a secret's own text: `12345678` is then no number. */
const textOf = Effect.fnUntraced(function* ({ path, stdin, strictJson, value }: SetFlags, at: Path) {
  if (value !== undefined && value !== "-") {
    if (!stdin) return { text: value, isText: false }
    return yield* new CommandFailed({ message: "the value comes from one place.\nFix: give it, or --stdin." })
  }
  if (value === undefined && !stdin) {
    return yield* new CommandFailed({
      message: `there is no value for ${plain(path)}.\nFix: give one, or - to read it from standard input.`
    })
  }
  return { text: yield* fromStdin(path), isText: isSecretPath(at) && !strictJson }
})

export const run = Effect.fn("cli.config.set")(function* (flags: SetFlags) {
  if (flags.merge && flags.replace) {
    return yield* new CommandFailed({ message: "--merge and --replace exclude each other.\nFix: give one of them." })
  }
  const config = yield* Config
  // What is wrong with a path is said when it is set.
  const at = Result.getOrElse(parsePath(flags.path), (): Path => [])
  const { isText, text } = yield* textOf(flags, at)
  const given = isText ? text : yield* Effect.fromResult(valueOf(flags.strictJson, text))
  const value = yield* Effect.fromResult(wanted(flags, at, getAt(yield* config.raw, at), given))
  yield* Effect.mapError(config.set(flags.path, value), refused(config))
  yield* report(config, "updated", flags.path)
}, Effect.provide(State.config))
