/** Services of a real systemd: what is written, started, killed and taken away. */
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as EnvironmentFile from "../../src/layers/service/environmentFile.ts"
import * as Unit from "../../src/layers/service/unit.ts"
import { start } from "../cli/kit.ts"
import { freePort } from "../tunnel/sshd.ts"
import { lacking, userManager } from "./userManager.ts"

const TOKEN = 'a token of $HOME, %h and "quotes" \\\\'

const configure = (home: string, profile: string, port: number) => {
  const folder = join(home, `.openclaw-${profile}`)
  mkdirSync(folder, { mode: 0o700 })
  writeFileSync(join(folder, "openclaw.json"), JSON.stringify({ gateway: { mode: "local", port } }), { mode: 0o600 })
  return folder
}

const reason = lacking === undefined ? "" : ` (skipped: ${lacking})`

describe.skipIf(lacking !== undefined)(`a Gateway as a service of systemd${reason}`, () => {
  it.live(
    "is installed, restarted when killed, and stopped; its state stays",
    () =>
      Effect.gen(function* () {
        const { home, openclaw, program, systemctl, variables } = yield* userManager
        const port = yield* freePort
        const state = configure(home, "work", port)
        const work = (...args: ReadonlyArray<string>) =>
          openclaw({ OPENCLAW_GATEWAY_TOKEN: TOKEN }, "--profile", "work", "gateway", ...args, "--json")
        const json = (text: string) => JSON.parse(text)

        const missing = yield* work("start")
        assert.strictEqual(missing.code, 1)
        assert.strictEqual(json(missing.stdout).error.name, "ServiceNotInstalled")

        const installed = yield* work("install")
        assert.strictEqual(installed.code, 0, installed.stdout + installed.stderr)
        const first = json(installed.stdout)
        assert.include(first, { action: "install", ok: true, result: "installed", url: `ws://127.0.0.1:${port}` })
        assert.deepStrictEqual(first.variables, ["OPENCLAW_GATEWAY_TOKEN"])

        const unit = join(home, ".config/systemd/user/openclaw-gateway-work.service")
        const text = readFileSync(unit, "utf8")
        assert.notInclude(text, TOKEN)
        assert.strictEqual(statSync(unit).mode & 0o777, 0o600)
        assert.strictEqual(statSync(join(state, "gateway-service.env")).mode & 0o777, 0o600)
        const verified = yield* program("systemd-analyze", "verify", "--user", unit)
        assert.deepStrictEqual([verified.code, verified.stderr], [0, ""])
        const shown = yield* systemctl("show", "openclaw-gateway-work")
        assert.notInclude(shown.stdout, TOKEN)

        // The service was given the token as it is: a shell without it is not let in, one with it is.
        const status = json((yield* work("status")).stdout)
        assert.strictEqual(status.rpc.ok, true)
        assert.deepInclude(status.service.runtime, { status: "running", pid: first.pid })
        assert.deepInclude(status.port, { port, status: "busy" })
        assert.deepInclude(status.port.listeners[0], { pid: first.pid, service: true })
        assert.deepStrictEqual(status.service.configAudit, { ok: true, issues: [] })
        const stranger = yield* openclaw(
          { OPENCLAW_GATEWAY_TOKEN: "another one of them" },
          "--profile",
          "work",
          "health"
        )
        assert.strictEqual(stranger.code, 1)

        // Killed, it is there again.
        yield* systemctl("kill", "--signal=KILL", "openclaw-gateway-work")
        const again = yield* Effect.map(work("status"), ({ stdout }) => json(stdout)).pipe(
          Effect.repeat({
            until: ({ rpc, service }) => rpc?.ok === true && service.runtime.pid !== first.pid,
            schedule: Schedule.spaced("250 millis")
          })
        )
        assert.strictEqual(again.service.runtime.restarts, 1)

        const restarted = json((yield* work("restart")).stdout)
        assert.include(restarted, { action: "restart", ok: true, result: "restarted" })
        assert.notStrictEqual(restarted.pid, again.service.runtime.pid)

        assert.include(json((yield* work("install")).stdout), { result: "already-installed", pid: restarted.pid })
        assert.include(json((yield* work("stop")).stdout), { result: "stopped" })
        assert.include(json((yield* work("stop")).stdout), { result: "not-running" })
        assert.include(json((yield* work("start")).stdout), { result: "started" })
        assert.include(json((yield* work("start")).stdout), { result: "already-running" })

        // Whoever starts one by hand is told, and --force leaves the service stopped: it does not fight for its place.
        const setting = { home, variables }
        const byHand = ["--profile", "work", "gateway", "run", "--json"]
        const second = yield* openclaw({}, ...byHand)
        assert.include(json(second.stdout).error.message, "openclaw gateway stop")
        const forced = yield* start(setting, ...byHand, "--force")
        yield* forced.until(({ stdout }) => (stdout === "" ? undefined : stdout))
        assert.deepInclude(json((yield* work("status", "--no-probe")).stdout).service.runtime, { status: "stopped" })
        yield* forced.stop

        assert.include(json((yield* work("uninstall")).stdout), { result: "uninstalled" })
        assert.isFalse(existsSync(unit))
        assert.isTrue(existsSync(join(state, "openclaw.json")))
        assert.include(json((yield* work("uninstall")).stdout), { result: "not-installed" })
        assert.include(json((yield* work("status")).stdout).service, { installed: false, loaded: false })
      }).pipe(Effect.scoped),
    180_000
  )

  it.live(
    "says when it is not as it would be written now, and when another one is in its place",
    () =>
      Effect.gen(function* () {
        const { home, openclaw } = yield* userManager
        configure(home, "work", yield* freePort)
        const work = (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
          Effect.map(openclaw(env, "--profile", "work", "gateway", ...args, "--json"), ({ code, stdout }) => ({
            code,
            json: JSON.parse(stdout)
          }))
        const unit = join(home, ".config/systemd/user/openclaw-gateway-work.service")
        const codes = (status: { readonly json: any }) =>
          status.json.service.configAudit.issues.map(({ code }: { readonly code: string }) => code)

        // A Gateway of somebody's terminal is not fought over.
        const terminal = yield* start({ home }, "--profile", "work", "gateway", "run", "--json")
        yield* terminal.until(({ stdout }) => (stdout === "" ? undefined : stdout))
        const contested = yield* openclaw({}, "--profile", "work", "gateway", "install", "--json")
        assert.strictEqual(JSON.parse(contested.stdout).error.name, "GatewayUnmanaged")
        yield* terminal.stop
        assert.isFalse(existsSync(join(home, ".config/systemd/user/openclaw-gateway-work.service")))

        const own = yield* openclaw({}, "--profile", "work", "gateway", "install", "--json")
        assert.strictEqual(own.code, 0, own.stdout + own.stderr)
        const before = readFileSync(unit, "utf8")
        assert.include(before, 'Environment="MALLOC_ARENA_MAX=1"')
        assert.include(before, 'Environment="MALLOC_MMAP_THRESHOLD_=16384"')
        writeFileSync(unit, before.replace(/OPENCLAW_SERVICE_VERSION=[^"]*/, "OPENCLAW_SERVICE_VERSION=0.0.1"))
        assert.deepStrictEqual(codes(yield* work({}, "status", "--no-probe")), ["other-version"])
        writeFileSync(unit, before.replace(/^ExecStart=:"[^"]*"/m, 'ExecStart=:"/opt/node/bin/node"'))
        assert.deepStrictEqual(codes(yield* work({}, "status", "--no-probe")), ["node-moved"])

        const differs = yield* work({}, "install")
        assert.deepInclude([differs.code, differs.json.error.name], "ServiceDiffers")
        assert.include(differs.json.error.message, "openclaw --profile work gateway install --force")
        const forced = yield* work({}, "install", "--force")
        assert.deepInclude(forced.json, { ok: true, result: "replaced" })
        assert.strictEqual(readFileSync(unit, "utf8"), before)

        const elsewhere = { OPENCLAW_STATE_DIR: join(home, "elsewhere") }
        for (const verb of ["stop", "uninstall", "start", "restart"]) {
          const refused = yield* work(elsewhere, verb)
          assert.deepInclude([refused.code, refused.json.error.name], "ServiceElsewhere", verb)
        }

        writeFileSync(unit, "[Service]\nExecStart=/bin/sleep 1000\n")
        assert.deepStrictEqual(codes(yield* work({}, "status", "--no-probe")), ["not-ours"])
        assert.strictEqual((yield* work({}, "install")).json.error.name, "ServiceDiffers")
        assert.strictEqual((yield* work({}, "uninstall")).json.error.name, "ServiceNotOurs")
        assert.deepInclude((yield* work({}, "install", "--force")).json, { ok: true, result: "replaced" })
        assert.include(readFileSync(`${unit}.bak`, "utf8"), "/bin/sleep")
      }).pipe(Effect.scoped),
    180_000
  )

  it.live(
    "is read by systemd as it was written",
    () =>
      Effect.gen(function* () {
        const { home, program, systemctl } = yield* userManager
        const words = [
          "a b",
          "it's",
          '"',
          "\\",
          "$HOME",
          "${HOME}",
          "%h",
          "%%",
          "$$",
          "\\x20",
          "é🦞",
          "",
          ";",
          "#",
          "<&>"
        ]
        const values = Object.fromEntries(words.map((value, at) => [`V${at}`, value]))
        const secrets = Object.fromEntries(words.map((value, at) => [`S${at}`, value]))
        const out = join(home, "seen.json")
        const writes = `require("fs").writeFileSync(${JSON.stringify(out)}, JSON.stringify({ argv: process.argv.slice(1), env: process.env })); setInterval(() => {}, 1000)`
        const environmentFile = join(home, "secrets of mine.env")
        writeFileSync(environmentFile, Result.getOrThrow(EnvironmentFile.render(secrets)))
        const node = join(home, "no$de %h")
        symlinkSync(process.execPath, node)
        const unit = Unit.render(
          {
            name: { kind: "node", profile: "words" },
            description: "100 % of $words",
            command: [node, "-e", writes, "--", ...words],
            workingDirectory: home,
            environment: values,
            environmentFile,
            outputFile: join(home, "out.log")
          },
          undefined
        )
        const folder = join(home, ".config/systemd/user")
        mkdirSync(folder, { recursive: true })
        const file = join(folder, "openclaw-node-words.service")
        writeFileSync(file, Result.getOrThrow(unit))
        const verified = yield* program("systemd-analyze", "verify", "--user", file)
        assert.deepStrictEqual([verified.code, verified.stderr], [0, ""])
        yield* systemctl("daemon-reload")
        const started = yield* systemctl("start", "openclaw-node-words")
        assert.strictEqual(started.code, 0, started.stderr)
        while (!existsSync(out)) yield* Effect.sleep("20 millis")
        const seen = JSON.parse(readFileSync(out, "utf8"))
        assert.deepStrictEqual(seen.argv, words)
        assert.deepInclude(seen.env, { ...values, ...secrets })
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "does not go on for ever with a configuration that is wrong, and shows why it does not come up",
    () =>
      Effect.gen(function* () {
        const { home, openclaw, systemctl } = yield* userManager
        const state = configure(home, "work", yield* freePort)
        const work = (...args: ReadonlyArray<string>) =>
          Effect.map(openclaw({}, "--profile", "work", "gateway", ...args, "--json"), ({ code, stdout }) => ({
            code,
            json: JSON.parse(stdout)
          }))
        assert.strictEqual((yield* work("install")).code, 0)

        // The node of the same profile is a service of its own.
        const node = (...args: ReadonlyArray<string>) =>
          Effect.map(openclaw({}, "--profile", "work", "node", ...args, "--json"), ({ stdout }) => JSON.parse(stdout))
        assert.include(yield* node("install", "--display-name", "a b"), { ok: true, result: "installed" })
        const { service } = yield* node("status")
        assert.strictEqual(service.id, "openclaw-node-work.service")
        assert.strictEqual(service.runtime.status, "running")
        assert.deepStrictEqual(service.command.programArguments.slice(2), ["node", "run", "--display-name", "a b"])
        assert.deepStrictEqual(service.configAudit.issues, [])
        assert.include(yield* node("restart"), { result: "restarted" })
        assert.include(yield* node("stop"), { result: "stopped" })
        assert.include(yield* node("start"), { result: "started" })
        assert.include(yield* node("uninstall"), { result: "uninstalled" })

        writeFileSync(join(state, "openclaw.json"), '{"gateway":{"mode":"local","bind":"everywhere"}}')
        // What runs goes on: nobody restarts into that.
        const refused = yield* work("restart")
        assert.deepInclude([refused.code, refused.json.error.name], "ConfigInvalid")
        const unit = "openclaw-gateway-work"
        assert.strictEqual((yield* systemctl("is-active", unit)).stdout.trim(), "active")
        const running = yield* work("status")
        assert.deepInclude([running.code, running.json.service.runtime.status], "running")
        assert.deepInclude(running.json.port.listeners[0], { pid: running.json.service.runtime.pid, service: true })
        // Somebody else does.
        yield* systemctl("restart", unit)
        const failed = yield* work("start")
        assert.deepInclude([failed.code, failed.json.error.name], "ServiceNotServing")
        assert.include(failed.json.error.message, "exit code 78")
        const shown = yield* systemctl("show", unit, "--property=NRestarts,ActiveState")
        assert.strictEqual(shown.stdout.trim(), "NRestarts=0\nActiveState=failed")
        const { code, json } = yield* work("status")
        assert.strictEqual(code, 0)
        assert.deepInclude(json.service, { installed: true, id: `${unit}.service` })
        assert.include(json.service.runtime, { status: "failed", lastExitStatus: 78 })
        assert.include(json.config.problem, "gateway.bind")
      }).pipe(Effect.scoped),
    180_000
  )
})
