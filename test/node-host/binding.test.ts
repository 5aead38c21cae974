/** What is checked is what runs, and what a request names costs no more than it should to look at. */
import { assert, describe, it } from "@effect/vitest"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { bind } from "../../src/node-host/binding.ts"
import { FILE } from "../../src/node-host/ExecApprovals.ts"
import * as Executable from "../../src/node-host/executable.ts"
import { call, run } from "./calls.ts"
import { Files, live, path, safe } from "./kit.ts"

const plan = (command: ReadonlyArray<string>, cwd?: string) =>
  Effect.map(
    call("system.run.prepare", { command, cwd }),
    (answer) => (answer as { readonly plan: { readonly mutableFileOperand?: { readonly sha256: string } } }).plan
  )

/** The machine's files, with a count of what is read and a chance to change them between two looks. */
const watched = (hooks: {
  readonly read?: (bytes: number) => void
  readonly afterLook?: (path: string) => Effect.Effect<void>
}) =>
  Effect.updateService(FileSystem.FileSystem, (fs): FileSystem.FileSystem => ({
    ...fs,
    readFile: () => Effect.die("a file is read whole"),
    open: (file, options) =>
      Effect.map(fs.open(file, options), (handle) => ({
        ...handle,
        readAlloc: (size, at) => {
          hooks.read?.(size)
          return handle.readAlloc(size, at)
        }
      })),
    realPath: (file) => Effect.tap(fs.realPath(file), () => hooks.afterLook?.(file) ?? Effect.void)
  }))

describe("looking at what arguments name", () => {
  it.live("ends with files that have no end, and reads nothing of those that tell no size", () =>
    Effect.gen(function* () {
      let read = 0
      const endless = ["/proc/self/pagemap", "/proc/self/mem", "/dev/zero", "/dev/stdin"]
      yield* plan(["ls", ...endless]).pipe(watched({ read: (bytes) => (read += bytes) }))
      assert.strictEqual(read, 0)
    }).pipe(Effect.provide(live()))
  )

  it.live("stops at the limit whatever size a file tells, and still tells a replaced one", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const cwd = yield* fs.makeTempDirectoryScoped()
      let read = 0
      const digest = Effect.map(
        plan(["ls", "big"], cwd).pipe(
          // It grows while it is read: its size was small when it was looked at.
          Effect.updateService(FileSystem.FileSystem, (real): FileSystem.FileSystem => ({
            ...real,
            stat: (file) =>
              Effect.map(real.stat(file), (info) =>
                info.type === "File" ? { ...info, size: ByteSize.bytes(5) } : info
              )
          })),
          watched({ read: (bytes) => (read += bytes) })
        ),
        ({ mutableFileOperand }) => mutableFileOperand!.sha256
      )
      yield* fs.writeFileString(`${cwd}/big`, "x")
      yield* fs.truncate(`${cwd}/big`, 100_000_000)
      const before = yield* digest
      assert.isAtMost(read, 17 * 1024 * 1024)
      assert.strictEqual(yield* digest, before)
      yield* fs.writeFileString(`${cwd}/other`, "y")
      yield* fs.truncate(`${cwd}/other`, 100_000_000)
      yield* fs.rename(`${cwd}/other`, `${cwd}/big`)
      assert.notStrictEqual(yield* digest, before)
    }).pipe(Effect.scoped, Effect.provide(live()))
  )

  it.live("happens only where something may run", () =>
    Effect.gen(function* () {
      const files = yield* Files
      files.set(FILE, JSON.stringify({ version: 1, defaults: { security: "deny" } }))
      let looked = 0
      const refused = yield* Effect.flip(
        plan(["ls", "/etc/passwd"]).pipe(watched({ afterLook: () => Effect.sync(() => void looked++) }))
      )
      assert.include(refused.message, "security=deny")
      assert.strictEqual(looked, 0)
    }).pipe(Effect.provide(safe))
  )

  it.live("binds a program by the file that it is", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const cwd = yield* fs.makeTempDirectoryScoped()
      const digest = Effect.gen(function* () {
        yield* fs.writeFileString(`${cwd}/next`, "#!/bin/sh\n", { mode: 0o755 })
        yield* fs.rename(`${cwd}/next`, `${cwd}/program`)
        const executable = (yield* Executable.find("./program", { path, cwd, platform: "linux" }))!
        const command = { argv: ["./program"], executable, cwd, env: {}, agentId: undefined, sessionKey: undefined }
        return (yield* bind(command)).digest
      })
      assert.notStrictEqual(yield* digest, yield* digest)
    }).pipe(Effect.scoped, Effect.provide(live()))
  )
})

describe("between the check and the start", () => {
  const listed = (pattern: string) =>
    Effect.map(Files, (files) => {
      const agents = { "*": { allowlist: [{ pattern }] } }
      files.set(FILE, JSON.stringify({ version: 1, defaults: { security: "allowlist", ask: "off" }, agents }))
    })

  it.live("a link that is turned to another program starts the one that was checked", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const cwd = yield* fs.makeTempDirectoryScoped()
      const echo = yield* fs.realPath("/bin/echo")
      yield* listed(echo)
      yield* fs.symlink(echo, `${cwd}/x`)
      const turn = Effect.orDie(Effect.andThen(fs.symlink("/bin/sh", `${cwd}/y`), fs.rename(`${cwd}/y`, `${cwd}/x`)))
      const result = yield* run({ command: [`${cwd}/x`, "-c", "echo turned"] }).pipe(
        watched({ afterLook: (file) => (file === `${cwd}/x` ? turn : Effect.void) })
      )
      assert.strictEqual(result.stdout, "-c echo turned\n")
    }).pipe(Effect.scoped, Effect.provide(safe))
  )

  it.live("a program whose file is replaced does not start", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const cwd = yield* fs.realPath(yield* fs.makeTempDirectoryScoped())
      yield* listed(`${cwd}/tool`)
      yield* fs.writeFileString(`${cwd}/tool`, "#!/bin/sh\necho old\n", { mode: 0o755 })
      yield* fs.writeFileString(`${cwd}/new`, "#!/bin/sh\necho replaced\n", { mode: 0o755 })
      assert.strictEqual((yield* run({ command: [`${cwd}/tool`] })).stdout, "old\n")
      let looks = 0
      const error = yield* run({ command: [`${cwd}/tool`] }).pipe(
        Effect.updateService(FileSystem.FileSystem, (real): FileSystem.FileSystem => ({
          ...real,
          stat: (file) =>
            Effect.tap(real.stat(file), () =>
              file === `${cwd}/tool` && looks++ === 0 ? real.rename(`${cwd}/new`, file) : Effect.void
            )
        })),
        Effect.flip
      )
      assert.include(error.message, "was replaced while it was checked")
    }).pipe(Effect.scoped, Effect.provide(safe))
  )

  it.live("a program that is several in one still sees the name it was called by", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const cwd = yield* fs.makeTempDirectoryScoped()
      yield* fs.symlink("/bin/sh", `${cwd}/applet`)
      const result = yield* run({ command: [`${cwd}/applet`, "-c", "echo $0; tr '\\0' ' ' < /proc/$$/cmdline"] })
      assert.include(result.stdout, `${cwd}/applet`)
    }).pipe(Effect.scoped, Effect.provide(live()))
  )
})

describe("a program that this user may not run", () => {
  it.live("is none, whoever else may", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const first = yield* fs.makeTempDirectoryScoped()
      const second = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(`${first}/tool`, "#!/bin/sh\n", { mode: 0o644 })
      yield* fs.writeFileString(`${second}/tool`, "#!/bin/sh\n", { mode: 0o755 })
      const lookup = { path: `${first}:${second}`, cwd: "/", platform: "linux" as const }
      assert.strictEqual((yield* Executable.find("tool", lookup))?.path, `${second}/tool`)
      // Set for others, not for its owner. Root may run it all the same.
      yield* fs.chmod(`${first}/tool`, 0o601)
      const found = (yield* Executable.find("tool", lookup))?.path
      assert.strictEqual(found, `${process.getuid?.() === 0 ? first : second}/tool`)
    }).pipe(Effect.scoped, Effect.provide(live()))
  )
})
