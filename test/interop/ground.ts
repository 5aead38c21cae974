/**
 * What a run stands on: both programs installed, a model that plays a script, and a folder that goes away.
 */
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ProviderServer, layer as providerLayer } from "../../src/testing/ProviderServer.ts"
import { build } from "../crash/setting.ts"
import * as Command from "./Command.ts"

/** The version whose clients are the yardstick. */
export const VERSION = "2026.9.6"
export const SECRET = "a-secret-of-the-interop-run"
/** What the model says to everything, in this many pieces. */
export const ANSWER = ["Scripted ", "answer: ", "all ", "is ", "well."]

/** A program as a command line of Node. */
export interface Program {
  readonly name: "ours" | "theirs"
  readonly entry: string
  /** Where its page's files are, when it brings them. */
  readonly page?: string
}

export interface Ground {
  readonly dir: string
  readonly ours: Program
  readonly theirs: Program
  readonly modelUrl: string
}

/** A port that is free now. */
export const freePort = Effect.callback<number>((resume) => {
  const probe = Net.createServer()
  probe.listen(0, "127.0.0.1", () => {
    const { port } = probe.address() as Net.AddressInfo
    probe.close(() => resume(Effect.succeed(port)))
  })
})

const install = Effect.fnUntraced(function* (to: string) {
  Fs.mkdirSync(to, { recursive: true })
  Fs.writeFileSync(Path.join(to, "package.json"), '{"private":true}')
  const { code } = yield* Command.run({
    program: "npm",
    args: ["install", "--no-audit", "--no-fund", "--loglevel=error", `openclaw@${VERSION}`],
    env: { HOME: to },
    cwd: to,
    loud: true
  })
  if (code !== 0) return yield* Effect.die(new Error(`npm could not install openclaw@${VERSION}`))
  return to
})

/** `installed`: a folder whose `node_modules` has OpenClaw already. */
export const prepare = Effect.fnUntraced(function* (dir: string, installed: string | undefined) {
  const theirsIn = installed ?? (yield* install(Path.join(dir, "theirs")))
  const their = Path.join(theirsIn, "node_modules", "openclaw")
  const { version } = JSON.parse(Fs.readFileSync(Path.join(their, "package.json"), "utf8")) as {
    readonly version: string
  }
  if (version !== VERSION) return yield* Effect.die(new Error(`${their} is ${version}, not ${VERSION}`))
  const our = Path.join(dir, "ours")
  yield* build(our)
  const context = yield* Layer.build(providerLayer)
  const model = Context.get(context, ProviderServer)
  const reply = { text: ANSWER, usage: { input: 100, output: 7 }, paceMs: 120 }
  yield* model.push(...Array.from({ length: 500 }, () => reply))
  return {
    dir,
    ours: { name: "ours", entry: Path.join(our, "bin", "openclaw.js") },
    theirs: {
      name: "theirs",
      entry: Path.join(their, "openclaw.mjs"),
      page: Path.join(their, "dist", "control-ui")
    },
    modelUrl: model.url
  } satisfies Ground
})

/** An empty home below the run's folder, with a folder for temporary files. */
export const home = (ground: Ground, name: string): string => {
  const at = Path.join(ground.dir, "homes", name)
  Fs.mkdirSync(Path.join(at, "tmp"), { recursive: true, mode: 0o700 })
  Fs.mkdirSync(Path.join(at, ".openclaw"), { recursive: true, mode: 0o700 })
  return at
}

/** What a program of either side is started with: nothing of this machine's but PATH. */
export const environment = (at: string): Readonly<Record<string, string>> => ({
  HOME: at,
  TMPDIR: Path.join(at, "tmp"),
  NO_COLOR: "1",
  TERM: "dumb",
  LANG: "C.UTF-8",
  // Their programs look for newer versions of themselves; a run asks nobody.
  npm_config_offline: "true",
  OPENCLAW_NO_AUTO_UPDATE: "1"
})

export const configure = (at: string, config: object): void =>
  Fs.writeFileSync(Path.join(at, ".openclaw", "openclaw.json"), JSON.stringify(config), { mode: 0o600 })
