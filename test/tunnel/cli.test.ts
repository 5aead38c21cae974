/** `openclaw tunnel` as programs of their own, over a real sshd to a whole Gateway. */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as Cli from "../cli/kit.ts"
import * as Sshd from "./sshd.ts"

/** Where the system's own ssh is looked for. */
const searched = "/usr/local/bin:/usr/bin:/bin"
const binary = fileURLToPath(new URL("../../bin/openclaw.js", import.meta.url))

const Row = Schema.Struct({
  target: Schema.String,
  state: Schema.String,
  localPort: Schema.Int,
  pid: Schema.optional(Schema.Int),
  program: Schema.optional(Schema.String),
  gateway: Schema.optional(Schema.String),
  reconnects: Schema.Int,
  error: Schema.optional(Schema.Struct({ name: Schema.String, message: Schema.String }))
})
const decodeStatus = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ ok: Schema.Boolean, tunnels: Schema.Array(Row) }))
)
const decodeLine = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ state: Schema.String, pid: Schema.optional(Schema.Int) }))
)

/** A test starts up to a dozen programs. */
const PATIENCE_MS = 60_000

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const setup = Effect.gen(function* () {
  const sshd = yield* Sshd.make
  yield* sshd.start
  const home = yield* Cli.home
  const { endpoint, token } = yield* GatewayTest.GatewayTest
  const remotePort = Number(new URL(endpoint).port)
  const localPort = yield* Sshd.freePort
  const stateDir = path.join(home, "state")
  Fs.mkdirSync(stateDir, { mode: 0o700 })
  const sshTarget = "box"
  const remote = { sshTarget, remotePort, url: `ws://127.0.0.1:${localPort}`, token }
  Fs.writeFileSync(path.join(stateDir, "openclaw.json"), JSON.stringify({ gateway: { mode: "remote", remote } }), {
    mode: 0o600
  })
  // The program runs whichever `ssh` it finds.
  const bin = path.join(home, "bin")
  Fs.mkdirSync(bin)
  Fs.writeFileSync(path.join(bin, "ssh"), `#!/bin/sh\nPATH='${searched}' exec '${sshd.program}' "$@"\n`, {
    mode: 0o700
  })
  const env = { PATH: `${bin}:${searched}`, HOME: home, OPENCLAW_STATE_DIR: stateDir }

  const start = (...args: ReadonlyArray<string>) => {
    const child = spawn(process.execPath, [binary, ...args], { env, stdio: ["ignore", "pipe", "pipe"] })
    const said = { stdout: "", stderr: "" }
    let look = () => {}
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (chunk) => {
        said[name] += String(chunk)
        look()
      })
    }
    const ended = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, ...said })))
    const until = <A>(read: (stdout: string) => A | undefined) =>
      Effect.callback<A>((resume) => {
        look = () => {
          const value = read(said.stdout)
          if (value !== undefined) resume(Effect.succeed(value))
        }
        look()
      })
    return { child, ended: Effect.promise(() => ended), until }
  }
  const run = (...args: ReadonlyArray<string>) => Effect.suspend(() => start(...args).ended)
  const status = Effect.map(run("tunnel", "status", "--json"), ({ code, stdout }) => ({
    code,
    ...decodeStatus(stdout)
  }))
  /** The ssh that run now. */
  const running = () => Fs.readFileSync(sshd.started, "utf8").trim().split("\n").map(Number).filter(sshd.runs)
  yield* Effect.addFinalizer(() => Effect.ignore(run("tunnel", "down", "--all")))
  return { localPort, remotePort, run, running, sshd, start, stateDir, status, token }
})

const live = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(test, [GatewayTest.layer(), NodeServices.layer])

const upLine = (stdout: string) =>
  stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => decodeLine(line))
    .find(({ state }) => state === "up")

describe.skipIf(Sshd.findSync() === undefined)("openclaw tunnel", () => {
  it.live(
    "keeps one in the background, tells of it, is used by other commands, and ends it",
    () =>
      live(
        Effect.gen(function* () {
          const { localPort, run, running, stateDir, status, token } = yield* setup
          assert.deepStrictEqual(yield* status, { code: 0, ok: true, tunnels: [] })
          const none = yield* run("tunnel", "down")
          assert.deepStrictEqual([none.code, none.stdout], [0, "No tunnel to box is kept here.\n"])

          const up = yield* run("tunnel", "up", "--background")
          assert.strictEqual(up.code, 0, up.stderr)
          assert.include(up.stdout, `127.0.0.1:${localPort}`)
          const [ssh] = running()
          const { code, tunnels } = yield* status
          assert.strictEqual(code, 0)
          assert.lengthOf(tunnels, 1)
          assert.deepInclude(tunnels[0], {
            target: "box",
            state: "up",
            localPort,
            reconnects: 0,
            program: "openclaw tunnel up"
          })
          assert.match(tunnels[0]?.gateway ?? "", /^[0-9a-f]{64}$/)

          const again = yield* run("tunnel", "up", "--background", "--json")
          assert.include(JSON.parse(again.stdout), { ok: true, already: true, pid: tunnels[0]?.pid })
          const health = yield* run("health", "--json")
          assert.strictEqual(health.code, 0, health.stderr)
          assert.deepStrictEqual(running(), [ssh])

          for (const name of Fs.readdirSync(path.join(stateDir, "tunnels"))) {
            const file = path.join(stateDir, "tunnels", name)
            assert.strictEqual(Fs.statSync(file).mode & 0o777, 0o600, name)
            if (!name.endsWith(".sock")) assert.notInclude(Fs.readFileSync(file, "utf8"), token)
          }
          assert.strictEqual(Fs.statSync(path.join(stateDir, "tunnels")).mode & 0o777, 0o700)
          assert.notInclude(Fs.readFileSync(`/proc/${tunnels[0]?.pid}/cmdline`, "utf8"), token)

          // Stopped, it does not answer, and nothing is begun in its place; it is ended all the same.
          process.kill(tunnels[0]?.pid ?? 0, "SIGSTOP")
          const silent = yield* status
          assert.deepStrictEqual([silent.code, silent.tunnels[0]?.state], [1, "silent"])
          const beside = yield* run("tunnel", "up", "--background", "--json")
          assert.strictEqual(beside.code, 1)
          assert.include(JSON.parse(beside.stdout).error, { name: "TunnelHolderSilent" })
          const down = yield* run("tunnel", "down")
          assert.strictEqual(down.code, 0, down.stderr)
          assert.include(down.stdout, `pid ${tunnels[0]?.pid} ended`)
          assert.deepStrictEqual(running(), [])
          assert.deepStrictEqual((yield* status).tunnels, [])
          const logs = yield* run("tunnel", "logs", "--lines", "20")
          assert.match(
            logs.stdout,
            /box: held by openclaw tunnel up[\s\S]*box: up at 127\.0\.0\.1:\d+[\s\S]*box: let go/
          )
        })
      ),
    PATIENCE_MS
  )

  it.live(
    "is one ssh for two that begin at once, and stays when the one that holds it is told to stop",
    () =>
      live(
        Effect.gen(function* () {
          const { running, start, status } = yield* setup
          const both = [start("tunnel", "up", "--json"), start("tunnel", "up", "--json")]
          yield* Effect.forEach(both, ({ until }) => until(upLine), { concurrency: 2 })
          assert.lengthOf(running(), 1)
          const holder = (yield* status).tunnels[0]?.pid
          const [first, second] = both[0]?.child.pid === holder ? both : both.toReversed()
          first?.child.kill("SIGTERM")
          const ended = yield* first?.ended ?? Effect.never
          assert.strictEqual(ended.code, 0, ended.stderr)
          yield* Effect.repeat(status, { until: ({ ok, tunnels }) => ok && tunnels[0]?.pid === second?.child.pid })
          assert.lengthOf(running(), 1)
          second?.child.kill("SIGINT")
          assert.strictEqual((yield* second?.ended ?? Effect.never).code, 0)
          assert.deepStrictEqual(running(), [])
        })
      ),
    PATIENCE_MS
  )

  it.live(
    "says why it cannot come up, in the foreground and from the background, until it is dismissed",
    () =>
      live(
        Effect.gen(function* () {
          const { run, sshd, status } = yield* setup
          yield* sshd.refuseKey
          const up = yield* run("tunnel", "up", "--json")
          assert.strictEqual(up.code, 1)
          const last = JSON.parse(up.stdout.trim().split("\n").at(-1) ?? "")
          assert.deepInclude(last, { ok: false })
          assert.strictEqual(last.error.name, "SshAuthFailed")

          const background = yield* run("tunnel", "up", "--background")
          assert.strictEqual(background.code, 1)
          assert.match(background.stderr, /Permission denied[\s\S]*\nFix: /)
          const { code, tunnels } = yield* status
          assert.strictEqual(code, 1)
          assert.strictEqual(tunnels[0]?.state, "stopped")
          assert.strictEqual(tunnels[0]?.error?.name, "SshAuthFailed")
          assert.include((yield* run("tunnel", "down")).stdout, "had stopped by itself")
          assert.deepStrictEqual((yield* status).tunnels, [])
        })
      ),
    PATIENCE_MS
  )

  it.live(
    "leaves the tunnel of another program to it",
    () =>
      live(
        Effect.gen(function* () {
          const { localPort, remotePort, run, running, sshd, stateDir, status } = yield* setup
          const script = path.join(import.meta.dirname, "sharedHolder.ts")
          const holder = yield* Effect.acquireRelease(
            Effect.sync(() =>
              spawn(process.execPath, [script, sshd.program, stateDir, String(localPort), String(remotePort), "true"], {
                stdio: "ignore"
              })
            ),
            (child) => Effect.sync(() => child.kill("SIGKILL"))
          )
          yield* Effect.repeat(status, { until: ({ ok, tunnels }) => ok && tunnels[0]?.pid === holder.pid })
          const down = yield* run("tunnel", "down")
          assert.strictEqual(down.code, 1)
          assert.include(down.stderr, `pid ${holder.pid} (a test)`)
          const all = yield* run("tunnel", "down", "--all")
          assert.strictEqual(all.code, 0)
          assert.include(all.stdout, "keeps it")
          assert.lengthOf(running(), 1)

          // One that stands by for it is enough, and is ended by name.
          for (const already of [false, true]) {
            const beside = yield* run("tunnel", "up", "--background", "--json")
            assert.include(JSON.parse(beside.stdout), { ok: true, already, pid: holder.pid })
          }
          const ended = JSON.parse((yield* run("tunnel", "down", "--json")).stdout).ended
          assert.deepInclude(ended[0], { target: "box", keptBy: { pid: holder.pid, program: "a test" } })
          assert.lengthOf(ended[0].pids, 1)
          assert.strictEqual((yield* run("tunnel", "down")).code, 1)
          assert.lengthOf(running(), 1)

          // Killed, it leaves a record and a socket that nobody believes.
          holder.kill("SIGKILL")
          yield* Effect.repeat(status, { until: ({ tunnels }) => tunnels.length === 0 })
          const left = Fs.readdirSync(path.join(stateDir, "tunnels")).filter((name) => !/^known|\.log$/.test(name))
          assert.deepStrictEqual(left, [])
        })
      ),
    PATIENCE_MS
  )

  it.live(
    "gives up in time where that is asked for, and knows its flags",
    () =>
      live(
        Effect.gen(function* () {
          const { run, sshd, remotePort } = yield* setup
          yield* sshd.stop
          const late = yield* run("tunnel", "up", "--timeout", "300")
          assert.strictEqual(late.code, 1)
          assert.match(late.stderr, /^the tunnel did not come up within 300 ms\. /)
          const background = yield* run("tunnel", "up", "--background", "--timeout", "3000")
          assert.strictEqual(background.code, 1)
          assert.match(background.stderr, /goes on trying until `openclaw tunnel down`\. No way to box/)
          assert.strictEqual((yield* run("tunnel", "down")).code, 0)
          const argv = yield* run("tunnel", "up", "--background", "--token", "sesame")
          assert.strictEqual(argv.code, 1)
          assert.include(argv.stderr, "Fix: set gateway.remote.token")
          assert.notInclude(argv.stderr, "sesame")
          const bad = yield* run("tunnel", "up", "-oProxyCommand=x", "--remote-port", String(remotePort))
          assert.strictEqual(bad.code, 1)
          const worse = yield* run("tunnel", "up", "--", "-oProxyCommand=x")
          assert.strictEqual(worse.code, 1)
          assert.include(worse.stderr, "The SSH target from the command line")
        })
      ),
    PATIENCE_MS
  )
})
