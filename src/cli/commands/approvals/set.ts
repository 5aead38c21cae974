import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import JSON5 from "json5"
import { CommandFailed } from "../../errors.ts"
import { plain, print } from "../../output.ts"
import { fileFrom, listed, type Target, visit } from "./shared.ts"

const failed = (message: string) => new CommandFailed({ message })

const content = Effect.fnUntraced(function* (file: string | undefined, stdin: boolean) {
  if ((file === undefined) === !stdin) {
    return yield* failed("say where the new list comes from, once.\nFix: pass --file with a path, or --stdin.")
  }
  if (file === undefined) {
    const stdio = yield* Stdio.Stdio
    return yield* Stream.mkString(Stream.decodeText(stdio.stdin)).pipe(
      Effect.mapError((error) =>
        failed(`standard input cannot be read: ${error.message}\nFix: pass --file with a path.`)
      )
    )
  }
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.mapError(fs.readFileString(file), (error) =>
    failed(`${plain(file)} cannot be read: ${error.message}\nFix: give --file the path of a file that you may read.`)
  )
})

/** Replaces a list of what runs unasked with what a file says. */
export const run = Effect.fn("cli.approvals.set")(function* (
  flags: Target & { readonly file: string | undefined; readonly stdin: boolean }
) {
  const text = yield* content(flags.file, flags.stdin)
  const parsed = Result.try(() => JSON5.parse(text) as unknown)
  if (Result.isFailure(parsed))
    return yield* failed(
      'the new list is no JSON and no JSON5.\nFix: start from what `openclaw approvals get --json` prints under "file".'
    )
  const file = yield* fileFrom(parsed.success)
  const shown = yield* visit(flags, () => Effect.succeed(file))
  yield* print(shown.answer, () => listed(shown))
})
