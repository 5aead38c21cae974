/**
 * A Gateway under measurement: a start command, run as a process of its own with a HOME of its own. The same
 * `openclaw.json` goes to every subject, so any Gateway that reads OpenClaw's configuration and speaks its protocol can
 * be measured beside ours.
 */
import { connect as dial, createServer } from "node:net"
import type { AddressInfo } from "node:net"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { GIVE_BACK } from "../src/cli/service/definition.ts"
import { GatewayClient } from "../src/client/GatewayClient.ts"
import { token } from "../src/domain/Credential.ts"
import { type Endpoint, loopback } from "../src/domain/Endpoint.ts"
import { VERSION } from "../src/domain/Version.ts"
import { OURS } from "./budgets.ts"
import { program } from "./build.ts"
import { treeCpu } from "./processes.ts"

export type Words = readonly [string, ...ReadonlyArray<string>]

export interface Subject {
  readonly name: string
  /** Starts the Gateway. */
  readonly command: Words
  /** What a person types before a command's words. */
  readonly cli: Words
  /** Added to the few variables that every subject gets. */
  readonly env?: Readonly<Record<string, string>>
  /** Added for its Gateway: what the service that it installs sets. */
  readonly serviceEnv?: Readonly<Record<string, string>>
}

const cli: Words = [process.execPath, program]

export const ours: Subject = { name: OURS, command: [...cli, "gateway", "run"], cli, serviceEnv: GIVE_BACK }

const words = (text: string): Words | undefined => {
  const [first, ...rest] = text.trim().split(/\s+/)
  return first === undefined || first === "" ? undefined : [first, ...rest]
}

/** What follows the program in a command that starts a Gateway. */
const START = /\s+gateway(\s.*)?$/

/** Another Gateway, by its start command and, when that does not begin with it, the command of its command line. */
export const peer = (name: string, start: string, cli: string = start.replace(START, "")): Subject | undefined => {
  const [command, line] = [words(start), words(cli)]
  // Two of one name would become one row.
  const shown = name === OURS ? `${name} (peer)` : name
  return command === undefined || line === undefined ? undefined : { name: shown, command, cli: line }
}

class DidNotStart extends Schema.TaggedError<DidNotStart>()("DidNotStart", { message: Schema.String }) {}

const PATIENCE = "90 seconds"
const SECRET = "a-token-for-measuring-that-nobody-else-uses"

const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Whether somebody listens. Asking this often costs the measured process less than whole attempts to enter would. */
const listens = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = dial(port, "127.0.0.1")
    const end = (answer: boolean) => {
      socket.destroy()
      resume(Effect.succeed(answer))
    }
    socket.on("connect", () => end(true))
    socket.on("error", () => end(false))
  })

/** All that a measured program gets of this process' variables, and a HOME of its own. */
export const environment = Effect.fnUntraced(function* (subject: Subject, home: string) {
  const path = yield* Config.String("PATH")
  // Temporary files and with them Node's compile cache belong to the HOME: a fresh one has neither.
  return { PATH: path, HOME: home, TMPDIR: `${home}/tmp`, ...subject.env }
})

export interface Running {
  readonly pid: number
  readonly endpoint: Endpoint
  /** Milliseconds from the spawn to the first `hello-ok`. */
  readonly startMs: number
  /** Milliseconds of processor time that it took for that. */
  readonly startCpuMs: number | undefined
}

const SCOPES = ["operator.admin", "operator.read", "operator.write", "operator.pairing"]

/** Another operator connection, until the scope closes. */
export const connect = (endpoint: Endpoint) =>
  GatewayClient.make({
    endpoint,
    credentials: [token(SECRET)],
    client: { id: "cli", mode: "cli", version: VERSION, platform: process.platform },
    scopes: SCOPES,
    callTimeout: "2 minutes"
  })

export const secret = token(SECRET)

/** A new empty HOME that goes away with the scope. */
export const freshHome = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.makeTempDirectoryScoped({ prefix: "openclaw-bench-" })
})

/** Starts a Gateway and waits for its first `hello-ok`. It is stopped when the scope closes. `config` gets port and token. */
export const start = Effect.fnUntraced(function* (subject: Subject, home: string, config: object) {
  const fs = yield* FileSystem.FileSystem
  const env = { ...(yield* environment(subject, home)), ...subject.serviceEnv }
  const port = yield* freePort
  const gateway = { mode: "local", port, auth: { mode: "token", token: SECRET } }
  yield* Effect.forEach(["tmp", ".openclaw"], (folder) =>
    fs.makeDirectory(`${home}/${folder}`, { recursive: true, mode: 0o700 })
  )
  yield* fs.writeFileString(`${home}/.openclaw/openclaw.json`, JSON.stringify({ ...config, gateway }), { mode: 0o600 })

  const [executable, ...rest] = subject.command
  const started = yield* Clock.currentTimeNanos
  const child = yield* ChildProcess.make(executable, rest, {
    env,
    extendEnv: false,
    cwd: home,
    stdin: "ignore",
    forceKillAfter: "20 seconds"
  })
  let output = ""
  yield* child.all.pipe(
    Stream.decodeText(),
    Stream.runForEach((text) => Effect.sync(() => (output = (output + text).slice(-2000)))),
    Effect.ignore,
    Effect.forkScoped
  )
  const problem = (what: string) => new DidNotStart({ message: `${subject.name} ${what}; it said:\n${output}` })
  const died = Effect.andThen(
    Effect.ignore(child.exitCode),
    Effect.suspend(() => Effect.fail(problem("ended")))
  )
  const endpoint = loopback(port)
  const answered = listens(port).pipe(
    Effect.repeat({ until: (open) => open, schedule: Schedule.spaced("2 millis") }),
    Effect.andThen(Effect.scoped(connect(endpoint)).pipe(Effect.retry(Schedule.spaced("20 millis")))),
    Effect.andThen(Clock.currentTimeNanos),
    Effect.timeoutOrElse({
      duration: PATIENCE,
      orElse: () => Effect.fail(problem(`did not say hello within ${PATIENCE}`))
    })
  )
  const up = yield* Effect.raceFirst(answered, died)
  return {
    pid: child.pid,
    endpoint,
    startMs: Number(up - started) / 1e6,
    startCpuMs: treeCpu(child.pid)
  } satisfies Running
})
