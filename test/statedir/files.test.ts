import { execFileSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as PlatformError from "effect/PlatformError"
import * as StateDirLive from "../../src/layers/StateDir.ts"
import { StateDir } from "../../src/services/StateDir.ts"

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
const warnings: Array<string> = []
const capture = Logger.layer([Logger.make((options) => void warnings.push(String(options.message)))])

const live = (name: string, body: (root: string) => Effect.Effect<void, unknown, FileSystem.FileSystem>) =>
  it.live(name, () => {
    warnings.length = 0
    return Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* body(`${yield* fs.makeTempDirectoryScoped()}/state`)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(NodeServices.layer, capture)))
  })

const within = <A, E>(root: string, use: (stateDir: StateDir["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(StateDir, use).pipe(
    Effect.provide(StateDirLive.layer({ root }).pipe(Layer.provideMerge(Layer.merge(NodeServices.layer, capture))))
  )
const refused = (
  root: string,
  use: (stateDir: StateDir["Service"]) => Effect.Effect<unknown, unknown> = () => Effect.void
) =>
  Effect.map(Effect.flip(within(root, use)), (error) => {
    assert.deepInclude(error, { _tag: "StateDirUnusable" })
    return String((error as Error).message)
  })

describe("StateDir files", () => {
  live("missing folders above are made; where nothing can be made, it says so instead of trying for ever", (root) =>
    Effect.gen(function* () {
      yield* within(`${root}/a/b`, () => Effect.void)
      assert.deepStrictEqual([mode(root), mode(`${root}/a`), mode(`${root}/a/b`)], ["700", "700", "700"])
      if (!existsSync("/proc/self/stat")) return
      assert.match(yield* refused("/proc/openclaw-test/state"), /takes nothing new there. Set OPENCLAW_STATE_DIR/)
    })
  )

  live("a new directory is 0700, its files are 0600, folders inside are 0700; read, write and path agree", (root) =>
    within(root, (stateDir) =>
      Effect.gen(function* () {
        assert.strictEqual(mode(root), "700")
        assert.isUndefined(yield* stateDir.read("a/b.json"))
        yield* stateDir.write("a/b.json", "one")
        yield* stateDir.write("a/b.json", "two ☃")
        assert.strictEqual(yield* stateDir.read("a/b.json"), "two ☃")
        assert.strictEqual(readFileSync(stateDir.path("a", "b.json"), "utf8"), "two ☃")
        assert.strictEqual(mode(stateDir.path("a")), "700")
        assert.strictEqual(mode(stateDir.path("a", "b.json")), "600")
        assert.deepStrictEqual(readdirSync(stateDir.path("a")), ["b.json"])
      })
    )
  )

  live("F8: a link elsewhere is refused", (root) =>
    Effect.gen(function* () {
      mkdirSync(`${root}-real`, { mode: 0o700 })
      symlinkSync(`${root}-real`, root)
      assert.include(yield* refused(root), "symbolic link")
    })
  )

  live("F8: a file in the directory's place is refused", (root) =>
    Effect.gen(function* () {
      writeFileSync(root, "")
      assert.include(yield* refused(root), "is a file, not a directory")
    })
  )

  live("F8: a world-writable directory is repaired, and said so", (root) =>
    Effect.gen(function* () {
      mkdirSync(root)
      chmodSync(root, 0o777)
      yield* within(root, () => Effect.void)
      assert.strictEqual(mode(root), "700")
      assert.include(warnings.join(), "had mode 0777; it is 0700 now")
      assert.include(warnings.join(), "Every user of this machine could write to it")
    })
  )

  live("F8: a file with mode 0644 is repaired before it is read, and said so", (root) =>
    within(root, (stateDir) =>
      Effect.gen(function* () {
        writeFileSync(stateDir.path("token"), "secret")
        chmodSync(stateDir.path("token"), 0o644)
        assert.strictEqual(yield* stateDir.read("token"), "secret")
        assert.strictEqual(mode(stateDir.path("token")), "600")
        assert.include(warnings.join(), "had mode 0644; it is 0600 now")
      })
    )
  )

  live("F8: a pipe in a file's place is refused at once, not opened", (root) =>
    Effect.gen(function* () {
      mkdirSync(root, { mode: 0o700 })
      execFileSync("mkfifo", [`${root}/token`])
      assert.include(yield* refused(root, (stateDir) => stateDir.read("token")), "named pipe")
      assert.include(yield* refused(root, (stateDir) => stateDir.write("token", "x")), "named pipe")
      execFileSync("mkfifo", [`${root}/${StateDirLive.LOCK_FILE}`])
      assert.include(yield* refused(root, (stateDir) => Effect.scoped(stateDir.own)), "named pipe")
    })
  )

  live("F8: a link in a file's or a folder's place is refused", (root) =>
    Effect.gen(function* () {
      mkdirSync(root, { mode: 0o700 })
      writeFileSync(`${root}-elsewhere`, "theirs")
      symlinkSync(`${root}-elsewhere`, `${root}/token`)
      symlinkSync("..", `${root}/up`)
      assert.include(yield* refused(root, (stateDir) => stateDir.read("token")), "symbolic link")
      assert.include(yield* refused(root, (stateDir) => stateDir.write("token", "mine")), "symbolic link")
      assert.include(yield* refused(root, (stateDir) => stateDir.write("up/x", "mine")), "symbolic link")
      assert.strictEqual(readFileSync(`${root}-elsewhere`, "utf8"), "theirs")
    })
  )

  live("F8: another owner is refused, with the command that helps", (root) =>
    Effect.gen(function* () {
      mkdirSync(root, { mode: 0o700 })
      if (process.getuid?.() === 0) {
        chownSync(root, 12_345, 12_345)
        const message = yield* refused(root)
        assert.include(message, "belongs to user id 12345")
        assert.include(message, "chown")
      } else {
        // Without root's rights nothing can be given away; the system's own root directory is somebody else's.
        assert.include(yield* refused("/"), "belongs to user id 0")
      }
    })
  )

  live("names that leave the directory are refused", (root) =>
    Effect.gen(function* () {
      for (const name of ["../x", "a/../../x", "/etc/passwd", "", ".", "a\0b"]) {
        assert.include(yield* refused(root, (stateDir) => stateDir.read(name)), "not inside")
        assert.include(yield* refused(root, (stateDir) => stateDir.write(name, "x")), "not inside")
      }
      assert.include(yield* refused("relative/root"), "not an absolute path")
    })
  )

  live("F9: a full disk leaves the old content, no leftovers, and an error that says so", (root) =>
    Effect.gen(function* () {
      yield* within(root, (stateDir) => stateDir.write("token", "old"))
      const fs = yield* FileSystem.FileSystem
      const full = PlatformError.systemError({
        module: "FileSystem",
        method: "sync",
        _tag: "Unknown",
        cause: Object.assign(new Error("no space"), { code: "ENOSPC" })
      })
      const fullDisk = Layer.succeed(FileSystem.FileSystem, {
        ...fs,
        open: (path, options) =>
          Effect.map(fs.open(path, options), (file) => Object.create(file, { sync: { value: Effect.fail(full) } }))
      })
      const error = yield* Effect.flatMap(StateDir, (stateDir) => stateDir.write("token", "new")).pipe(
        Effect.provide(Layer.provide(StateDirLive.layer({ root }), [NodeServices.layer, fullDisk])),
        Effect.flip
      )
      assert.include(error.message, "no space left")
      assert.strictEqual(readFileSync(`${root}/token`, "utf8"), "old")
      assert.deepStrictEqual(readdirSync(root), ["token"])
    })
  )
})
