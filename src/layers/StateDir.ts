/**
 * The state directory on a real file system: private, checked before use, owned by one Gateway at a time.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { LockHeld, StateDir, StateDirUnusable } from "../services/StateDir.ts"
import { acquireLock, holderOf } from "./state-dir/lock.ts"
import {
  readPrivateFile,
  replacePrivateFile,
  securePrivateDirectory,
  securePrivateFile
} from "./state-dir/privateFiles.ts"
import { makeIdentify } from "./state-dir/processIdentity.ts"

export { resolveStateDir } from "./state-dir/resolve.ts"
export type { StateDirInput, StateDirPlan } from "./state-dir/resolve.ts"

/** The lock file's name inside the state directory. */
export const LOCK_FILE = "gateway.lock"

/**
 * Makes or checks `root`: a directory of our own with mode 0700. A link, another owner or another kind of file is refused;
 * rights of other users are taken away and a warning says so. The spawner is asked only where there is no `/proc`.
 */
export const layer = (options: {
  readonly root: string
}): Layer.Layer<StateDir, StateDirUnusable, FileSystem.FileSystem | Path.Path | ChildProcessSpawner> =>
  Layer.effect(
    StateDir,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const identify = yield* makeIdentify(fs, yield* ChildProcessSpawner)
      const root = path.normalize(options.root)
      if (!path.isAbsolute(root)) {
        return yield* new StateDirUnusable({
          path: root,
          message: `the state directory "${root}" is not an absolute path.`
        })
      }
      yield* securePrivateDirectory(fs, root)

      const inside = (name: string) => {
        const file = path.resolve(root, name)
        return file.startsWith(root.endsWith(path.sep) ? root : root + path.sep) && !name.includes("\0")
          ? Effect.succeed(file)
          : Effect.fail(new StateDirUnusable({ path: name, message: `"${name}" is not inside the state directory.` }))
      }

      /** Every folder from the root down to the file is ours and private. */
      const secureParents = Effect.fnUntraced(function* (file: string) {
        const steps = path.relative(root, path.dirname(file)).split(path.sep)
        let folder = root
        for (const step of steps) {
          if (step === "") continue
          folder = path.join(folder, step)
          yield* securePrivateDirectory(fs, folder)
        }
      })

      const read = Effect.fn("StateDir.read")(function* (name: string) {
        return yield* readPrivateFile(fs, yield* inside(name))
      })

      const write = Effect.fn("StateDir.write")(function* (name: string, content: string) {
        const file = yield* inside(name)
        yield* secureParents(file)
        yield* securePrivateFile(fs, file)
        yield* replacePrivateFile(fs, file, content)
      })

      const lock = { fs, identify, stateDir: root, file: path.join(root, LOCK_FILE) }
      let held: Effect.Success<ReturnType<typeof acquireLock>> | undefined

      const own = Effect.acquireRelease(
        Effect.tap(acquireLock(lock), (acquired) => Effect.sync(() => (held = acquired))),
        ({ release }) =>
          Effect.suspend(() => {
            held = undefined
            return release
          })
      ).pipe(Effect.asVoid, Effect.withSpan("StateDir.own"))

      const announce = Effect.fn("StateDir.announce")(function* (url: string) {
        if (held !== undefined) yield* held.announce(url)
      })

      const owner = Effect.withSpan(holderOf(lock), "StateDir.owner")

      const hold = Effect.fn("StateDir.hold")(function* (name: string) {
        const file = yield* inside(name)
        yield* secureParents(file)
        yield* Effect.acquireRelease(
          Effect.mapError(
            acquireLock({
              fs,
              identify,
              stateDir: path.dirname(file),
              file,
              log: (message) => Effect.logDebug(message)
            }),
            (error) => (error._tag === "GatewayAlreadyRunning" ? new LockHeld({ pid: error.pid, name }) : error)
          ),
          ({ release }) => release
        )
      })

      const holder = Effect.fn("StateDir.holder")(function* (name: string) {
        const found = yield* holderOf({ fs, identify, file: yield* inside(name) })
        return Option.getOrUndefined(found)?.pid
      })

      const paths = { root, path: (...segments: ReadonlyArray<string>) => path.join(root, ...segments) }
      return { ...paths, read, write, own, hold, holder, announce, owner }
    })
  )
