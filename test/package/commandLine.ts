/**
 * The first way: `npx openclaw` in a project that installed nothing else.
 */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Command from "../interop/Command.ts"
import { broken, mustBe, own, succeed, temporary } from "./project.ts"

const npx = Effect.fnUntraced(function* (
  project: string,
  args: ReadonlyArray<string>,
  home: string,
  env: Readonly<Record<string, string>> = {}
) {
  return yield* succeed({
    program: "npx",
    args: ["openclaw", ...args],
    cwd: project,
    env: { HOME: home, CI: "true", npm_config_yes: "false", ...env }
  })
})

export const version = Effect.fnUntraced(function* (project: string) {
  const { stdout } = yield* npx(project, ["--version"], yield* temporary("home"))
  yield* mustBe(stdout.includes(own.version), `--version says ${JSON.stringify(stdout)}`)
})

export const demo = Effect.fnUntraced(function* (project: string) {
  const { stdout } = yield* npx(project, ["demo"], yield* temporary("home"))
  yield* mustBe(stdout.includes("system.run"), `the demo shows no command on its node:\n${stdout}`)
})

const decodeReady = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Struct({ port: Schema.Int })))

/** `gateway run` as a user starts it; killed when the scope closes, should it still be there. */
const gateway = Effect.fnUntraced(function* (project: string, home: string) {
  const path = yield* Effect.orDie(Config.String("PATH"))
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(
        Path.join(project, "node_modules", ".bin", "openclaw"),
        ["gateway", "run", "--port", "0", "--json", "--allow-unconfigured"],
        {
          cwd: project,
          stdio: ["ignore", "pipe", "pipe"],
          env: { PATH: path, HOME: home }
        }
      )
    ),
    (spawned) => Effect.sync(() => spawned.kill("SIGKILL"))
  )
  let said = ""
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()))
  const line = yield* Effect.callback<string, ReturnType<typeof broken>>((resume) => {
    let out = ""
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString()
      if (out.includes("\n")) resume(Effect.succeed(out.slice(0, out.indexOf("\n"))))
    })
    child.once("exit", (code) =>
      resume(Effect.fail(broken(`the Gateway ended with ${code} before it listened:\n${said}`)))
    )
  })
  const { port } = yield* Effect.mapError(decodeReady(line), () => broken(`the Gateway's first line is ${line}`))
  const stop = Effect.callback<number | null>((resume) => {
    child.once("exit", (code) => resume(Effect.succeed(code)))
    child.kill("SIGTERM")
  })
  return { port, stop, said: () => said }
})

/** A Gateway that is started, asked and stopped, each with the program that was installed. */
export const run = Effect.fnUntraced(function* (project: string) {
  const home = yield* temporary("home")
  const { port, said, stop } = yield* gateway(project, home)
  const { stdout } = yield* npx(project, ["health", "--json"], home, { OPENCLAW_GATEWAY_PORT: String(port) })
  yield* mustBe(/"ok":\s*true/.test(stdout), `health says ${stdout}`)
  const code = yield* stop
  yield* mustBe(code === 0, `the Gateway ended with ${code} when it was told to stop:\n${said()}`)
}, Effect.scoped)

const first = (path: string, name: string) =>
  path
    .split(Path.delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .map((folder) => Path.join(folder, name))
    .find((file) => Fs.existsSync(file))

/** With the machine's own Node, where that is too old: it says so. `undefined` where it is not. */
export const tooOldNode = Effect.fnUntraced(function* (project: string) {
  const node = first(yield* Effect.orDie(Config.String("PATH")), "node")
  if (node === undefined) return undefined
  const { stdout: had } = yield* succeed({ program: node, args: ["--version"], env: {} })
  if (Number(/^v(\d+)/.exec(had)?.[1]) >= 22) return undefined
  const program = Path.join(project, "node_modules", "openclaw", "bin", "openclaw.js")
  const { code, stderr, stdout } = yield* Command.run({ program: node, args: [program, "health"], env: {} })
  yield* mustBe(
    code === 1 && stdout === "" && stderr.includes("needs Node 22.19 or newer") && stderr.includes("Fix:"),
    `Node ${had.trim()} ended with ${code} and said:\n${stdout}${stderr}`
  )
  return had.trim()
})

/** Whoever takes the library and has no `effect` reads which package is missing. */
export const withoutPeers = Effect.fnUntraced(function* (project: string) {
  const { code, stderr } = yield* Command.run({
    program: "node",
    args: ["--eval", 'await import("openclaw")'],
    cwd: project,
    env: {}
  })
  yield* mustBe(
    code === 1 && /Cannot find package '(effect|@effect\/platform-node)'/.test(stderr),
    `without its peers the library ended with ${code}:\n${stderr}`
  )
})
