import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import JSON5 from "json5"
import { getAt, isTree, parsePath, type Path } from "../../../layers/config/path.ts"
import { mergePatch } from "../../../layers/config/wire/mergePatch.ts"
import { Config } from "../../../services/Config.ts"
import { CommandFailed } from "../../errors.ts"
import { plain } from "../../output.ts"
import * as State from "../../state.ts"
import { refused, report } from "./change.ts"

interface SetFlags {
  readonly path: string
  readonly value: string
  readonly strictJson: boolean
  readonly merge: boolean
  readonly replace: boolean
}

/** `19001` is a number, `"19001"` and `abc` are texts; strictly, `abc` is wrong. */
const valueOf = ({ strictJson, value }: SetFlags): Result.Result<unknown, CommandFailed> => {
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

export const run = Effect.fn("cli.config.set")(function* (flags: SetFlags) {
  if (flags.merge && flags.replace) {
    return yield* new CommandFailed({ message: "--merge and --replace exclude each other.\nFix: give one of them." })
  }
  const config = yield* Config
  const given = yield* Effect.fromResult(valueOf(flags))
  // What is wrong with a path is said when it is set.
  const at = Result.getOrElse(parsePath(flags.path), (): Path => [])
  const value = yield* Effect.fromResult(wanted(flags, at, getAt(yield* config.raw, at), given))
  yield* Effect.mapError(config.set(flags.path, value), refused(config))
  yield* report(config, "updated", flags.path)
}, Effect.provide(State.config))
