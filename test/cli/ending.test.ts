/** How the program ends in a process of its own: told by a signal, or because nobody reads it any more. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { survivesHangup } from "../../src/cli/runMain.ts"

const main = join(import.meta.dirname, "../../src/main.ts")

const started = Effect.fnUntraced(function* (
  given: ReadonlyArray<string>,
  variables: Readonly<Record<string, string>> = {}
) {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "openclaw-ending-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [main, ...given], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { PATH: "/usr/bin:/bin", HOME: folder, TMPDIR: folder, ...variables }
      })
    ),
    (spawned) => Effect.sync(() => spawned.kill("SIGKILL"))
  )
  let out = ""
  let err = ""
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()))
  const heard: Array<() => void> = []
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString()
    for (const listener of heard) listener()
  })
  return {
    child,
    folder,
    err: () => err,
    until: <A>(read: (text: string) => A | undefined) =>
      Effect.callback<A>((resume) => {
        const look = () => {
          const value = read(out)
          if (value !== undefined) resume(Effect.succeed(value))
        }
        heard.push(look)
        look()
      }),
    ended: endOf(child)
  }
})

const endOf = (child: ChildProcess) =>
  Effect.callback<number | string | null>((resume) => {
    const code = () => resume(Effect.succeed(child.signalCode ?? child.exitCode))
    if (child.exitCode !== null || child.signalCode !== null) return code()
    child.once("close", code)
  })

const has = (part: string) => (text: string) => (text.includes(part) ? true : undefined)

describe("demo", () => {
  const endings: ReadonlyArray<readonly [name: string, end: (child: ChildProcess) => void]> = [
    ["its output is closed", (child) => child.stdout?.destroy()],
    ["its terminal is closed", (child) => child.kill("SIGHUP")],
    ["Ctrl-C comes during a turn", (child) => child.kill("SIGINT")]
  ]
  it.live.each(endings)("ends with 0 and leaves nothing when %s", ([, end]) =>
    Effect.gen(function* () {
      const { child, ended, err, folder, until } = yield* started(["demo"])
      yield* until(has("turn starts"))
      assert.isNotEmpty(readdirSync(folder))
      end(child)
      assert.strictEqual(yield* ended, 0)
      assert.deepStrictEqual(readdirSync(folder), [])
      assert.notInclude(err(), "EPIPE")
    }).pipe(Effect.scoped)
  )
})

describe("gateway", () => {
  const flags = ["gateway", "run", "--port", "0", "--allow-unconfigured", "--json"]
  const portIn = (text: string): number | undefined =>
    text.includes("\n") ? JSON.parse(text.slice(0, text.indexOf("\n"))).port : undefined

  it.live("SIGHUP stops it in order", () =>
    Effect.gen(function* () {
      const { child, ended, until } = yield* started(flags)
      yield* until(portIn)
      child.kill("SIGHUP")
      assert.strictEqual(yield* ended, 0)
    }).pipe(Effect.scoped)
  )

  it.live("restart waits until another Gateway answers in its place, and tells why it does not", () =>
    Effect.gen(function* () {
      const { child, ended, folder, until } = yield* started([...flags, "--auth", "none"])
      const port = yield* until(portIn)
      const restart = Effect.gen(function* () {
        const variables = { OPENCLAW_GATEWAY_PORT: String(port), OPENCLAW_STATE_DIR: join(folder, ".openclaw") }
        const cli = yield* started(["gateway", "restart", "--json"], variables)
        const code = yield* cli.ended
        return { code, said: yield* cli.until((text) => JSON.parse(text)) }
      })
      const good = yield* restart
      assert.strictEqual(good.code, 0)
      assert.deepInclude(good.said, { ok: true, result: "restarted" })
      writeFileSync(join(folder, ".openclaw/openclaw.json"), "{ gateway: { port: 0 } }", { mode: 0o600 })
      const bad = yield* restart
      assert.deepStrictEqual([bad.code, bad.said.ok], [78, false])
      child.kill("SIGUSR2")
      yield* until((text) => (text.split("\n").length > 2 ? true : undefined))
      child.kill("SIGTERM")
      assert.strictEqual(yield* ended, 0)
    }).pipe(Effect.scoped)
  )

  it.live("under nohup it goes on", () =>
    Effect.gen(function* () {
      const { child, ended, until } = yield* started(flags, { _: "/usr/bin/nohup" })
      const port = yield* until(portIn)
      child.kill("SIGHUP")
      const answer = yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/healthz`))
      assert.strictEqual(answer.status, 200)
      assert.isNull(child.exitCode)
      child.kill("SIGTERM")
      assert.strictEqual(yield* ended, 0)
    }).pipe(Effect.scoped)
  )
})

describe("nohup", () => {
  it("is known by its name or by an input that can only be written", () => {
    const told = (command: string | undefined, flags: string | undefined) => survivesHangup({ command, flags })
    assert.deepStrictEqual([told("/usr/bin/nohup", undefined), told("nohup", "0100000")], [true, true])
    assert.isTrue(told("/usr/bin/node", "0100001"))
    assert.deepStrictEqual(
      [told(undefined, undefined), told("/usr/bin/node", "0100002"), told("/opt/nohup.sh", "0100000")],
      [false, false, false]
    )
  })
})
