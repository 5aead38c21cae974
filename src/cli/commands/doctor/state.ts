/**
 * The state directory: whose it is, who owns it now, its disk, its database.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { freeBytes, lookAtDatabase } from "../../../layers/checks/storage.ts"
import { closable, notOurs } from "../../../layers/security/fix.ts"
import { LOCK_FILE } from "../../../layers/StateDir.ts"
import { DATABASE, RESTORE_NOTE } from "../../../layers/storage/Storage.ts"
import { Environment } from "../../Environment.ts"
import { count, tilde } from "../../output.ts"
import { caught, type Check, error, info, ok, warn } from "./Check.ts"
import { standing, type Subject } from "./Subject.ts"

const SCARCE = 1024 ** 3
const NEARLY_NONE = 100 * 1024 ** 2

const size = (bytes: number): string =>
  bytes >= 1024 ** 3 ? `${(bytes / 1024 ** 3).toFixed(1)} GB` : `${Math.round(bytes / 1024 ** 2)} MB`

const octal = (mode: number): string => mode.toString(8).padStart(4, "0")

/** Whether others can read or write what should be one user's. */
const rightsOf = ({ before, configFile, program, root }: Subject, home: string): ReadonlyArray<Check> => {
  const found = before.root
  if (found === undefined) return [info("state", "folder", `${tilde(root, home)} is made at the first start`)]
  const elsewhere = "set OPENCLAW_STATE_DIR to a folder of your own"
  if (found.kind === "link") {
    return [
      error("state", "folder", `${root} is a symbolic link`, {
        fix: "set OPENCLAW_STATE_DIR to the folder that it points to"
      })
    ]
  }
  if (found.kind !== "directory")
    return [error("state", "folder", `${root} is no folder`, { fix: `move it away, or ${elsewhere}` })]
  if (found.foreign === true) {
    return [
      error("state", "folder", `${root} belongs to another user`, {
        fix: `change its owner (\`sudo chown -R $USER ${root}\`), or ${elsewhere}`
      })
    ]
  }
  const foreign = before.files.filter((file) => file.foreign === true)
  const left = notOurs(root, home, { configFile: before.config, stateFiles: before.files })
  const open = [found, ...(left === undefined ? before.files : [])].filter(closable)
  const config = [before.config].filter(closable)
  return [
    ...(open.length + config.length === 0
      ? [ok("state", "folder", `${tilde(root, home)} is yours alone`)]
      : [
          warn(
            "state",
            "rights",
            `other users have rights on ${[...config, ...open]
              .slice(0, 3)
              .map(({ mode, path }) => `${tilde(path, home)} (${octal(mode)})`)
              .join(
                ", "
              )}${open.length + config.length > 3 ? ` and ${count(open.length + config.length - 3, "other")}` : ""}`,
            left === undefined
              ? { fix: `\`${program} doctor --fix\` takes them away`, repair: { kind: "private" } }
              : { fix: `${left}: ${elsewhere}` }
          )
        ]),
    ...(foreign.length === 0
      ? []
      : [
          error("state", "owner", `${count(foreign.length, "file")} of another user, such as ${foreign[0]?.path}`, {
            fix: `\`sudo chown -R $USER ${root}\``
          })
        ]),
    ...(before.config?.kind === "link"
      ? [info("state", "config", `${tilde(configFile, home)} is a symbolic link: it is read, and not written`)]
      : [])
  ]
}

const lockOf = Effect.fnUntraced(function* ({ before, owner, program, root }: Subject) {
  if (owner !== undefined || before.root?.kind !== "directory") return []
  const fs = yield* FileSystem.FileSystem
  const there = yield* Effect.orElseSucceed(fs.exists(join(root, LOCK_FILE)), () => false)
  return there
    ? [
        warn("state", "lock", "a Gateway that is gone left its lock behind; the next start takes it over", {
          fix: `\`${program} doctor --fix\` removes it`,
          repair: { kind: "stale-lock" }
        })
      ]
    : []
})

const diskOf = Effect.fnUntraced(function* (root: string) {
  const free = yield* freeBytes(yield* standing(root))
  if (free === undefined) return []
  const fix = "free some space; nothing new is taken in once the disk is full, and it goes on by itself afterwards"
  if (free < NEARLY_NONE) return [error("state", "disk", `only ${size(free)} are free on its disk`, { fix })]
  return free < SCARCE
    ? [warn("state", "disk", `only ${size(free)} are free on its disk`, { fix })]
    : [ok("state", "disk", `${size(free)} are free`)]
})

const databaseOf = Effect.fnUntraced(function* (root: string, program: string, deep: boolean) {
  const fs = yield* FileSystem.FileSystem
  const file = join(root, ...DATABASE)
  if (yield* Effect.orElseSucceed(fs.exists(join(root, RESTORE_NOTE)), () => false)) {
    return [
      error("state", "restore", "restoring a backup was cut off half-way", {
        fix: `run \`${program} backup restore <archive>\` again`
      })
    ]
  }
  const seen = yield* lookAtDatabase(file, deep)
  switch (seen.state) {
    case "missing":
      return []
    case "bad":
      return [
        error("state", "database", `the database ${file} cannot be used: ${seen.problem}`, {
          fix: `stop the Gateway, then \`${program} backup restore <archive>\``
        })
      ]
    case "well":
      return [
        ok(
          "state",
          "database",
          `the database is whole (${size(seen.bytes)}${seen.checked ? "" : "; --deep reads all of it"})`
        )
      ]
  }
})

export const state = (subject: Subject, deep: boolean) =>
  Effect.gen(function* () {
    const { program, root } = subject
    const { home } = yield* Environment
    return [
      ...rightsOf(subject, home),
      ...(yield* lockOf(subject)),
      ...(yield* diskOf(root)),
      ...(yield* databaseOf(root, program, deep))
    ]
  }).pipe(caught("state", "folder"))
