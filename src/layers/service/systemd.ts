/**
 * Services of systemd's user manager, by `systemctl --user`.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import {
  ServiceCommandFailed,
  type ServiceDefinition,
  ServiceManager,
  ServiceManagerUnavailable,
  type ServiceName,
  type ServiceState
} from "../../services/ServiceManager.ts"
import * as DefinitionFile from "./file.ts"
import { MARK, unitOf } from "./names.ts"
import * as Program from "./run.ts"
import * as Unit from "./unit.ts"

export interface SystemdOptions {
  /** The user's home, absolute. */
  readonly home: string
  readonly user: { readonly id: number | undefined; readonly name: string }
  /** `PATH`, `XDG_*` and `DBUS_*` are what matters. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** The folder with a file for each user whose services run without a login. */
  readonly lingerFolder?: string
}

const FOREGROUND =
  "run it without a service (`openclaw gateway run`, `openclaw node run`) under tmux, nohup, a container or another supervisor"

const noSystemd = new ServiceManagerUnavailable({
  message: `this machine has no systemd: systemctl was not found.\nFix: ${FOREGROUND}.`
})

/** As `systemctl` says it when it finds nobody to talk to. */
const isUnconnected = (said: string): boolean =>
  /Failed to connect to (?:user scope )?bus|not been booted with systemd|No medium found|Failed to get D-Bus/i.test(
    said
  )

const unconnected = (said: string, { env, user }: SystemdOptions) => {
  const steps = [
    ...(env["XDG_RUNTIME_DIR"] === undefined
      ? [`log in as ${user.name} directly (by ssh, not by su or sudo), which sets XDG_RUNTIME_DIR`]
      : []),
    `\`sudo loginctl enable-linger ${user.name}\` starts the user's services without a login`,
    FOREGROUND
  ]
  return new ServiceManagerUnavailable({
    message: `systemd runs no services for ${user.name} here: ${said}\nFix: ${steps.join("; or ")}.`
  })
}

const STATUS: Readonly<Record<string, ServiceState["status"]>> = {
  active: "running",
  reloading: "running",
  refreshing: "running",
  activating: "starting",
  deactivating: "stopping",
  inactive: "stopped",
  failed: "failed"
}

const PROPERTIES = [
  "LoadState",
  "UnitFileState",
  "ActiveState",
  "SubState",
  "MainPID",
  "ExecMainStatus",
  "ExecMainExitTimestampMonotonic",
  "NRestarts",
  "Result",
  "DropInPaths"
]

const stateOf = (shown: string): ServiceState => {
  const found = new Map(
    shown.split("\n").flatMap((line) => {
      const at = line.indexOf("=")
      return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1).trim()] as const]
    })
  )
  const number = (name: string) => {
    const value = Number(found.get(name))
    return Number.isSafeInteger(value) ? value : undefined
  }
  const sub = found.get("SubState") ?? ""
  const pid = number("MainPID")
  const ended = (number("ExecMainExitTimestampMonotonic") ?? 0) > 0
  const overrides = (found.get("DropInPaths") ?? "").split(" ").filter((path) => path !== "")
  const masked = found.get("LoadState") === "masked"
  return {
    enabled: found.get("UnitFileState") === "enabled",
    status: sub.startsWith("auto-restart") ? "restarting" : (STATUS[found.get("ActiveState") ?? ""] ?? "unknown"),
    detail: masked ? "masked" : `${found.get("ActiveState") ?? "unknown"} (${sub})`,
    ...(pid === undefined || pid === 0 ? undefined : { pid }),
    ...(ended ? { exitCode: number("ExecMainStatus") } : undefined),
    restarts: number("NRestarts"),
    ...(overrides.length === 0 ? undefined : { overrides })
  }
}

const make = Effect.fnUntraced(function* (options: SystemdOptions) {
  const fs = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner
  const { env, home, user } = options

  /** A shell that came by `su` or cron was not told where the user's manager is; it is in one place. */
  const runtimeFolder = Effect.gen(function* () {
    if (env["XDG_RUNTIME_DIR"] !== undefined || user.id === undefined) return env
    const folder = `/run/user/${user.id}`
    const exists = yield* Effect.orElseSucceed(fs.exists(`${folder}/systemd/private`), () => false)
    return exists ? { ...env, XDG_RUNTIME_DIR: folder } : env
  })
  const run = Program.make(spawner, yield* runtimeFolder)

  /** `--user` and what keeps it from asking. */
  const systemctl = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
    const all = ["--user", "--no-pager", "--no-ask-password", ...args]
    const ran = yield* run("systemctl", all)
    if (ran === "missing") return yield* noSystemd
    if (ran.code === 0) return ran.stdout
    if (isUnconnected(ran.stderr)) return yield* unconnected(ran.stderr, options)
    return yield* new ServiceCommandFailed({ command: ["systemctl", "--user", ...args].join(" "), said: ran.stderr })
  })

  const version = Effect.map(run("systemctl", ["--version"]), (ran) => {
    const found = ran === "missing" ? undefined : /^systemd (\d+)/.exec(ran.stdout)?.[1]
    return found === undefined ? undefined : Number(found)
  }).pipe(Effect.orElseSucceed(() => undefined))

  const config = env["XDG_CONFIG_HOME"]?.startsWith("/") === true ? env["XDG_CONFIG_HOME"] : join(home, ".config")
  const pathOf = (name: ServiceName) => join(config, "systemd", "user", unitOf(name))

  const render = Effect.fn("ServiceManager.render")(function* (definition: ServiceDefinition) {
    return yield* Effect.fromResult(Unit.render(definition, yield* version))
  })

  const installed = Effect.fn("ServiceManager.installed")(function* (name: ServiceName) {
    const path = pathOf(name)
    return Option.map(yield* DefinitionFile.read(fs, path), (text) => ({
      path,
      text,
      ours: text.startsWith(`# ${MARK}`),
      command: Unit.commandOf(text),
      environment: Unit.environmentOf(text)
    }))
  })

  const state = Effect.fn("ServiceManager.state")(function* (name: ServiceName) {
    return stateOf(yield* systemctl("show", unitOf(name), `--property=${PROPERTIES.join(",")}`))
  })

  const install = Effect.fn("ServiceManager.install")(function* (definition: ServiceDefinition) {
    const text = yield* render(definition)
    // Nobody to hand it to: nothing is written.
    yield* systemctl("show", "--property=Version")
    yield* DefinitionFile.replace(fs, pathOf(definition.name), text)
    yield* systemctl("daemon-reload")
    yield* systemctl("enable", unitOf(definition.name))
  })

  const uninstall = Effect.fn("ServiceManager.uninstall")(function* (name: ServiceName) {
    if (Option.isNone(yield* DefinitionFile.read(fs, pathOf(name)))) return
    yield* systemctl("disable", "--now", unitOf(name))
    yield* DefinitionFile.remove(fs, pathOf(name))
    yield* systemctl("daemon-reload")
    // Fails where nothing had failed.
    yield* Effect.ignore(systemctl("reset-failed", unitOf(name)))
  })

  const act = (verb: string) => (name: ServiceName) =>
    Effect.withSpan(Effect.asVoid(systemctl(verb, unitOf(name))), `ServiceManager.${verb}`)

  return ServiceManager.of({
    label: "systemd",
    id: unitOf,
    logCommand: ({ name }) => `journalctl --user --unit ${unitOf(name)}`,
    recent: ({ name }) =>
      run("journalctl", [
        "--user",
        "--no-pager",
        "--quiet",
        "--output=cat",
        "--lines=5",
        `--unit=${unitOf(name)}`
      ]).pipe(
        Effect.map((ran) => (ran === "missing" ? "" : ran.stdout.trim())),
        Effect.orElseSucceed(() => "")
      ),
    render,
    installed,
    install,
    uninstall,
    start: act("start"),
    stop: act("stop"),
    restart: act("restart"),
    state,
    lingering: Effect.orElseSucceed(
      fs.exists(join(options.lingerFolder ?? "/var/lib/systemd/linger", user.name)),
      (): boolean | undefined => undefined
    )
  })
})

/** Nothing is asked of systemd before it is needed. */
export const layer = (
  options: SystemdOptions
): Layer.Layer<ServiceManager, never, ChildProcessSpawner | FileSystem.FileSystem> =>
  Layer.effect(ServiceManager, make(options))
