/** A Gateway with something of everything in it, and clients that watch it. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import type { GatewayClient } from "../../src/client/GatewayClient.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

export interface Seen {
  readonly name: string
  /** The table has this event, and its payload fits it. */
  readonly known: boolean
  readonly payload: Readonly<Record<string, unknown>>
}

const COMMAND = "device.info"
const CHAT = 4711

export type Client = GatewayClient["Service"]

/** Every answer of the model, for as long as a test runs. */
const chatter = Array.from({ length: 2000 }, () => ({ text: "Yes.", usage: { inputTokens: 3, outputTokens: 2 } }))

/** Runs until the scope closes. `seen` gets every event of the operator and the node. */
export const make = Effect.fnUntraced(function* (seen: Array<Seen>) {
  const bot = yield* BotApi.serve()
  const services = yield* Layer.build(
    GatewayTest.layer({
      models: ScriptedModel.layer(chatter),
      limits: { tickIntervalMs: 1_000, healthIntervalMs: 500 },
      config: {
        gateway: { nodes: { pairing: { autoApproveLocal: false } } },
        channels: { telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "pairing" } }
      }
    })
  )
  const kit = Context.get(services, GatewayTest.GatewayTest)
  let alive = true
  const watched = Effect.fnUntraced(function* (client: Client) {
    yield* Stream.runForEach(client.events, (event) =>
      Effect.sync(() => {
        const known = event.event !== "*"
        const payload = event.payload as Seen["payload"]
        seen.push({ name: event.event === "*" ? event.name : event.event, known, payload })
      })
    ).pipe(Effect.forkScoped({ startImmediately: true }))
    yield* client.closed.pipe(Effect.andThen(Effect.sync(() => (alive = false))), Effect.forkScoped)
    return client
  })
  const operator = yield* watched(
    yield* kit.connect({
      scopes: ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"],
      caps: ["approvals", "tool-events", "agent-kind"]
    })
  )
  const asNode = (device: DeviceIdentity.DeviceIdentity) =>
    kit.connect({
      client: { id: "node-host", mode: "node", displayName: "Attic", version: "1.0.0", platform: "linux" },
      role: "node",
      scopes: [],
      commands: [COMMAND],
      caps: ["system"],
      device
    })
  /** Lets a device in as a node; its commands still wait. */
  const admit = Effect.fnUntraced(function* () {
    const device = yield* DeviceIdentity.ephemeral
    const refused = yield* Effect.flip(asNode(device))
    if (refused._tag !== "HandshakeRejected") return yield* Effect.die(refused)
    yield* operator.call["device.pair.approve"]({ requestId: refused.requestId! })
    const client = yield* asNode(device)
    const request = yield* operator.call["node.pair.list"]({}).pipe(
      Effect.map(({ pending }) => pending.find(({ nodeId }) => nodeId === device.id)),
      Effect.repeat({ until: (found) => found !== undefined })
    )
    return { client, nodeId: device.id, requestId: request!.requestId }
  })
  const attic = yield* admit()
  yield* operator.call["node.pair.approve"]({ requestId: attic.requestId })
  const node = yield* watched(attic.client)
  yield* node.on("node.invoke.request").pipe(
    Stream.runForEach(({ id, nodeId }) =>
      Effect.ignore(node.call["node.invoke.result"]({ id, nodeId, ok: true, payloadJSON: "{}" }))
    ),
    Effect.forkScoped
  )
  const waiting = yield* admit()
  const stranger = yield* Effect.flip(asNode(yield* DeviceIdentity.ephemeral))
  yield* bot.sendText({ from: { id: CHAT, firstName: "Ada" }, text: "hello" })
  yield* operator.request(
    "agent",
    { message: "hello", sessionKey: "main", idempotencyKey: "first-run" },
    { expectFinal: true }
  )
  const { sessions } = yield* operator.call["sessions.list"]({})
  const session = sessions[0]!

  /** What a parameter of this name means here. */
  const meanings = (method: string): Readonly<Record<string, unknown>> => ({
    sessionKey: session.key,
    key: session.key,
    keys: [session.key],
    sessionId: session.sessionId,
    runId: "first-run",
    agentId: "main",
    id: "main",
    channel: "telegram",
    accountId: "default",
    to: `telegram:${CHAT}`,
    nodeId: attic.nodeId,
    deviceId: attic.nodeId,
    role: "node",
    command: COMMAND,
    requestId: method.startsWith("device.")
      ? stranger._tag === "HandshakeRejected"
        ? stranger.requestId
        : undefined
      : waiting.requestId
  })
  return { operator, node, kit, meanings, isAlive: () => alive }
})
