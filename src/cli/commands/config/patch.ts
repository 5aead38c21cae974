import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import JSON5 from "json5"
import { isTree, parsePath, type Path, unsetAt } from "../../../layers/config/path.ts"
import { needsRestart } from "../../../layers/config/reload.ts"
import { changedPaths, mergePatch, namesOfArrays, reservedKeyIn } from "../../../layers/config/wire/mergePatch.ts"
import { Config, ConfigInvalid } from "../../../services/Config.ts"
import { CommandFailed } from "../../errors.ts"
import { count, plain, print } from "../../output.ts"
import * as State from "../../state.ts"
import { refused, restartNote } from "./change.ts"

const textOf = Effect.fnUntraced(function* (flags: { readonly file: string | undefined; readonly stdin: boolean }) {
  if ((flags.file === undefined) === !flags.stdin) {
    return yield* new CommandFailed({
      message: "the patch comes from a file or from standard input.\nFix: pass either --file <path> or --stdin."
    })
  }
  if (flags.file === undefined) {
    const { stdin } = yield* Stdio.Stdio
    return yield* Stream.mkString(Stream.decodeText(stdin)).pipe(
      Effect.mapError(
        ({ message }) =>
          new CommandFailed({ message: `standard input cannot be read: ${message}.\nFix: pass --file <path>.` })
      )
    )
  }
  const fs = yield* FileSystem.FileSystem
  const named = plain(flags.file)
  const unreadable = (why: string) =>
    new CommandFailed({ message: `${named} cannot be read: ${why}.\nFix: give the path of a file.` })
  return yield* Effect.mapError(fs.readFileString(flags.file), (error) => unreadable(error.reason._tag))
})

const patchOf = Effect.fnUntraced(function* (text: string) {
  const patch = Result.try((): unknown => JSON5.parse(text))
  if (Result.isFailure(patch) || !isTree(patch.success) || reservedKeyIn(patch.success) !== undefined) {
    return yield* new CommandFailed({
      message: "the patch is no JSON5 object.\nFix: give one, such as { gateway: { port: 19001 } }."
    })
  }
  return patch.success
})

const placeOf = (text: string): Effect.Effect<Path, CommandFailed> =>
  Effect.mapError(
    Effect.fromResult(parsePath(text)),
    ({ expected }) => new CommandFailed({ message: `${plain(text)} is no path.\nFix: give ${expected}.` })
  )

/** Objects merge, arrays and other values replace, `null` deletes. All of it is written, or nothing. */
export const run = Effect.fn("cli.config.patch")(function* (flags: {
  readonly file: string | undefined
  readonly stdin: boolean
  readonly dryRun: boolean
  readonly replacePath: ReadonlyArray<string>
}) {
  const config = yield* Config
  const patch = yield* patchOf(yield* textOf(flags))
  const places = yield* Effect.forEach(flags.replacePath, placeOf)
  let changed: ReadonlyArray<string> = []
  yield* config
    .edit(
      Effect.fnUntraced(function* ({ problems, raw }) {
        // Of a file that cannot be read nothing would be left.
        if (problems.length > 0) return yield* new ConfigInvalid({ file: config.file, problems })
        const cleared = places.reduce((tree, place) => unsetAt(tree, place)?.tree ?? tree, raw)
        const { tree } = mergePatch(cleared, patch, namesOfArrays(patch))
        changed = changedPaths(raw, tree)
        return changed.length === 0 ? undefined : tree
      }),
      { dryRun: flags.dryRun }
    )
    .pipe(Effect.mapError((error) => (error._tag === "ConfigChanged" ? error : refused(config)(error))))
  const restarts = needsRestart(changed)
  const note = yield* restartNote(config)
  yield* print(
    { ok: true, dryRun: flags.dryRun, path: config.file, changedPaths: changed, needsRestart: restarts },
    () =>
      changed.length === 0
        ? "Nothing to change."
        : [
            `${flags.dryRun ? "Would update" : "Updated"} ${count(changed.length, "value")}: ${changed.map(plain).join(", ")}.`,
            ...(restarts && !flags.dryRun ? [note] : [])
          ].join("\n")
  )
}, Effect.provide(State.config))
