/**
 * The state's disk and database, looked at without writing to either.
 */
import { statfs } from "node:fs/promises"
import { statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import { problemsOf } from "../storage/databaseFile.ts"

/** Bytes that are free for this user; `undefined` where the platform does not say. */
export const freeBytes = (path: string): Effect.Effect<number | undefined> =>
  Effect.tryPromise(() => statfs(path)).pipe(
    Effect.map(({ bavail, bsize }) => bavail * bsize),
    Effect.orElseSucceed(() => undefined)
  )

export type DatabaseSeen =
  | { readonly state: "missing" }
  /** `checked`: all of its pages were read. */
  | { readonly state: "well"; readonly bytes: number; readonly checked: boolean }
  | { readonly state: "bad"; readonly problem: string }

/** Bytes up to which all pages are read without being asked to: some 200 ms. */
const READ_AT_ONCE = 256 * 1024 * 1024

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Also beside a Gateway that writes to it. `whole`: read all pages of a large file too. */
export const lookAtDatabase = Effect.fn("Checks.lookAtDatabase")(function* (
  file: string,
  whole = false
): Effect.fn.Return<DatabaseSeen> {
  const bytes = yield* Effect.orElseSucceed(
    Effect.try(() => statSync(file, { throwIfNoEntry: false })?.size),
    () => undefined
  )
  if (bytes === undefined) return { state: "missing" }
  const checked = whole || bytes <= READ_AT_ONCE
  return yield* Effect.acquireUseRelease(
    Effect.try({ try: () => new DatabaseSync(file, { readOnly: true, timeout: 3_000 }), catch: textOf }),
    (db) =>
      checked
        ? Effect.mapError(problemsOf(db, "quick_check", 3), ({ message }) => message)
        : Effect.try({
            try: () => {
              db.prepare("SELECT COUNT(*) FROM sqlite_schema").get()
              return []
            },
            catch: textOf
          }),
    (db) => Effect.sync(() => db.close())
  ).pipe(
    Effect.match({
      onSuccess: (problems): DatabaseSeen =>
        problems.length === 0
          ? { state: "well", bytes, checked }
          : { state: "bad", problem: `it is damaged (${problems.join("; ")})` },
      onFailure: (problem): DatabaseSeen => ({ state: "bad", problem })
    })
  )
})
