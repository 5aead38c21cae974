/**
 * A certificate that is replaced on the disk is shown to whoever connects from then on. Files are looked at again and
 * again rather than watched: that sees links that were turned and folders that were swapped too.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { display } from "../../../domain/TlsFingerprint.ts"
import { type Material, read, type TlsFiles } from "./material.ts"

/** How often the files are looked at, in milliseconds. */
export const LOOK_EVERY_MS = 5000

const same = (a: Material, b: Material): boolean =>
  a.context.cert === b.context.cert && a.context.key === b.context.key && a.context.ca === b.context.ca

/**
 * Looks for ever, and hands on what is new and whole. Files that are not (yet) leave the one before in its place, and the
 * log says so once. `paused` is asked before each look.
 */
export const renew = (
  files: TlsFiles,
  first: Material,
  paused: Effect.Effect<boolean>,
  use: (material: Material) => void
): Effect.Effect<never, never, FileSystem.FileSystem> => {
  let shown = first
  let told: string | undefined
  const look = Effect.gen(function* () {
    if (yield* paused) return
    const found = yield* read(files)
    told = undefined
    if (same(found, shown)) return
    use(found)
    shown = found
    yield* Effect.logInfo(`the certificate was renewed; SHA-256 fingerprint ${display(found.fingerprint)}`)
  }).pipe(
    Effect.catch(({ message, path, problem }) => {
      const news = `${path} ${problem}`
      if (told === news) return Effect.void
      told = news
      return Effect.logWarning(`the certificate from before is still shown. ${message}`)
    })
  )
  return Effect.forever(Effect.andThen(Effect.sleep(LOOK_EVERY_MS), look))
}
