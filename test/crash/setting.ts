/**
 * What every world begins with: the built program as a package of its own, and the state directories of a Gateway and two
 * nodes that know each other.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { GatewayClient } from "../../src/client/GatewayClient.ts"
import { token } from "../../src/domain/Credential.ts"
import { loopback } from "../../src/domain/Endpoint.ts"
import { VERSION } from "../../src/domain/Version.ts"
import * as Child from "./Child.ts"

export const here = fileURLToPath(new URL(".", import.meta.url))
const root = Path.join(here, "..", "..")
export const secret = "a-secret-of-the-crash-test"
export const botToken = "424242:AAtoken-of-the-crash-test"

/** Ports of one world. */
export interface Ports {
  readonly gateway: number
  readonly botApi: number
  readonly model: number
}

const isFree = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const probe = Net.createServer()
    probe.once("error", () => resume(Effect.succeed(false)))
    probe.listen(port, "127.0.0.1", () => probe.close(() => resume(Effect.succeed(true))))
  })

/** Below the range from which the system takes ports for connections, so that one stays free while its process is dead. */
const firstPort = 20_000
let nextPort = firstPort
const takePort: Effect.Effect<number> = Effect.suspend(() => {
  const port = nextPort++
  if (nextPort > 32_000) nextPort = firstPort
  return Effect.flatMap(isFree(port), (free) => (free ? Effect.succeed(port) : takePort))
})
export const takePorts: Effect.Effect<Ports> = Effect.all({ gateway: takePort, botApi: takePort, model: takePort })

export const folders = (dir: string) => ({
  gateway: Path.join(dir, "gateway"),
  desk: Path.join(dir, "desk"),
  attic: Path.join(dir, "attic"),
  effects: Path.join(dir, "effects"),
  logs: Path.join(dir, "logs"),
  gatewayPoints: Path.join(dir, "points-gateway"),
  deskPoints: Path.join(dir, "points-desk"),
  journal: Path.join(dir, "bot-api.jsonl"),
  asked: Path.join(dir, "model.jsonl")
})

/** Writes the Gateway's configuration for these ports. */
export const configure = (dir: string, ports: Ports): void => {
  const config = {
    agents: { defaults: { model: "mock/m" } },
    models: {
      providers: {
        mock: {
          baseUrl: `http://127.0.0.1:${ports.model}/v1`,
          apiKey: "k",
          api: "openai-completions",
          models: [{ id: "m" }]
        }
      }
    },
    session: { dmScope: "per-channel-peer" },
    channels: {
      telegram: { botToken, apiRoot: `http://127.0.0.1:${ports.botApi}`, dmPolicy: "open", allowFrom: ["*"] }
    },
    gateway: {
      mode: "local",
      auth: { mode: "token", token: secret },
      nodes: { allowCommands: ["counter.add"] }
    }
  }
  Fs.writeFileSync(Path.join(folders(dir).gateway, "openclaw.json"), JSON.stringify(config), { mode: 0o600 })
}

/** Whose Bot API a world has: the test kit's, or the npm package `telegram-test-api`. */
export type Api = "kit" | "other"

/** The programs of a world. `pkg`: where the built package is. */
export const specs = (pkg: string, dir: string, ports: Ports, api: Api = "kit") => {
  const at = folders(dir)
  const preload = (folder: string, listing: boolean) => {
    const url = pathToFileURL(Path.join(here, "preload", "main.ts"))
    url.searchParams.set("folder", folder)
    if (listing) url.searchParams.set("list", "")
    return `--import=${url.href}`
  }
  const openclaw = Path.join(pkg, "bin", "openclaw.js")
  const script = (name: string) => Path.join(here, "processes", name)
  const log = (name: string) => Path.join(at.logs, `${name}.log`)
  const own = (home: string, points: string, listing: boolean) => ({
    HOME: home,
    OPENCLAW_STATE_DIR: home,
    OPENCLAW_GATEWAY_TOKEN: secret,
    NODE_OPTIONS: preload(points, listing)
  })
  return {
    gateway: (listing = false): Child.Spec => ({
      name: "gateway",
      args: [openclaw, "gateway", "run", "--port", String(ports.gateway), "--json"],
      env: own(at.gateway, at.gatewayPoints, listing),
      log: log("gateway")
    }),
    desk: (listing = false): Child.Spec => ({
      name: "desk",
      args: [openclaw, "node", "run", "--host", "127.0.0.1", "--port", String(ports.gateway), "--display-name", "desk"],
      env: own(at.desk, at.deskPoints, listing),
      log: log("desk")
    }),
    attic: (): Child.Spec => ({
      name: "attic",
      args: [script("attic.ts"), String(ports.gateway), at.attic, at.effects, secret],
      env: { HOME: at.attic },
      log: log("attic"),
      orders: true
    }),
    botApi: (): Child.Spec => ({
      name: "botApi",
      args: [script(api === "kit" ? "botApi.ts" : "otherApi.ts"), String(ports.botApi), at.journal, botToken],
      env: {},
      log: log("botApi"),
      orders: true
    }),
    model: (): Child.Spec => ({
      name: "model",
      args: [script("model.ts"), String(ports.model), at.asked, at.effects],
      env: {},
      log: log("model"),
      orders: true
    })
  }
}
export type Specs = ReturnType<typeof specs>

/** An operator's connection to the Gateway of a world. */
export const connect = (ports: Ports) =>
  GatewayClient.make({
    endpoint: loopback(ports.gateway),
    credentials: [token(secret)],
    client: { id: "cli", mode: "cli", version: VERSION, platform: process.platform },
    scopes: ["operator.admin", "operator.read", "operator.write", "operator.pairing"]
  })

/** Builds the program into a folder as its package has it: the door, the bundle, nothing of the sources. */
export const build = (to: string) =>
  Effect.sync(() => {
    const bundled = spawnSync(process.execPath, [Path.join(root, "tools", "build.mjs"), "--cli", "--out", to], {
      stdio: ["ignore", "inherit", "inherit"]
    })
    if (bundled.status !== 0) throw new Error("the program could not be built")
    Fs.cpSync(Path.join(root, "bin"), Path.join(to, "bin"), { recursive: true })
    Fs.copyFileSync(Path.join(root, "package.json"), Path.join(to, "package.json"))
  })

const emptyWorld = (dir: string): void => {
  const { asked: _asked, journal: _journal, ...directories } = folders(dir)
  for (const folder of Object.values(directories)) Fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const approvals = { version: 1, defaults: { security: "full", ask: "off" } }
  Fs.writeFileSync(Path.join(folders(dir).desk, "exec-approvals.json"), JSON.stringify(approvals), { mode: 0o600 })
}

/** Lets Gateway and nodes get to know each other in a folder that worlds are then copied from. */
export const prepare = Effect.fnUntraced(
  function* (pkg: string, dir: string) {
    emptyWorld(dir)
    const ports = yield* takePorts
    configure(dir, ports)
    const programs = specs(pkg, dir, ports)
    // The Gateway asks the Bot API who it is; nobody answers here, and it does not mind.
    const gateway = yield* Child.start(programs.gateway())
    yield* gateway.ready
    const nodes = yield* Effect.all([Child.start(programs.desk()), Child.start(programs.attic())])
    const operator = yield* connect(ports)
    const approved = new Set<string>()
    yield* Effect.gen(function* () {
      const { pending } = yield* operator.call["node.pair.list"]({})
      for (const { nodeId, requestId } of pending) {
        yield* operator.call["node.pair.approve"]({ requestId })
        approved.add(nodeId)
      }
    }).pipe(Effect.repeat({ until: () => approved.size === 2, schedule: Schedule.spaced("50 millis") }))
    for (const process of [...nodes, gateway]) {
      yield* process.signal("SIGTERM")
      yield* process.ended
    }
  },
  Effect.scoped,
  Effect.timeout("60 seconds")
)

/** A world's folder, made from the prepared one. */
export const settle = (prepared: string, dir: string, ports: Ports): void => {
  Fs.cpSync(prepared, dir, { recursive: true })
  Fs.rmSync(folders(dir).logs, { recursive: true })
  Fs.mkdirSync(folders(dir).logs)
  configure(dir, ports)
}
