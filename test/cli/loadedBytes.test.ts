/**
 * What the built program evaluates for a command, as a ratchet without a clock: kilobytes of its own modules
 * (`loadedBytes.json`). Who has made one smaller writes the smaller number there; who needs more says why in the commit.
 */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync
} from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import budgets from "./loadedBytes.json" with { type: "json" }
import { type Answers, gateway, home } from "./kit.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
let built = ""

beforeAll(() => {
  built = mkdtempSync(join(tmpdir(), "openclaw-built-"))
  const build = spawnSync(process.execPath, [join(root, "tools", "build.mjs"), "--cli", "--out", built], {
    encoding: "utf8"
  })
  assert.strictEqual(build.status, 0, build.stderr)
  for (const name of ["bin", "package.json"]) cpSync(join(root, name), join(built, name), { recursive: true })
}, 60_000)
afterAll(() => rmSync(built, { recursive: true, force: true }))

/** The modules that a run of the built program loaded, and what it printed. */
const loadedBy = Effect.fnUntraced(function* (folder: string, given: ReadonlyArray<string>) {
  const record = join(folder, "modules")
  const recorder = new URL("recordModules.ts", import.meta.url)
  recorder.searchParams.set("into", record)
  const child = spawn(process.execPath, ["--import", recorder.href, join(built, "bin", "openclaw.js"), ...given], {
    env: { HOME: folder },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let printed = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (printed += String(text)))
  yield* Effect.promise(() => once(child, "close"))
  return { modules: readFileSync(record, "utf8").split("\n"), printed }
})

const answers: Answers = {
  health: () => ({ ok: true, ts: 1, durationMs: 1 }),
  status: () => ({}),
  "system-presence": () => [],
  "node.list": () => ({ ts: 1, nodes: [] }),
  "node.pair.list": () => ({ pending: [], paired: [] })
}

describe("what the built program loads", () => {
  for (const [line, kilobytes] of Object.entries(budgets)) {
    it.live(`openclaw ${line}: at most ${kilobytes} kB`, () =>
      Effect.gen(function* () {
        const { flags } = yield* gateway(answers)
        const isAnswered = kilobytes < 100
        const given = [...line.split(" "), ...(isAnswered || line === "config get" ? [] : flags)]
        const { modules, printed } = yield* loadedBy(yield* home, given)
        const own = modules.filter((url) => url.startsWith("file:") && !url.endsWith(".ts"))
        const bytes = own.reduce((sum, url) => sum + statSync(new URL(url)).size, 0)
        assert.isAtMost(bytes / 1000, kilobytes, own.join("\n"))
        assert.notMatch(printed, /Error: |Cannot find/)
        // The door alone, or else the short way: never the program with its whole tree.
        const isDirect = own.some((url) => url.endsWith("/direct/direct.cjs"))
        assert.strictEqual(isDirect, !isAnswered)
        assert.isFalse(own.some((url) => url.endsWith("/cli/main.js")))
        for (const late of ["node:tls", "node:https", "node:child_process"]) assert.notInclude(modules, late)
      }).pipe(Effect.scoped)
    )
  }

  it.live("nothing of the short way where the whole program runs", () =>
    Effect.gen(function* () {
      for (const given of [
        ["config", "validate"],
        ["nodes", "list", "--", "x"]
      ]) {
        const { modules } = yield* loadedBy(yield* home, given)
        assert.isTrue(modules.some((url) => url.endsWith("/cli/main.js")))
        assert.isFalse(modules.some((url) => url.includes("/cli/direct/")))
      }
    }).pipe(Effect.scoped)
  )
})

describe("compiled code", () => {
  const runIn = (folder: string) =>
    spawnSync(process.execPath, [join(built, "bin", "openclaw.js"), "config", "get"], {
      env: { HOME: folder, TMPDIR: folder },
      encoding: "utf8"
    })
  const cacheIn = (folder: string) => join(folder, `openclaw-compiled-${process.getuid?.()}`)

  it.live("is kept where nobody else writes", () =>
    Effect.gen(function* () {
      const folder = yield* home
      assert.strictEqual(runIn(folder).stdout, "{}\n")
      assert.strictEqual(statSync(cacheIn(folder)).mode & 0o777, 0o700)
      assert.isNotEmpty(readdirSync(cacheIn(folder)))
    }).pipe(Effect.scoped)
  )

  it.live("is kept with what was called, once for each command, by those that did their work", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const run = (...given: ReadonlyArray<string>) =>
        spawnSync(process.execPath, [join(built, "bin", "openclaw.js"), ...given], {
          env: { HOME: folder, TMPDIR: folder }
        }).status
      const kept = () =>
        readdirSync(cacheIn(folder), { recursive: true, withFileTypes: true })
          .filter(({ name }) => /^part0-[\w-]{8}\.cjs/.test(name))
          .map(({ name, parentPath }) => readFileSync(join(parentPath, name), "latin1").split("\n", 1)[0])
      assert.notStrictEqual(run("health", "--url", "ws://127.0.0.1:1", "--token", "none"), 0)
      assert.deepStrictEqual(kept(), [])
      for (const command of ["config get", "config get", "tunnel status"]) {
        assert.strictEqual(run(...command.split(" ")), 0)
      }
      assert.deepStrictEqual(kept(), ["config get,tunnel status"])
    }).pipe(Effect.scoped)
  )

  /** What is kept of a program's parts: a file that is written again is another one. */
  const partsIn = (folder: string) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter(({ name }) => /^part\d-[\w-]{8}\.cjs$/.test(name))
      .map(({ name, parentPath }) => [name, statSync(join(parentPath, name)).ino] as const)

  const started = (folder: string, temporary: string, ...given: ReadonlyArray<string>) => {
    const child = spawn(process.execPath, [join(built, "bin", "openclaw.js"), ...given], {
      env: { HOME: folder, TMPDIR: temporary },
      stdio: ["ignore", "pipe", "ignore"]
    })
    return { child, ended: Effect.promise(() => once(child, "close")) }
  }
  const gatewayIn = (folder: string, temporary = folder) =>
    started(folder, temporary, "gateway", "run", "--port", "0", "--allow-unconfigured")
  const listens = (child: ReturnType<typeof gatewayIn>["child"]) =>
    Effect.promise(async () => {
      for await (const text of child.stdout) if (String(text).includes("listens")) break
    })
  const until = (isSo: () => boolean) =>
    Effect.repeat(Effect.sync(isSo), { until: (so) => so, schedule: Schedule.spaced("20 millis") })

  it.live("is taken again by a Gateway, which sets flags that V8 would refuse it for", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const served = Effect.fnUntraced(function* (signal: "SIGKILL" | "SIGTERM") {
        const { child, ended } = gatewayIn(folder)
        yield* listens(child)
        // Kept while it runs: it need not end in order for that.
        yield* until(() => partsIn(folder).length === 2)
        child.kill(signal)
        yield* ended
      })
      yield* served("SIGKILL")
      const first = partsIn(folder)
      yield* served("SIGTERM")
      assert.deepStrictEqual(partsIn(folder), first)
    }).pipe(Effect.scoped)
  )

  it.live("is not kept of a Gateway that is stopped while it starts, and of a command that fails late", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const before = gatewayIn(folder, yield* home)
      yield* listens(before.child)
      before.child.kill("SIGTERM")
      yield* before.ended
      // The Gateway waits for this before it listens.
      const database = new DatabaseSync(join(folder, ".openclaw", "state", "openclaw.sqlite"))
      database.exec("BEGIN IMMEDIATE")
      const { child, ended } = gatewayIn(folder)
      yield* until(() => existsSync(join(folder, ".openclaw", "gateway.lock")))
      child.kill("SIGTERM")
      assert.deepStrictEqual(yield* ended, [0, null])
      database.close()
      assert.deepStrictEqual(partsIn(folder), [])

      const silent = createServer()
      yield* Effect.promise(() => once(silent.listen(0, "127.0.0.1"), "listening"))
      const { port } = silent.address() as AddressInfo
      const asked = started(folder, folder, "health", "--url", `ws://127.0.0.1:${port}`, "--token=t", "--timeout=2500")
      assert.deepStrictEqual(yield* asked.ended, [1, null])
      silent.close()
      assert.deepStrictEqual(partsIn(folder), [])
    }).pipe(Effect.scoped)
  )

  it.live("is neither read nor kept where somebody else may have put it", () =>
    Effect.gen(function* () {
      const open = yield* home
      mkdirSync(cacheIn(open))
      chmodSync(cacheIn(open), 0o777)
      const elsewhere = yield* home
      const linked = yield* home
      symlinkSync(elsewhere, cacheIn(linked))
      for (const folder of [open, linked]) {
        assert.strictEqual(runIn(folder).stdout, "{}\n")
        assert.isEmpty(readdirSync(cacheIn(folder)))
      }
    }).pipe(Effect.scoped)
  )
})
