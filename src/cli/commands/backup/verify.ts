import * as Effect from "effect/Effect"
import { verify } from "../../../layers/backup/verify.ts"
import { count, plain, print } from "../../output.ts"
import { waiting } from "../../progress.ts"
import { absolute, summary } from "./shared.ts"

/** Exit code 1, and what is wrong, when the backup is not whole. */
export const run = Effect.fn("cli.backup.verify")(function* (flags: { readonly archive: string }) {
  const archive = yield* absolute(flags.archive)
  const manifest = yield* verify(archive).pipe(waiting("Checking the backup"))
  yield* print(
    { ok: true, ...summary(archive, manifest) },
    () =>
      `${plain(archive)} is whole: ${count(manifest.files.length, "file")}, made ${plain(manifest.createdAt)} by openclaw ${plain(manifest.version)}.`
  )
})
