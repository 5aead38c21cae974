/**
 * Private folders in which a backup is made or looked at. They hold copies of secrets, so one whose process was killed is
 * cleared by the next.
 */
import * as Fs from "node:fs"
import * as NodePath from "node:path"
import * as Process from "node:process"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { acquireLock } from "../state-dir/lock.ts"
import { makeIdentify } from "../state-dir/processIdentity.ts"
import { attempt, failed } from "./archive.ts"

const PREFIX = ".openclaw-backup.tmp-"
const LOCK = "lock"

/** Whether it is a folder of ours that somebody had begun to use. One without a lock holds nothing yet. */
const isWorkshop = (folder: string): boolean => {
  const stat = Fs.lstatSync(folder, { throwIfNoEntry: false })
  const isOurs = stat?.isDirectory() === true && (Process.platform === "win32" || stat.uid === Process.getuid?.())
  return isOurs && Fs.existsSync(NodePath.join(folder, LOCK))
}

/** Makes a folder in `place` that goes away with the scope; those of processes that are gone go away now. */
export const workshop = Effect.fnUntraced(function* (place: string) {
  const fs = yield* FileSystem.FileSystem
  const identify = yield* makeIdentify(fs, yield* ChildProcessSpawner)
  const own = (folder: string) =>
    Effect.acquireRelease(
      acquireLock({ fs, identify, stateDir: folder, file: NodePath.join(folder, LOCK) }),
      ({ release }) => release
    )
  const clear = Effect.fnUntraced(function* (folder: string) {
    // Whoever could take the lock is alone in it: its maker is gone.
    yield* own(folder)
    yield* attempt(`removing ${folder} failed`, () => Fs.rmSync(folder, { recursive: true, force: true }))
  }, Effect.scoped)

  const others = yield* attempt(`looking through ${place} failed`, () =>
    Fs.readdirSync(place)
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => NodePath.join(place, name))
      .filter(isWorkshop)
  )
  yield* Effect.forEach(others, (folder) =>
    clear(folder).pipe(
      Effect.catchTag("GatewayAlreadyRunning", () => Effect.void),
      Effect.catch((error) => Effect.logWarning(`what a killed backup left in ${folder} stays: ${error.message}`))
    )
  )
  const folder = yield* Effect.acquireRelease(
    attempt(`making a folder in ${place} failed`, () => Fs.mkdtempSync(NodePath.join(place, PREFIX))),
    (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
  )
  yield* Effect.mapError(own(folder), ({ message }) => failed(message))
  return folder
})
