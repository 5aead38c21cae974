import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Schedule from "effect/Schedule"
import { call, refusal, run, sh } from "./calls.ts"
import { live, path } from "./kit.ts"

const isGone = (pid: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.exists(`/proc/${pid}/cmdline`)).pipe(
    Effect.flatMap((exists) => (exists ? Effect.fail("alive") : Effect.void)),
    Effect.retry(Schedule.spaced("20 millis")),
    Effect.timeout("10 seconds")
  )

describe("system.run", () => {
  it.live("runs a program and tells how it ended", () =>
    Effect.gen(function* () {
      const events: Array<unknown> = []
      const emit = (event: string, payload: unknown) => Effect.sync(() => void events.push([event, payload]))
      assert.deepStrictEqual(yield* run({ command: ["echo", "hi $HOME; id"] }, { emit }), {
        exitCode: 0,
        timedOut: false,
        success: true,
        stdout: "hi $HOME; id\n",
        stderr: "",
        error: null
      })
      const failed = yield* sh(
        "echo out; echo err >&2; exit 3",
        { sessionKey: "agent:main:main", runId: "r1" },
        { emit }
      )
      assert.deepStrictEqual(
        [failed.exitCode, failed.success, failed.stdout, failed.stderr],
        [3, false, "out\n", "err\n"]
      )
      const [first, second] = events as Array<[string, Record<string, unknown>]>
      assert.strictEqual(first![1]["sessionKey"], "node")
      assert.deepStrictEqual(second, [
        "exec.finished",
        {
          sessionKey: "agent:main:main",
          runId: "r1",
          host: "node",
          command: '/bin/sh -c "echo out; echo err >&2; exit 3"',
          exitCode: 3,
          timedOut: false,
          success: false,
          output: "out\nerr",
          suppressNotifyOnExit: false
        }
      ])
    }).pipe(Effect.provide(live()))
  )

  it.live("a program or folder that is not there is a result, not a crash", () =>
    Effect.gen(function* () {
      const program = yield* run({ command: ["no-such-program"] })
      assert.isFalse("exitCode" in program)
      assert.include(program.error, "ENOENT")
      const folder = yield* run({ command: ["echo"], cwd: "/no/such/folder" })
      assert.include(folder.error, "working directory")
      const broken = yield* Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const file = `${yield* fs.makeTempDirectoryScoped()}/broken`
        yield* fs.writeFileString(file, "\u007fELF nonsense", { mode: 0o755 })
        return yield* run({ command: [file] })
      }).pipe(Effect.scoped)
      assert.isFalse(broken.success)
      const killed = yield* sh("kill -9 $$")
      assert.deepStrictEqual([killed.exitCode, killed.error], [undefined, "ended by SIGKILL"])
    }).pipe(Effect.provide(live()))
  )

  it.live("what is too slow is ended, with its whole process group (E4)", () =>
    Effect.gen(function* () {
      const slow = yield* sh("sleep 300 & echo $!; trap '' TERM; sleep 300", { timeoutMs: 300 })
      assert.deepStrictEqual([slow.exitCode, slow.timedOut, slow.success, slow.error], [124, true, false, null])
      yield* isGone(slow.stdout.trim())
      // The caller's own deadline bounds it too, early enough to answer.
      const bounded = yield* sh("echo start; sleep 300", { timeoutMs: 1e12 }, { timeoutMs: 500 })
      assert.deepStrictEqual([bounded.timedOut, bounded.stdout], [true, "start\n"])
      for (const timeoutMs of [0, -1]) assert.isTrue((yield* sh("exit 0", { timeoutMs })).success)
    }).pipe(Effect.provide(live()))
  )

  it.live("a child that forks and stays ends with its parent, and does not hold the answer up (E4)", () =>
    Effect.gen(function* () {
      const left = yield* sh("sleep 300 & echo $!")
      assert.isTrue(left.success)
      yield* isGone(left.stdout.trim())
    }).pipe(Effect.provide(live()))
  )

  it.live("one that leaves the group goes on, but holds nothing up and is listened to no longer", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const cwd = yield* fs.makeTempDirectoryScoped()
      const daemon =
        "touch left; until [ -e go ]; do sleep 0.02; done; touch gone; while echo here; do sleep 0.02; done"
      const left = yield* sh(`setsid sh -c '${daemon}' & echo $!; until [ -e left ]; do sleep 0.02; done`, { cwd })
      assert.isTrue(left.success)
      const [pid = ""] = left.stdout.split("\n")
      yield* fs.writeFileString(`${cwd}/go`, "")
      yield* Effect.repeat(fs.exists(`${cwd}/gone`), { until: (gone) => gone })
      // It was not ended with the group; it ends by itself when it writes to a pipe that nobody reads.
      yield* isGone(pid)
    }).pipe(Effect.scoped, Effect.provide(live()))
  )

  it.live("interruption ends the process group", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const fiber = yield* Effect.forkChild(sh("echo $$ > pid.tmp; mv pid.tmp pid; sleep 300", { cwd: folder }))
      const pid = yield* fs
        .readFileString(`${folder}/pid`)
        .pipe(Effect.retry(Schedule.spaced("10 millis")), Effect.timeout("10 seconds"))
      yield* Fiber.interrupt(fiber)
      yield* isGone(pid.trim())
    }).pipe(Effect.scoped, Effect.provide(live()))
  )

  it.live("output is capped with a notice, and the program still ends (E4)", () =>
    Effect.gen(function* () {
      const flood = yield* run({ command: ["head", "-c", "100000000", "/dev/zero"] }, { timeoutMs: 30_000 })
      assert.isTrue(flood.success)
      assert.strictEqual(flood.stdout.length, 200_000 + "\n... (truncated)".length)
      assert.isTrue(flood.stdout.endsWith("\n... (truncated)"))
      const both = yield* sh("echo oops >&2; head -c 300000 /dev/zero")
      // A flood on one stream drowns nothing on the other.
      assert.strictEqual(both.stderr, "oops\n")
      assert.isTrue(both.stdout.endsWith("\n... (truncated)"))
      const cut = yield* sh("printf x; yes € | head -c 300000")
      assert.notInclude(cut.stdout, "\ufffd")
    }).pipe(Effect.provide(live()))
  )

  it.live("the environment is an allow-list, from the host and from the request (E3)", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run({ command: ["env"], env: { LC_ALL: "C", NO_COLOR: "1" } })
      const seen = stdout.trim().split("\n").sort()
      assert.deepStrictEqual(seen, ["HOME=/home/someone", "LANG=C.UTF-8", "LC_ALL=C", "NO_COLOR=1", `PATH=${path}`])
      for (const name of [
        "PATH",
        "NODE_OPTIONS",
        "LD_PRELOAD",
        "DYLD_INSERT_LIBRARIES",
        "GIT_SSH_COMMAND",
        "FOO",
        "BASH_ENV"
      ]) {
        const error = yield* refusal({ command: ["env"], env: { [name]: "x" } })
        assert.strictEqual(error.code, "SYSTEM_RUN_DENIED")
        assert.include(error.message, `blocked override keys: "${name}"`)
      }
      // A terminal's name or a locale may be a path, and then names files to load.
      for (const value of ["/tmp/x", "../x", "a b", "x".repeat(65), "C\0", "C\n"]) {
        for (const name of ["TERM", "LANG", "LANGUAGE", "LC_ALL"]) {
          assert.strictEqual((yield* refusal({ command: ["env"], env: { [name]: value } })).code, "SYSTEM_RUN_DENIED")
        }
      }
      const usual = {
        TERM: "xterm-256color",
        LANG: "de_DE.UTF-8@euro",
        LANGUAGE: "de:en",
        LC_ALL: "",
        FORCE_COLOR: "1"
      }
      assert.isTrue((yield* run({ command: ["env"], env: usual })).success)
    }).pipe(Effect.provide(live()))
  )

  it.live("requests that are none", () =>
    Effect.gen(function* () {
      const bad: ReadonlyArray<unknown> = [
        undefined,
        null,
        {},
        { command: "ls -la" },
        { command: [] },
        { command: [1] },
        { command: [""] },
        { command: ["a\0b"] },
        { command: ["ls"], timeoutMs: "5" },
        { command: ["ls"], env: { LANG: 1 } },
        { command: ["ls"], sessionKey: "x".repeat(600) }
      ]
      for (const params of bad) assert.strictEqual((yield* refusal(params)).code, "INVALID_REQUEST")
      const other = yield* refusal({ command: ["rm", "-rf", "/"], rawCommand: "ls" })
      assert.strictEqual(other.message, "rawCommand does not match command")
      const merged = yield* refusal({ command: ["rm", "a b"], rawCommand: "rm a b" })
      assert.strictEqual(merged.message, "rawCommand does not match command")
      assert.isTrue((yield* run({ command: ["echo", "hi"], rawCommand: "echo hi" })).success)
      assert.isTrue((yield* sh("echo a && echo b", { rawCommand: "echo a && echo b" })).success)
    }).pipe(Effect.provide(live()))
  )
})

describe("the other commands", () => {
  it.live("system.which finds names, not paths", () =>
    Effect.gen(function* () {
      const found = (yield* call("system.which", { bins: ["sh", "nosuchbin", "../sh", "/bin/sh", "__proto__"] })) as {
        readonly bins: Record<string, string>
      }
      assert.deepStrictEqual(Object.keys(found.bins), ["sh"])
      assert.deepStrictEqual(yield* call("system.which", { bins: [] }), { bins: {} })
      assert.strictEqual((yield* Effect.flip(call("system.which", {}))).code, "INVALID_REQUEST")
      assert.strictEqual(
        (yield* Effect.flip(call("system.which", { bins: Array(100).fill("sh") }))).code,
        "INVALID_REQUEST"
      )
    }).pipe(Effect.provide(live()))
  )

  it.live("device.info and device.status describe this machine", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* call("device.info", {}), { deviceName: "Attic", appVersion: "1.2.3" })
      const status = (yield* call("device.status", {})) as {
        readonly memory: { totalBytes: number; freeBytes: number }
      }
      assert.isAbove(status.memory.totalBytes, status.memory.freeBytes)
    }).pipe(Effect.provide(live()))
  )
})
