/**
 * Service managers that are not here: the answers of `systemctl` on a machine without one, and of `launchctl`, are played by
 * stand-ins that write down what they were asked. What launchd itself makes of it is not proved by this.
 */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Launchd from "../../src/layers/service/launchd.ts"
import * as Systemd from "../../src/layers/service/systemd.ts"
import { type ServiceDefinition, ServiceManager } from "../../src/services/ServiceManager.ts"
import { home as temporaryHome, run, start } from "../cli/kit.ts"

/** A program of this name that notes its arguments and does what the script says. */
const standIn = (home: string, name: string, script: string) => {
  const bin = join(home, "bin")
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, name), `#!/bin/sh\necho "$*" >> ${home}/asked\n${script}\n`)
  chmodSync(join(bin, name), 0o755)
  return { PATH: `${bin}:/usr/bin:/bin` }
}
const asked = (home: string) => readFileSync(join(home, "asked"), "utf8").trim().split("\n")

const definition = (home: string): ServiceDefinition => ({
  name: { kind: "gateway", profile: "work" },
  description: "OpenClaw Gateway (profile work)",
  command: ["/usr/bin/node", "/opt/openclaw/bin/openclaw.js", "gateway", "run"],
  workingDirectory: home,
  environment: { OPENCLAW_STATE_DIR: join(home, ".openclaw-work") },
  environmentFile: join(home, ".openclaw-work", "gateway-service.env"),
  outputFile: join(home, ".openclaw-work", "logs", "gateway-service.log")
})
const name = { kind: "gateway", profile: "work" } as const
const ada = { id: 501, name: "ada" }

const linux = Effect.fnUntraced(function* (script: string | undefined, more: Partial<Systemd.SystemdOptions> = {}) {
  const home = yield* temporaryHome
  const env = script === undefined ? { PATH: join(home, "nothing") } : standIn(home, "systemctl", script)
  const options = { home, user: { id: undefined, name: "ada" }, env, lingerFolder: join(home, "linger"), ...more }
  const manager = yield* Effect.provide(ServiceManager, Systemd.layer(options))
  return { home, manager }
})

describe("systemd", () => {
  it.live("that is not there, or runs nothing for this user, is said with what to do instead", () =>
    Effect.gen(function* () {
      const none = yield* linux(undefined)
      const missing = yield* Effect.flip(none.manager.install(definition(none.home)))
      assert.strictEqual(missing._tag, "ServiceManagerUnavailable")
      assert.include(missing.message, "openclaw gateway run")
      assert.isTrue(Option.isNone(yield* none.manager.installed(name)))

      for (const said of [
        "Failed to connect to bus: No medium found",
        "Failed to connect to user scope bus via local transport: Operation not permitted",
        "System has not been booted with systemd as init system (PID 1). Can't operate."
      ]) {
        const { home, manager } = yield* linux(`echo "${said}" >&2; exit 1`)
        const error = yield* Effect.flip(manager.install(definition(home)))
        assert.strictEqual(error._tag, "ServiceManagerUnavailable")
        assert.include(error.message, "loginctl enable-linger ada")
        // Nothing was written that nobody would run.
        assert.isTrue(Option.isNone(yield* manager.installed(name)))
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("that refuses is quoted", () =>
    Effect.gen(function* () {
      const { manager } = yield* linux('echo "Unit is masked." >&2; exit 1')
      const error = yield* Effect.flip(manager.start(name))
      assert.strictEqual(error._tag, "ServiceCommandFailed")
      assert.include(error.message, "systemctl --user start openclaw-gateway-work.service")
      assert.include(error.message, "Unit is masked.")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("is asked for each state by one call, whatever it answers", () =>
    Effect.gen(function* () {
      const answers = [
        ["ActiveState=active\nSubState=running\nMainPID=12\nUnitFileState=enabled\nNRestarts=2", "running", true],
        ["ActiveState=activating\nSubState=auto-restart\nMainPID=0", "restarting", false],
        ["ActiveState=activating\nSubState=auto-restart-queued", "restarting", false],
        ["ActiveState=activating\nSubState=start", "starting", false],
        ["ActiveState=deactivating\nSubState=stop-sigterm", "stopping", false],
        ["ActiveState=failed\nSubState=failed\nExecMainStatus=78\nExecMainExitTimestampMonotonic=5", "failed", false],
        ["ActiveState=inactive\nSubState=dead\nLoadState=not-found", "stopped", false],
        ["garbage", "unknown", false],
        ["", "unknown", false]
      ] as const
      for (const [answer, status, enabled] of answers) {
        const { home, manager } = yield* linux(`cat <<'END'\n${answer}\nEND`)
        const state = yield* manager.state(name)
        assert.include(state, { status, enabled })
        assert.strictEqual(asked(home).length, 1)
        if (status === "running") assert.include(state, { pid: 12, restarts: 2 })
        if (status === "failed") assert.strictEqual(state.exitCode, 78)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("keeps services beyond the login where the user lingers", () =>
    Effect.gen(function* () {
      const { home, manager } = yield* linux("exit 0")
      assert.strictEqual(yield* manager.lingering, false)
      mkdirSync(join(home, "linger"))
      writeFileSync(join(home, "linger", "ada"), "")
      assert.strictEqual(yield* manager.lingering, true)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("has definitions in one place, and what cannot be one is refused", () =>
    Effect.gen(function* () {
      const { home, manager } = yield* linux("exit 0")
      const file = join(home, ".config", "systemd", "user", "openclaw-gateway-work.service")
      mkdirSync(file, { recursive: true })
      assert.strictEqual((yield* Effect.flip(manager.installed(name)))._tag, "ServiceFileUnusable")
      const error = yield* Effect.flip(manager.install(definition(home)))
      assert.strictEqual(error._tag, "ServiceFileUnusable")
      assert.include(error.message, file)
      rmSync(file, { recursive: true })
      // As `systemctl mask` leaves it.
      symlinkSync("/dev/null", file)
      assert.deepInclude(Option.getOrThrow(yield* manager.installed(name)), { ours: false, text: "" })
      yield* manager.install(definition(home))
      assert.isTrue(Option.getOrThrow(yield* manager.installed(name)).ours)
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)

      const config = join(home, "config")
      const moved = yield* linux("exit 0", {
        env: { ...standIn(home, "systemctl", "exit 0"), XDG_CONFIG_HOME: config }
      })
      yield* moved.manager.install(definition(home))
      assert.isTrue(statSync(join(config, "systemd", "user", "openclaw-gateway-work.service")).isFile())
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

/** Knows an agent from `bootstrap` to `bootout`. */
const LAUNCHD = `known=$(dirname "$0")/../known
case "$1" in
  bootstrap) [ -e $known ] && exit 37; cp "$3" $known;;
  bootout) [ -e $known ] || exit 3; rm $known;;
  print) [ -e $known ] || { echo "Could not find service" >&2; exit 113; }; printf 'x = {\\n\\tstate = running\\n\\tpid = 4711\\n\\tlast exit code = 0\\n}\\n';;
  kickstart) [ -e $known ] || exit 113;;
esac`

describe("launchd (played by a stand-in)", () => {
  const mac = Effect.fnUntraced(function* (script: string) {
    const home = yield* temporaryHome
    const env = standIn(home, "launchctl", script)
    const manager = yield* Effect.provide(ServiceManager, Launchd.layer({ home, env, user: ada }))
    return { home, manager }
  })

  it.live("learns of an agent, starts it, and forgets it", () =>
    Effect.gen(function* () {
      const { home, manager } = yield* mac(LAUNCHD)
      const file = join(home, "Library", "LaunchAgents", "ai.openclaw.gateway.work.plist")
      assert.include(yield* manager.state(name), { status: "stopped", enabled: false })
      yield* manager.install(definition(home))
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.isTrue(statSync(join(home, ".openclaw-work", "logs")).isDirectory())
      yield* manager.start(name)
      assert.include(yield* manager.state(name), { status: "running", enabled: true, pid: 4711 })
      yield* manager.start(name)
      yield* manager.restart(name)
      yield* manager.stop(name)
      yield* manager.stop(name)
      assert.include(yield* manager.state(name), { status: "stopped", enabled: false })
      yield* manager.uninstall(name)
      assert.isTrue(Option.isNone(yield* manager.installed(name)))
      yield* manager.uninstall(name)
      const target = "gui/501/ai.openclaw.gateway.work"
      assert.includeMembers(asked(home), [
        `enable ${target}`,
        `bootstrap gui/501 ${file}`,
        `kickstart ${target}`,
        `bootout ${target}`
      ])
      assert.strictEqual(yield* manager.lingering, undefined)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("that refuses is quoted, and one that is missing is said", () =>
    Effect.gen(function* () {
      const { home, manager } = yield* mac(
        'echo "Bootstrap failed: 125: Domain does not support specified action" >&2; exit 125'
      )
      const error = yield* Effect.flip(manager.install(definition(home)))
      assert.strictEqual(error._tag, "ServiceCommandFailed")
      assert.include(error.message, "Domain does not support")
      assert.isTrue(Option.isNone(yield* manager.installed(name)))
      const env = { PATH: join(home, "nothing") }
      const none = yield* Effect.provide(ServiceManager, Launchd.layer({ home, env, user: ada }))
      assert.strictEqual((yield* Effect.flip(none.state(name)))._tag, "ServiceManagerUnavailable")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("the commands without a service manager", () => {
  const setting = Effect.map(temporaryHome, (home) => ({ home, variables: { PATH: join(home, "nothing") } }))

  it.live("install says what to do instead; stop has nothing to do; status tells", () =>
    Effect.gen(function* () {
      const given = yield* setting
      const unconfigured = yield* run(given, "gateway", "install", "--json")
      assert.strictEqual(unconfigured.code, 78)
      const missing = yield* run(given, "gateway", "install", "--allow-unconfigured", "--json")
      assert.strictEqual(JSON.parse(missing.stdout).error.name, "ProgramMissing")
      const stopped = yield* run(given, "gateway", "stop", "--json")
      assert.deepInclude([stopped.code, JSON.parse(stopped.stdout).result], "not-running")
      const status = yield* run(given, "gateway", "status", "--no-probe", "--json")
      assert.strictEqual(status.code, 0)
      assert.include(JSON.parse(status.stdout).service, { installed: false, loaded: false })
      const started = yield* run(given, "gateway", "start", "--json")
      assert.strictEqual(JSON.parse(started.stdout).error.name, "ServiceNotInstalled")
      const node = yield* run(given, "node", "restart", "--json")
      assert.strictEqual(JSON.parse(node.stdout).error.name, "ServiceNotInstalled")
      assert.include((yield* run(given, "node", "status")).stdout, "not installed")
      // What cannot be looked at may be one.
      mkdirSync(join(given.home, ".config/systemd/user/openclaw-node.service"), { recursive: true })
      assert.match((yield* run(given, "node", "status")).stdout, /Service: +unknown \(.*is not a file/)
    }).pipe(Effect.scoped)
  )

  it.live("status tells what it can where the configuration is wrong, and what is wrong with it", () =>
    Effect.gen(function* () {
      const given = yield* setting
      const write = (text: string) =>
        writeFileSync(join(given.home, ".openclaw", "openclaw.json"), text, { mode: 0o600 })
      mkdirSync(join(given.home, ".openclaw"), { mode: 0o700 })
      write('{"gateway":{"mode":"local"}}')
      const gateway = yield* start(given, "gateway", "run", "--port", "0", "--json")
      const { port } = yield* gateway.until(({ stdout }) => (stdout === "" ? undefined : JSON.parse(stdout)))

      write('{"gateway":{"bind":"everywhere"}}')
      const wrong = yield* run(given, "gateway", "status")
      assert.strictEqual(wrong.code, 0)
      assert.match(
        wrong.stdout,
        new RegExp(`Service: +not installed[^]*not valid[^]*Port: +${port}: pid ${process.pid}`)
      )
      assert.notInclude(wrong.stdout, "bind=")
      assert.strictEqual(wrong.stderr.split("gateway.bind").length, 2)
      const told = JSON.parse((yield* run(given, "gateway", "status", "--json")).stdout)
      assert.deepInclude(told.port, { port, status: "busy" })
      assert.strictEqual(told.rpc.error.name, "ConfigInvalid")
      assert.strictEqual((yield* run(given, "gateway", "status", "--require-rpc")).code, 1)

      yield* gateway.stop
      write('{"gateway":{"mode":"remote","remote":{"url":"wss://box.example","token":"${NOT_SET_ANYWHERE}"}}}')
      const unset = yield* run(given, "gateway", "status", "--no-probe")
      assert.deepInclude([unset.code], 0)
      assert.include(unset.stderr, "NOT_SET_ANYWHERE")
      // What was asked for by flag is not a finding.
      assert.strictEqual((yield* run(given, "--url", "ws://127.0.0.1:1", "gateway", "status")).code, 1)
    }).pipe(Effect.scoped)
  )

  it.live("a program in a cache that is cleaned up is no service", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "openclaw-npx-")))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const { installedProgram } = yield* Effect.promise(() => import("../../src/cli/service/program.ts"))
      const { Environment } = yield* Effect.promise(() => import("../../src/cli/Environment.ts"))
      const from = Effect.fnUntraced(function* (path: string, execPath = process.execPath, linked?: string) {
        const entry = join(folder, path)
        mkdirSync(join(entry, ".."), { recursive: true })
        if (linked === undefined) writeFileSync(entry, "")
        else symlinkSync(join(folder, linked), entry)
        return yield* installedProgram.pipe(
          Effect.provideService(Environment, {
            variables: {},
            home: folder,
            cwd: folder,
            pid: 1,
            execPath,
            entry,
            interactive: false,
            terminal: undefined
          })
        )
      })
      for (const path of [
        ".npm/_npx/0f3b/node_modules/openclaw/bin/openclaw.js",
        ".cache/pnpm/dlx/a/openclaw.js",
        "dlx-123/openclaw.js",
        "bunx-0-openclaw/openclaw.js",
        "xfs-1/dlx-1/openclaw.js"
      ]) {
        const error = yield* Effect.flip(from(path))
        assert.strictEqual(error._tag, "EphemeralProgram", path)
        assert.include(error.message, "npm install --global")
      }
      const found = yield* from("lib/node_modules/openclaw/bin/openclaw.js")
      assert.strictEqual(found.program, join(folder, "lib/node_modules/openclaw/bin/openclaw.js"))
      const checkout = yield* from(
        ".npm/_npx/0f3c/node_modules/.bin/openclaw",
        process.execPath,
        "lib/node_modules/openclaw/bin/openclaw.js"
      )
      assert.strictEqual(checkout.program, found.program)
      // A folder of one version goes away with the next.
      const link = join(folder, "opt/node@24/bin/node")
      mkdirSync(join(link, ".."), { recursive: true })
      writeFileSync(link, "")
      const brewed = yield* from("lib/o.js", join(folder, "Cellar/node@24/24.1.0/bin/node"))
      assert.strictEqual(brewed.node, link)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
