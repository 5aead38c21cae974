/**
 * Closes what can be closed without asking: rights of others on files, and settings that may only become narrower.
 *
 * No secret is changed, nothing that listens, nothing that somebody would be locked out by, besides strangers in groups.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { Config } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { formatPath, getAt, type Path, setAt } from "../config/path.ts"
import { replacePrivateFile } from "../state-dir/privateFiles.ts"
import type { Facts, Rights } from "./Finding.ts"

/** What was done to one file. `mode`: the permission bits that it has now. */
export interface Action {
  readonly kind: "chmod"
  readonly path: string
  readonly mode: number
  readonly ok: boolean
  readonly error?: string
}

export interface Fixed {
  /** All that was tried was done. */
  readonly ok: boolean
  readonly configPath: string
  readonly configWritten: boolean
  /** Where the file is as it was before. */
  readonly backup?: string
  /** `path=before -> after`. */
  readonly changes: ReadonlyArray<string>
  readonly actions: ReadonlyArray<Action>
  readonly errors: ReadonlyArray<string>
}

interface Change {
  readonly path: Path
  readonly from: string
  readonly to: string
}

const OTHERS = 0o077

const changesFor = ({ channels, discovery }: OpenClawConfig): ReadonlyArray<Change> => {
  const telegram = channels?.telegram
  const open = (path: Path) => ({ path: [...path, "groupPolicy"], from: "open", to: "allowlist" })
  return [
    ...(telegram?.groupPolicy === "open" ? [open(["channels", "telegram"])] : []),
    ...Object.entries(telegram?.accounts ?? {}).flatMap(([id, account]) =>
      account.groupPolicy === "open" ? [open(["channels", "telegram", "accounts", id])] : []
    ),
    ...(discovery?.mdns?.mode === "full" ? [{ path: ["discovery", "mdns", "mode"], from: "full", to: "minimal" }] : [])
  ]
}

/** Links lead elsewhere, and what another user owns cannot be changed: both are left to people. */
const closable = (rights: Rights | undefined): rights is Rights =>
  rights !== undefined &&
  (rights.kind === "file" || rights.kind === "directory") &&
  rights.foreign !== true &&
  (rights.mode & OTHERS) !== 0

const close = Effect.fnUntraced(function* ({ mode, path }: Rights) {
  const fs = yield* FileSystem.FileSystem
  const closed = mode & ~OTHERS
  return yield* fs.chmod(path, closed).pipe(
    Effect.match({
      onSuccess: (): Action => ({ kind: "chmod", path, mode: closed, ok: true }),
      onFailure: ({ message }): Action => ({ kind: "chmod", path, mode: closed, ok: false, error: message })
    })
  )
})

/** Narrows the settings in one write. What an included file says is for whoever wrote it. */
const narrow = Effect.fnUntraced(function* (wanted: ReadonlyArray<Change>, backup: string) {
  const fs = yield* FileSystem.FileSystem
  const config = yield* Config
  let done: ReadonlyArray<Change> = []
  let copied = false
  yield* config.edit((before) =>
    Effect.gen(function* () {
      done = wanted.filter(({ from, path }) => getAt(before.raw, path) === from)
      if (done.length === 0) return undefined
      if (before.text !== undefined) {
        yield* replacePrivateFile(fs, backup, before.text)
        copied = true
      }
      let tree = before.raw
      for (const { path, to } of done) {
        // The value was there: nothing stands in the way of another.
        tree = Result.getOrElse(setAt(tree, path, to), () => tree)
      }
      return tree
    })
  )
  return { done, copied }
})

export const fix = Effect.fn("Security.fix")(function* (facts: Facts) {
  const config = yield* Config
  const backup = `${config.file}.bak`
  const wanted = facts.configFile?.kind === "link" ? [] : changesFor(facts.config)
  const written = yield* Effect.result(
    wanted.length === 0 ? Effect.succeed({ done: [], copied: false }) : narrow(wanted, backup)
  )
  const { copied, done } = Result.isSuccess(written) ? written.success : { copied: false, done: [] }
  // The configuration's own rights were taken when it was read; what was found then is still said.
  const files = [facts.stateDir, facts.configFile, ...(facts.stateFiles ?? [])].filter(closable)
  const actions = yield* Effect.forEach(files, close)
  const left = wanted.filter((change) => !done.includes(change))
  const errors = [
    ...(Result.isFailure(written) ? [written.failure.message] : []),
    ...(Result.isSuccess(written) && left.length > 0
      ? left.map(({ path }) => `${formatPath(path)} stands in a file that the configuration includes; change it there`)
      : []),
    ...actions.flatMap(({ error, path }) => (error === undefined ? [] : [`${path}: ${error}`]))
  ]
  return {
    ok: errors.length === 0,
    configPath: config.file,
    configWritten: done.length > 0,
    ...(copied ? { backup } : undefined),
    changes: done.map(({ from, path, to }) => `${formatPath(path)}=${from} -> ${to}`),
    actions,
    errors
  } satisfies Fixed as Fixed
})
