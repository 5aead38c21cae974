import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createInterface } from "node:readline"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { startTicks, makeIdentify } from "../../src/layers/state-dir/processIdentity.ts"
import type * as Scope from "effect/Scope"
import * as StateDirLive from "../../src/layers/StateDir.ts"
import { StateDir } from "../../src/services/StateDir.ts"

const holderScript = new URL("holder.ts", import.meta.url).pathname

const live = <A, E>(
  name: string,
  body: (root: string) => Effect.Effect<A, E, NodeServices.NodeServices | Scope.Scope>
) =>
  it.live(name, () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      return yield* body(`${yield* fs.makeTempDirectoryScoped()}/state`)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

/** Starts the holder and waits for its one line. */
const start = (root: string) =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [holderScript, root], { stdio: ["ignore", "pipe", "inherit"] })),
      kill
    )
    const line = yield* Effect.callback<string>((resume) => {
      createInterface({ input: child.stdout! }).once("line", (text) => resume(Effect.succeed(text)))
    })
    return { child, line }
  })

/** Kills a child the hard way and waits until it is gone. */
const kill = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

const own = (root: string) =>
  Effect.provide(
    Effect.flatMap(StateDir, (stateDir) => stateDir.own),
    StateDirLive.layer({ root })
  )
const lockOf = (root: string): { pid: number; started: string; nonce: string } =>
  JSON.parse(readFileSync(`${root}/${StateDirLive.LOCK_FILE}`, "utf8"))
const locks = (root: string) => readdirSync(root).filter((name) => name.includes(StateDirLive.LOCK_FILE))

describe("StateDir.own", () => {
  live("names the pid of the Gateway that owns the directory, and takes over when it is killed (F10)", (root) =>
    Effect.gen(function* () {
      const { child, line } = yield* start(root)
      assert.strictEqual(line, "owned")
      const error = yield* Effect.flip(own(root))
      assert.strictEqual(error._tag, "GatewayAlreadyRunning")
      assert.include(error.message, `pid ${child.pid}`)
      yield* kill(child)
      assert.strictEqual(lockOf(root).pid, child.pid)
      yield* own(root)
      assert.strictEqual(lockOf(root).pid, process.pid)
      assert.deepStrictEqual(locks(root), [StateDirLive.LOCK_FILE])
    })
  )

  live("two profiles do not meet (F10)", (root) => Effect.andThen(own(`${root}-a`), own(`${root}-b`)))

  live("a pid that another program has now does not hold the lock (F10)", (root) =>
    Effect.gen(function* () {
      yield* Effect.scoped(own(root))
      // Our own pid is certainly alive; the start time says that it was somebody else's.
      const stale = { pid: process.pid, started: "another-boot/1", nonce: "0".repeat(32) }
      writeFileSync(`${root}/${StateDirLive.LOCK_FILE}`, JSON.stringify(stale), { mode: 0o600 })
      yield* own(root)
      assert.notStrictEqual(lockOf(root).nonce, stale.nonce)
    })
  )

  live("a damaged lock is taken over", (root) =>
    Effect.gen(function* () {
      yield* Effect.scoped(own(root))
      writeFileSync(`${root}/${StateDirLive.LOCK_FILE}`, '{"pid":', { mode: 0o600 })
      yield* own(root)
      assert.strictEqual(lockOf(root).pid, process.pid)
    })
  )

  live("is released when the scope closes, and only by who holds it", (root) =>
    Effect.gen(function* () {
      yield* Effect.scoped(own(root))
      assert.deepStrictEqual(locks(root), [])
      const foreign = JSON.stringify({ pid: 1, started: "x", nonce: "f".repeat(32) })
      yield* Effect.scoped(
        Effect.andThen(
          own(root),
          Effect.sync(() => writeFileSync(`${root}/${StateDirLive.LOCK_FILE}`, foreign))
        )
      )
      assert.strictEqual(readFileSync(`${root}/${StateDirLive.LOCK_FILE}`, "utf8"), foreign)
    })
  )

  live(
    "of many starters at once exactly one owns it: on fresh ground, over a dead lock, over a half-done takeover",
    (root) =>
      Effect.gen(function* () {
        const dead = { pid: process.pid, started: "another-boot/1", nonce: "a".repeat(32) }
        const alsoDead = { ...dead, nonce: "b".repeat(32) }
        for (const prepare of [
          () => {},
          () => writeFileSync(`${root}/${StateDirLive.LOCK_FILE}`, JSON.stringify(dead), { mode: 0o600 }),
          () => {
            writeFileSync(`${root}/${StateDirLive.LOCK_FILE}`, JSON.stringify(dead), { mode: 0o600 })
            writeFileSync(`${root}/${StateDirLive.LOCK_FILE}.${dead.nonce}`, JSON.stringify(alsoDead), { mode: 0o600 })
          }
        ]) {
          prepare()
          yield* Effect.scoped(
            Effect.gen(function* () {
              const results = yield* Effect.all(
                Array.from({ length: 24 }, () => Effect.option(own(root))),
                { concurrency: "unbounded" }
              )
              assert.strictEqual(results.filter(Option.isSome).length, 1)
              assert.strictEqual(lockOf(root).pid, process.pid)
            })
          )
          assert.deepStrictEqual(locks(root), [])
        }
      })
  )

  live("of several processes at once over a killed holder's lock exactly one owns it", (root) =>
    Effect.gen(function* () {
      const first = yield* start(root)
      yield* kill(first.child)
      const starters = yield* Effect.all([start(root), start(root), start(root)], { concurrency: "unbounded" })
      const owners = starters.filter(({ line }) => line === "owned")
      assert.strictEqual(owners.length, 1)
      for (const { line } of starters) {
        if (line !== "owned") assert.match(line, /^running \d+$/)
      }
      assert.strictEqual(lockOf(root).pid, owners[0]?.child.pid)
    })
  )

  live("what killed processes left behind is swept, what others write is not", (root) =>
    Effect.gen(function* () {
      const { child } = yield* start(root)
      yield* kill(child)
      const leftover = `.openclaw.json.${child.pid}.0123456789abcdef.tmp`
      const inUse = `.openclaw.json.${process.pid}.0123456789abcdef.tmp`
      for (const name of [leftover, inUse]) writeFileSync(`${root}/${name}`, "x", { mode: 0o600 })
      yield* own(root)
      assert.notInclude(readdirSync(root), leftover)
      assert.include(readdirSync(root), inUse)
    })
  )
})

describe("process identity", () => {
  it("reads the start time whatever the command is called, and sees that a zombie is gone", () => {
    const tail = Array.from({ length: 18 }, (_, index) => index).join(" ")
    assert.strictEqual(startTicks(`42 (a) b) c) S ${tail} 777 9`), "777")
    assert.isUndefined(startTicks(`42 (node) Z ${tail} 777 9`))
  })

  live("ps and /proc both know us, and know that a pid is free", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const spawner = yield* ChildProcessSpawner
      const withoutProc = { ...fs, exists: () => Effect.succeed(false) }
      for (const identify of [yield* makeIdentify(fs, spawner), yield* makeIdentify(withoutProc, spawner)]) {
        const mine = yield* identify(process.pid)
        assert.isTrue(Option.isSome(mine))
        assert.deepStrictEqual(yield* identify(process.pid), mine)
        assert.isTrue(Option.isNone(yield* identify(2 ** 22 + 1)))
      }
    })
  )
})
