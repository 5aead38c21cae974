/**
 * What onboarding is going to store: changes to the configuration, made in one write at the end. Pure.
 */
import * as Result from "effect/Result"
import type * as Redacted from "effect/Redacted"
import { type Path, type PathProblem, setAt, unsetAt } from "../../../layers/config/path.ts"

/** `value: undefined` takes the key away. */
export interface Change {
  readonly path: Path
  readonly value: unknown
}

export const set = (path: Path, value: unknown): Change => ({ path, value })

export const applied = (tree: unknown, changes: ReadonlyArray<Change>): Result.Result<unknown, PathProblem> =>
  changes.reduce<Result.Result<unknown, PathProblem>>(
    (before, { path, value }) =>
      Result.flatMap(before, (own) =>
        value === undefined ? Result.succeed(unsetAt(own, path)?.tree ?? own) : setAt(own, path, value)
      ),
    Result.succeed(tree)
  )

/** A secret, and what the file says in its place: itself, or the variable that has it. */
export interface Secret {
  readonly value: Redacted.Redacted
  readonly stored: string | { readonly source: "env"; readonly provider: "default"; readonly id: string }
}

export const inEnvironment = (id: string) => ({ source: "env", provider: "default", id }) as const

/** What one step came to. */
export interface Decided {
  readonly changes: ReadonlyArray<Change>
  /** For the summary: what it is, without secrets. `undefined`: left as it is. */
  readonly shown: string | undefined
  /** For `--json`. */
  readonly report: unknown
  /** What the bot is called in Telegram, where there is one and it was asked. */
  readonly bot?: string | undefined
}

export const untouched: Decided = { changes: [], shown: undefined, report: null }
