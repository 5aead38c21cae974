/** A person, a Gateway that is reached by a bot, and a node that answers in its own time, for tests of whole turns. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import { RECALL_CAP } from "../../src/protocol/EventTable.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ProviderServer from "../../src/testing/ProviderServer.ts"
import { type GatewayProcess, makeState } from "./gatewayProcess.ts"

export const ada = { id: 4711, firstName: "Ada" }

const telegramOf = (bot: BotApi.BotApiServer, from: typeof ada) => ({
  telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist" as const, allowFrom: [from.id] }
})

/** A Gateway of this process whose Telegram account polls the kit's Bot API. */
export const startFor = Effect.fnUntraced(function* (from: typeof ada, options: GatewayTest.GatewayTestOptions = {}) {
  const bot = yield* BotApi.serve()
  const services = yield* Layer.build(
    GatewayTest.layer({
      ...options,
      config: { agents: { defaults: { model: "builtin/offline" } }, channels: telegramOf(bot, from), ...options.config }
    })
  )
  yield* bot.awaitPolling
  return { bot, services, kit: Context.get(services, GatewayTest.GatewayTest) }
})

/** What a Gateway that is a process of its own starts with: a bot, and a model that says what it is told to. */
export const stateFor = Effect.fnUntraced(function* (from: typeof ada) {
  const bot = yield* BotApi.serve()
  const provider = Context.get(yield* Layer.build(ProviderServer.layer), ProviderServer.ProviderServer)
  const dir = yield* makeState({
    agents: { defaults: { model: "mock/m" } },
    models: {
      providers: {
        mock: { baseUrl: `${provider.url}/v1`, apiKey: "k", api: "openai-completions", models: [{ id: "m" }] }
      }
    },
    channels: telegramOf(bot, from)
  })
  return { bot, dir, provider }
})

/** How the node enters that is asked for its name in the next turn. */
export const attic = Effect.map(
  DeviceIdentity.ephemeral,
  (device) =>
    ({
      client: { id: "node-host", mode: "node", displayName: "Attic", version: "1.0.0", platform: "linux" },
      role: "node",
      scopes: [],
      commands: ["device.info"],
      caps: [RECALL_CAP],
      device
    }) as const
)

/** Has the model ask the node, lets the node in, and gives both ends; `asked` is the first command that reaches it. */
export const withAttic = Effect.fnUntraced(function* (
  gateway: GatewayProcess,
  provider: ProviderServer.ProviderServer["Service"],
  asNode: Effect.Success<typeof attic>
) {
  yield* provider.push({
    toolCalls: [{ id: "c1", name: "nodes", arguments: '{"action":"invoke","command":"device.info"}' }]
  })
  const operator = yield* gateway.connect()
  const node = yield* gateway.connect(asNode)
  const { pending } = yield* operator.call["node.pair.list"]({}).pipe(
    Effect.repeat({ until: (nodes) => nodes.pending.length > 0 })
  )
  yield* operator.call["node.pair.approve"]({ requestId: pending[0]!.requestId })
  const asked = yield* node
    .on("node.invoke.request")
    .pipe(Stream.runHead, Effect.forkScoped({ startImmediately: true }))
  return { operator, node, asked }
})
