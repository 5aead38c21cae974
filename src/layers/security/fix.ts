/**
 * Closes what can be closed without asking: rights of others on files, and settings that may only become narrower.
 *
 * No secret is changed, nothing that listens, nothing that somebody would be locked out by, besides strangers in groups.
 */
import { dirname, join, relative } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { Config } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { formatPath, getAt, type Path, setAt } from "../config/path.ts"
import { replacePrivateFile } from "../state-dir/privateFiles.ts"
import { DATABASE } from "../storage/Storage.ts"
import type { Facts, Rights } from "./Finding.ts"
import { rights } from "./look.ts"

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
const isOwn = ({ foreign, kind }: Rights): boolean => (kind === "file" || kind === "directory") && foreign !== true
export const closable = (found: Rights | undefined): found is Rights =>
  found !== undefined && isOwn(found) && (found.mode & OTHERS) !== 0

/** The folders above come first: once they are closed, nobody else puts something in its place. */
export const close = Effect.fnUntraced(function* ({ path }: Rights) {
  const fs = yield* FileSystem.FileSystem
  const now = yield* Effect.orElseSucceed(rights(path), () => undefined)
  const mode = (now?.mode ?? 0) & ~OTHERS
  const action = { kind: "chmod", path, mode } as const
  if (now === undefined || !isOwn(now)) return { ...action, ok: false, error: "it is something else by now" }
  // Reading the configuration closed it.
  if (now.mode === mode) return { ...action, ok: true }
  return yield* fs.chmod(path, mode).pipe(
    Effect.match({
      onSuccess: (): Action => ({ ...action, ok: true }),
      onFailure: ({ message }): Action => ({ ...action, ok: false, error: message })
    })
  )
})

/**
 * Why the files of the state directory are left as they are: others may need what is in a home, or in what is no Gateway's.
 */
export const notOurs = (
  root: string,
  home: string,
  facts: Pick<Facts, "configFile" | "stateFiles">
): string | undefined => {
  const toHome = relative(root, home)
  if (!toHome.startsWith("..")) return "it is a home directory, or has one in it"
  const isKept =
    (facts.configFile !== undefined && dirname(facts.configFile.path) === root) ||
    (facts.stateFiles ?? []).some(({ path }) => path === join(root, ...DATABASE))
  return isKept ? undefined : "nothing of a Gateway is in it"
}

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

/** `home`: the user's own directory, absolute. */
export const fix = Effect.fn("Security.fix")(function* (facts: Facts, home: string) {
  const config = yield* Config
  // Beside `.bak`, which may be the only copy with its author's comments.
  const backup = `${config.file}.before-fix`
  const wanted = facts.configFile?.kind === "link" ? [] : changesFor(facts.config)
  const written = yield* Effect.result(
    wanted.length === 0 ? Effect.succeed({ done: [], copied: false }) : narrow(wanted, backup)
  )
  const { copied, done } = Result.isSuccess(written) ? written.success : { copied: false, done: [] }
  const state = [facts.stateDir, ...(facts.stateFiles ?? [])].filter(closable)
  const why = facts.stateDir === undefined ? undefined : notOurs(facts.stateDir.path, home, facts)
  const files = [...(why === undefined ? state : []), ...[facts.configFile].filter(closable)]
  const actions = yield* Effect.forEach(files, close)
  const left = wanted.filter((change) => !done.includes(change))
  const errors = [
    ...(Result.isFailure(written) ? [written.failure.message] : []),
    ...(Result.isSuccess(written) && left.length > 0
      ? left.map(({ path }) => `${formatPath(path)} stands in a file that the configuration includes; change it there`)
      : []),
    ...(why === undefined || state.length === 0
      ? []
      : [`${facts.stateDir?.path} is left as it is: ${why}; set OPENCLAW_STATE_DIR to a folder of its own`]),
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
