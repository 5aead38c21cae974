/**
 * Agents of launchd, by `launchctl`, for the user who is logged in at the screen.
 */
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import {
  ServiceCommandFailed,
  type ServiceDefinition,
  ServiceManager,
  ServiceManagerUnavailable,
  type ServiceName,
  type ServiceState
} from "../../services/ServiceManager.ts"
import type { Ran } from "../ranProgram.ts"
import * as DefinitionFile from "./file.ts"
import { labelOf, MARK } from "./names.ts"
import * as Plist from "./plist.ts"
import * as Program from "./run.ts"

export interface LaunchdOptions {
  /** The user's home, absolute. */
  readonly home: string
  readonly user: { readonly id: number }
  readonly env: Readonly<Record<string, string | undefined>>
}

const unavailable = new ServiceManagerUnavailable({
  message:
    "launchctl was not found.\nFix: run it without a service: `openclaw gateway run` under tmux, nohup or another supervisor."
})

/** launchd's exit codes for an agent that it does not know: none of that name, no such process. */
const UNKNOWN = new Set([3, 113])

/** Bootstrapped twice, or still on its way out. */
const IN_PROGRESS = new Set([5, 36, 37])

/** Longer than launchd itself leaves an agent to end. */
const PATIENCE = "45 seconds"

const value = (printed: string, key: string): string | undefined =>
  new RegExp(`^\\s*${key} = (.*)$`, "m").exec(printed)?.[1]?.trim()

const whole = (text: string | undefined): number | undefined => {
  const found = text === undefined ? Number.NaN : Number.parseInt(text, 10)
  return Number.isSafeInteger(found) ? found : undefined
}

const stateOf = (printed: string): ServiceState => {
  const state = value(printed, "state") ?? "unknown"
  const pid = whole(value(printed, "pid"))
  const exitCode = whole(value(printed, "last exit code"))
  const failed = exitCode !== undefined && exitCode !== 0
  return {
    enabled: true,
    status: pid !== undefined ? "running" : state === "spawn scheduled" ? "restarting" : failed ? "failed" : "stopped",
    detail: state,
    pid,
    exitCode
  }
}

const make = Effect.fnUntraced(function* (options: LaunchdOptions) {
  const fs = yield* FileSystem.FileSystem
  const run = Program.make(yield* ChildProcessSpawner, options.env)
  const domain = `gui/${options.user.id}`
  const target = (name: ServiceName) => `${domain}/${labelOf(name)}`
  const pathOf = (name: ServiceName) => join(options.home, "Library", "LaunchAgents", `${labelOf(name)}.plist`)

  const launchctl = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
    const ran = yield* run("launchctl", args)
    return ran === "missing" ? yield* unavailable : { ...ran, command: ["launchctl", ...args].join(" ") }
  })
  const refused = (ran: Ran & { readonly command: string }) =>
    new ServiceCommandFailed({ command: ran.command, said: ran.stderr === "" ? `exit code ${ran.code}` : ran.stderr })
  const demand = (...args: ReadonlyArray<string>) =>
    Effect.flatMap(launchctl(...args), (ran) => (ran.code === 0 ? Effect.void : Effect.fail(refused(ran))))

  const render = Effect.fn("ServiceManager.render")(function* (definition: ServiceDefinition) {
    return yield* Effect.fromResult(Plist.render(definition))
  })

  const installed = Effect.fn("ServiceManager.installed")(function* (name: ServiceName) {
    const path = pathOf(name)
    return Option.map(yield* DefinitionFile.read(fs, path), (text) => ({
      path,
      text,
      ours: text.includes(MARK),
      command: Plist.commandOf(text),
      environment: Plist.environmentOf(text)
    }))
  })

  const state = Effect.fn("ServiceManager.state")(function* (name: ServiceName) {
    const ran = yield* launchctl("print", target(name))
    if (ran.code === 0) return stateOf(ran.stdout)
    if (!UNKNOWN.has(ran.code)) return yield* refused(ran)
    return { enabled: false, status: "stopped", detail: "not loaded" } satisfies ServiceState
  })

  const isKnown = (name: ServiceName) => Effect.map(launchctl("print", target(name)), ({ code }) => !UNKNOWN.has(code))

  /** Gone for launchd, whether or not it was there. It may answer before the agent has ended. */
  const bootout = Effect.fnUntraced(function* (name: ServiceName) {
    const ran = yield* launchctl("bootout", target(name))
    if (ran.code !== 0 && !UNKNOWN.has(ran.code) && !IN_PROGRESS.has(ran.code)) return yield* refused(ran)
    yield* isKnown(name).pipe(
      Effect.repeat({ while: (known) => known, schedule: Schedule.spaced("200 millis") }),
      Effect.timeoutOrElse({
        duration: PATIENCE,
        orElse: () => Effect.fail(new ServiceCommandFailed({ command: ran.command, said: "the agent did not end" }))
      })
    )
  })

  /** Known to launchd and running: an agent that it learns of is started, and one that it knows is told to. */
  const start = Effect.fn("ServiceManager.start")(function* (name: ServiceName) {
    yield* demand("enable", target(name))
    const ran = yield* launchctl("bootstrap", domain, pathOf(name))
    if (ran.code !== 0 && !IN_PROGRESS.has(ran.code)) return yield* refused(ran)
    yield* demand("kickstart", target(name))
  })

  const stop = Effect.fn("ServiceManager.stop")(function* (name: ServiceName) {
    yield* bootout(name)
  })

  const install = Effect.fn("ServiceManager.install")(function* (definition: ServiceDefinition) {
    const text = yield* render(definition)
    // Nobody to hand it to: nothing is written.
    yield* state(definition.name)
    // launchd makes the file, and not the folder.
    yield* fs.makeDirectory(dirname(definition.outputFile), { recursive: true, mode: 0o700 }).pipe(Effect.ignore)
    yield* DefinitionFile.replace(fs, pathOf(definition.name), text)
    // It reads the file when it learns of the agent.
    yield* bootout(definition.name)
  })

  const uninstall = Effect.fn("ServiceManager.uninstall")(function* (name: ServiceName) {
    if (Option.isNone(yield* DefinitionFile.read(fs, pathOf(name)))) return
    yield* bootout(name)
    yield* DefinitionFile.remove(fs, pathOf(name))
  })

  const restart = Effect.fn("ServiceManager.restart")(function* (name: ServiceName) {
    // `kickstart -k` kills without leaving time for what runs.
    yield* bootout(name)
    yield* start(name)
  })

  return ServiceManager.of({
    label: "launchd",
    id: labelOf,
    logCommand: ({ outputFile }) => `tail -n 50 '${outputFile.replaceAll("'", String.raw`'\''`)}'`,
    recent: ({ outputFile }) =>
      fs.readFileString(outputFile).pipe(
        Effect.map((text) => text.trim().split("\n").slice(-5).join("\n")),
        Effect.orElseSucceed(() => "")
      ),
    render,
    installed,
    install,
    uninstall,
    start,
    stop,
    restart,
    state,
    // An agent lives as long as its user is logged in, and there is no other kind.
    lingering: Effect.undefined
  })
})

/** Nothing is asked of launchd before it is needed. */
export const layer = (
  options: LaunchdOptions
): Layer.Layer<ServiceManager, never, ChildProcessSpawner | FileSystem.FileSystem> =>
  Layer.effect(ServiceManager, make(options))
