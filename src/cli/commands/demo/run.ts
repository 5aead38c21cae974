/**
 * The demo itself: a Bot API server, a Gateway, a node process and an operator, all on loopback and in a folder that goes
 * away with them.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { GatewayClient } from "../../../client/GatewayClient.ts"
import { token } from "../../../domain/Credential.ts"
import { loopback } from "../../../domain/Endpoint.ts"
import { VERSION } from "../../../domain/Version.ts"
import { Gateway, layerNode } from "../../../layers/Gateway.ts"
import { Config } from "../../../services/Config.ts"
import * as BotApi from "../../../testing/BotApi.ts"
import { Patience } from "../../../testing/stillWaiting.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { endsByStopping } from "../../lifetime.ts"
import * as Chat from "./chat.ts"
import * as Hops from "./hops.ts"
import * as Model from "./model.ts"
import * as NodeProcess from "./nodeProcess.ts"
import { narrate } from "./narrate.ts"

/** What the demo's node runs unasked: programs that only tell something. */
const HARMLESS = ["uptime", "date", "hostname", "uname", "whoami"]
const execApprovals = {
  version: 1,
  defaults: { security: "allowlist", ask: "on-miss" },
  agents: { "*": { allowlist: HARMLESS.map((pattern) => ({ pattern })) } }
}

const USER = { id: 4_711, firstName: "Ada" }
const NODE_NAME = "demo-node"

const configuration = (model: Model.DemoModel, bot: BotApi.BotApiServer) => ({
  gateway: { mode: "local", bind: "loopback" },
  agents: { defaults: { model: { primary: model.ref } } },
  ...(model.models === undefined ? undefined : { models: model.models }),
  channels: {
    telegram: { enabled: true, botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [USER.id] }
  }
})

/** An operator on the Gateway's WebSocket, with the token that the Gateway made on its first start. */
const operator = Effect.gen(function* () {
  const config = yield* Config
  const gateway = yield* Gateway
  const secret = (yield* config.get).gateway?.auth?.token ?? ""
  const client = yield* GatewayClient.make({
    endpoint: loopback(gateway.port),
    client: { id: "cli", mode: "cli", version: VERSION, platform: process.platform },
    scopes: ["operator.admin"],
    credentials: [token(secret)]
  })
  return { client, secret, port: gateway.port }
})

/** Starts the node, approves what it asks for, and waits until its commands may be called. */
const pairNode = Effect.fnUntraced(function* (
  { client, port, secret }: Effect.Success<typeof operator>,
  folder: string,
  hops: Hops.Hops
) {
  const requests = yield* client.on("node.pair.requested").pipe(Stream.take(1), Stream.runHead, Effect.forkScoped)
  const node = yield* NodeProcess.start({ port, token: secret, displayName: NODE_NAME, folder })
  const { approved, output } = yield* narrate.node(node.lines, hops)
  const ended = Effect.flatMap(node.exitCode, (code) =>
    Effect.fail(
      new CommandFailed({
        message: `the node ended with exit code ${code}:\n${output().join("\n")}\nFix: start the demo again; \`openclaw node run\` alone shows more.`
      })
    )
  )
  const approve = Effect.gen(function* () {
    yield* Fiber.join(requests)
    const { pending } = yield* client.call["node.pair.list"]({})
    for (const request of pending) {
      yield* hops.hop("node", "gateway", `asks to offer ${(request.commands ?? []).join(", ")}`)
      yield* client.call["node.pair.approve"]({ requestId: request.requestId })
      yield* hops.hop("operator", "gateway", `approves ${request.displayName ?? request.nodeId}`)
    }
    yield* approved
  })
  yield* Effect.raceFirst(approve, ended).pipe(
    Effect.timeoutOrElse({
      duration: "30 seconds",
      orElse: () =>
        Effect.fail(
          new CommandFailed({
            message: `the node did not connect in 30 s:\n${output().join("\n")}\nFix: start the demo again when the machine is less busy.`
          })
        )
    })
  )
})

export const run = Effect.fn("demo.run")(
  function* (firstMessage: string) {
    yield* endsByStopping
    const fs = yield* FileSystem.FileSystem
    const environment = yield* Environment
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "openclaw-demo-" })
    const model = yield* Effect.provide(Model.choose, NodeHttpClient.layerNodeHttp)
    const hops = yield* Hops.make

    const bot = yield* BotApi.serve({ bot: { username: "demo_claw_bot", first_name: "Demo" } })
    const stateDir = `${folder}/gateway`
    yield* fs.makeDirectory(stateDir, { mode: 0o700 })
    const nodeState = `${folder}/node/.openclaw`
    yield* fs.makeDirectory(nodeState, { recursive: true, mode: 0o700 })
    yield* fs.writeFileString(`${nodeState}/exec-approvals.json`, JSON.stringify(execApprovals), { mode: 0o600 })
    yield* fs.writeFileString(`${stateDir}/openclaw.json`, JSON.stringify(configuration(model, bot), null, 2), {
      mode: 0o600
    })

    const services = yield* Layer.build(layerNode({ stateDir, flags: { port: 0 } }))
    const desk = yield* Effect.provideContext(operator, services)
    const gateway = Context.get(services, Gateway)
    yield* hops.hop("gateway", "world", `listens on ${gateway.url}, state in ${stateDir}`)
    yield* hops.hop("gateway", "model", `${model.ref}: ${model.because}`)
    yield* bot.awaitPolling
    yield* hops.hop("gateway", "telegram", `polls the Bot API at ${bot.url} as @${bot.bot.username}`)
    yield* pairNode(desk, `${folder}/node`, hops)

    yield* narrate.turns(desk.client, hops)
    yield* narrate.telegram(bot, hops)
    const answer = Chat.ask(bot, USER, hops)
    const ask = (text: string) => Effect.provideContext(answer(text), services)
    yield* Console.log("")
    yield* ask(firstMessage)
    if (environment.interactive) yield* Chat.prompt(ask)
    // What the demo shows says by itself what it waits for.
  },
  Effect.scoped,
  Effect.provideService(Patience, Number.POSITIVE_INFINITY)
)
