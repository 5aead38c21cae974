import * as Fs from "node:fs"
import * as NodePath from "node:path"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Create from "../../../layers/backup/create.ts"
import { isWithin, realPath } from "../../../layers/backup/look.ts"
import { verify } from "../../../layers/backup/verify.ts"
import { Environment } from "../../Environment.ts"
import { saysHere } from "../../here.ts"
import { count, plain, print } from "../../output.ts"
import { waiting } from "../../progress.ts"
import * as State from "../../state.ts"
import { absolute, summary } from "./shared.ts"

const isFolder = (path: string): boolean => Fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** The archive's path: the file that was named, or one named after the time in the folder that was. */
const place = Effect.fnUntraced(function* (output: string | undefined, root: string) {
  const { cwd, home } = yield* Environment
  const time = DateTime.formatIso(yield* DateTime.now).replaceAll(":", "-")
  const name = `${time}-openclaw-backup.tar.gz`
  if (output === undefined)
    return NodePath.join(
      isWithin(yield* realPath(cwd), yield* Effect.orElseSucceed(realPath(root), () => root)) ? home : cwd,
      name
    )
  const path = yield* absolute(output)
  return isFolder(path) || output.endsWith("/") ? NodePath.join(path, name) : path
})

export const run = Effect.fn("cli.backup.create")(function* (flags: {
  readonly output: string | undefined
  readonly verify: boolean
}) {
  yield* saysHere("the state", "openclaw backup create")
  const { configFile, root } = yield* State.plan
  const archive = yield* place(flags.output, root)
  const { bytes, includes, manifest } = yield* Create.create({ archive, configFile }).pipe(
    Effect.provide(State.stateDir),
    waiting("Making the backup")
  )
  if (flags.verify) yield* verify(archive).pipe(waiting("Checking the backup"))
  yield* print({ ...summary(archive, manifest), bytes, includesLeftOut: includes, verified: flags.verify }, () =>
    [
      `Backup made: ${plain(archive)} (${(bytes / 1e6).toFixed(1)} MB, ${count(manifest.files.length, "file")})${flags.verify ? ", checked" : ""}.`,
      ...(manifest.skipped.length === 0
        ? []
        : [`Left out, being no files (or gone): ${manifest.skipped.map(plain).join(", ")}.`]),
      ...(includes.length === 0
        ? []
        : [
            `Left out, though the configuration includes it: ${includes.map(plain).join(", ")}, outside of the state directory. Keep a copy yourself.`
          ]),
      "It contains credentials (tokens, keys, conversations): keep it as safe as the state directory itself."
    ].join("\n")
  )
})
