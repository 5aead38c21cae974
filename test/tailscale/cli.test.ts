/** The program itself with a stand-in for Tailscale in PATH. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "../cli/kit.ts"
import * as StandIn from "./standin.ts"

/** Where the stand-in finds what it needs. */
const PATH = "/usr/bin:/bin"

interface Run {
  readonly child: ChildProcess
  readonly said: { stdout: string; stderr: string; code: number | undefined }
}

const home = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "openclaw-tailscale-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
)

/** Starts `openclaw` in a home of its own; it is killed with the scope. */
const start = (folder: string, standIn: StandIn.StandIn, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync((): Run => {
      const child = spawn(process.execPath, [join(import.meta.dirname, "../../src/main.ts"), ...args], {
        env: {
          PATH: `${standIn.folder}:${PATH}`,
          HOME: folder,
          OPENCLAW_STATE_DIR: folder,
          OPENCLAW_GATEWAY_PORT: "0",
          NO_COLOR: "1"
        },
        stdio: ["ignore", "pipe", "pipe"]
      })
      const said: Run["said"] = { stdout: "", stderr: "", code: undefined }
      child.stdout?.on("data", (data) => (said.stdout += String(data)))
      child.stderr?.on("data", (data) => (said.stderr += String(data)))
      child.on("close", (code) => (said.code = code ?? -1))
      return { child, said }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

const done = ({ said }: Run) =>
  StandIn.until(
    Effect.sync(() => said),
    ({ code }) => code !== undefined
  )

const config = (folder: string, gateway: unknown) =>
  Effect.promise(() => writeFile(join(folder, "openclaw.json"), JSON.stringify({ gateway }), { mode: 0o600 }))

describe("openclaw and Tailscale", () => {
  it.live("gateway run --tailscale serve holds the claim; doctor sees it; kill -9 releases it", () =>
    Effect.gen(function* () {
      const standIn = yield* StandIn.make
      yield* standIn.whois("100.101.102.103", StandIn.person("me@example.com"))
      const folder = yield* home
      yield* config(folder, { mode: "local" })
      const gateway = yield* start(folder, standIn, "gateway", "run", "--tailscale", "serve", "--json")
      yield* StandIn.until(
        Effect.sync(() => gateway.said.stderr),
        (text) => text.includes(`at https://${StandIn.NAME}`)
      )
      const [claim = 0] = yield* standIn.claims
      const doctor = yield* done(yield* start(folder, standIn, "doctor", "tailscale", "--json"))
      assert.strictEqual(doctor.code, 0, doctor.stderr)
      const report = JSON.parse(doctor.stdout)
      assert.isTrue(report.ok)
      const routes = report.checks.find(({ id }: { id: string }) => id === "routes")
      assert.include(routes.detail, `https://${StandIn.NAME}/ leads to http://127.0.0.1:`)
      const { port } = JSON.parse(gateway.said.stdout.split("\n")[0] ?? "")
      assert.notInclude(routes.detail, `:${port}`)
      gateway.child.kill("SIGKILL")
      yield* StandIn.until(
        Effect.sync(() => StandIn.alive(claim)),
        (lives) => !lives
      )
    }).pipe(Effect.scoped)
  )

  it.live("what cannot be safe does not start, and says what to do", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const setting = { home: folder, variables: { OPENCLAW_STATE_DIR: folder, OPENCLAW_GATEWAY_PORT: "0" } }
      const refused = Effect.fnUntraced(function* (gateway: unknown, ...args: ReadonlyArray<string>) {
        yield* config(folder, gateway)
        const { code, stderr } = yield* Cli.run(setting, "gateway", "run", ...args)
        return `${code} ${stderr}`
      })
      assert.match(yield* refused({ mode: "local" }, "--tailscale", "funnel"), /^1 [^]*password[^]*Fix:/)
      assert.match(yield* refused({ mode: "local", bind: "lan" }, "--tailscale", "serve"), /^1 [^]*--bind loopback/)
      assert.match(
        yield* refused({ mode: "local", auth: { mode: "trusted-proxy" } }),
        /^78 [^]*gateway\.trustedProxies/
      )
      assert.match(
        yield* refused({ mode: "local", trustedProxies: ["10.0.0.1", "10.0.0.0/99"] }),
        /^78 [^]*gateway\.trustedProxies[.[]1[^]*10\.0\.0\.0\/8/
      )
      const mixed = {
        mode: "local",
        trustedProxies: ["10.0.0.1"],
        auth: { mode: "trusted-proxy", token: "a-token-that-is-secret", trustedProxy: { userHeader: "x-user" } }
      }
      const said = yield* refused(mixed)
      assert.match(said, /^78 [^]*gateway\.auth\.token/)
      assert.notInclude(said, "a-token-that-is-secret")
      yield* config(folder, { tailscale: { mode: "funnel" } })
      const unwell = yield* Cli.run(setting, "doctor", "tailscale")
      assert.strictEqual(unwell.code, 1)
      assert.include(unwell.stdout, "Fix: set gateway.auth.mode to password")
    }).pipe(Effect.scoped)
  )
})
