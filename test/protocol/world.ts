/** A Gateway with something of everything in it, and clients that watch it. */
import { randomUUID } from "node:crypto"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import type { GatewayClient } from "../../src/client/GatewayClient.ts"
import * as Store from "../../src/layers/deadLetters/Store.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { EventTable } from "../../src/protocol/EventTable.ts"
import { DeviceRegistry } from "../../src/services/DeviceRegistry.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { home } from "../cli/kit.ts"
import * as Rig from "../gateway/rig.ts"
import { request } from "../turns/kit.ts"

export interface Seen {
  readonly name: string
  /** The table has this event, and its payload fits it. */
  readonly known: boolean
  readonly payload: Readonly<Record<string, unknown>>
}

export const COMMAND = "device.info"
/** Params with which the command is never answered. */
const SILENCE = { hold: true }
export const CHAT = 4711

export type Client = GatewayClient["Service"]

/** Every answer of the model, for as long as a test runs. */
const chatter = Array.from({ length: 2000 }, () => ({ text: "Yes.", usage: { inputTokens: 3, outputTokens: 2 } }))

/** Turns that were given up before this Gateway started, by the ids of their dead letters. */
const bury = Effect.fnUntraced(function* (stateDir: string) {
  mkdirSync(join(stateDir, "state"), { mode: 0o700 })
  const runIds = Array.from({ length: 12 }, (_, index) => `buried-${index}`)
  yield* Effect.gen(function* () {
    const store = yield* Store.make
    for (const runId of runIds) {
      yield* store.add(request(runId, "boo"), 3, "it stopped the Gateway")
    }
  }).pipe(Effect.provide(Storage.layer({ filename: join(stateDir, ...Storage.DATABASE) })))
  return runIds.map((runId) => Store.idOf("turn", runId))
})

/** A node that answers at once whatever it is asked, and has a list of what needs no approval. */
const cellar = {
  nodeId: "cellar",
  commands: {
    "system.execApprovals.get": Effect.succeed({ path: "p", exists: false, hash: "h", file: { version: 1 } }),
    "system.execApprovals.set": (params: unknown) =>
      Effect.succeed({ path: "p", exists: true, hash: "i", file: (params as { readonly file: unknown }).file })
  }
}

const decodeChallenge = Schema.is(EventTable["connect.challenge"].payload)

/** Runs until the scope closes. `seen` gets every event of the operator and the node. */
export const make = Effect.fnUntraced(function* (seen: Array<Seen>) {
  const bot = yield* BotApi.serve()
  const stateDir = yield* home
  const deadLetters = yield* bury(stateDir)
  // The clients outlive the Gateway, and hear of its end.
  const inner = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(inner, Exit.void))
  const services = yield* Layer.buildWithScope(
    GatewayTest.layer({
      stateDir,
      models: ScriptedModel.layer(chatter),
      limits: { tickIntervalMs: 1_000, healthIntervalMs: 500 },
      restart: () => Effect.void,
      config: {
        gateway: { nodes: { pairing: { autoApproveLocal: false } } },
        channels: { telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "pairing" } }
      }
    }),
    inner
  )
  const kit = Context.get(services, GatewayTest.GatewayTest)
  yield* MockNode.make(cellar).pipe(Effect.provide(services), Scope.provide(inner))
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
  yield* operator.call["sessions.subscribe"]({})
  /** One that asks for what the operator then decides. */
  const asker = yield* kit.connect()

  const asNode = (device: DeviceIdentity.DeviceIdentity) =>
    kit.connect({
      client: { id: "node-host", mode: "node", displayName: "Attic", version: "1.0.0", platform: "linux" },
      role: "node",
      scopes: [],
      commands: [COMMAND],
      caps: ["system"],
      device
    })
  /** A device that waits to be let in: the id of its request. */
  const stranger = Effect.gen(function* () {
    const device = yield* DeviceIdentity.ephemeral
    const refused = yield* Effect.flip(asNode(device))
    if (refused._tag !== "HandshakeRejected") return yield* Effect.die(refused)
    return { device, requestId: refused.requestId! }
  })
  /** Lets a device in as a node; its commands still wait. */
  const admit = Effect.gen(function* () {
    const { device, requestId } = yield* stranger
    yield* operator.call["device.pair.approve"]({ requestId })
    const client = yield* asNode(device)
    const surface = yield* operator.call["node.pair.list"]({}).pipe(
      Effect.map(({ pending }) => pending.find(({ nodeId }) => nodeId === device.id)),
      Effect.repeat({ until: (found) => found !== undefined })
    )
    return { client, nodeId: device.id, requestId: surface!.requestId }
  })
  const attic = yield* admit
  yield* operator.call["node.pair.approve"]({ requestId: attic.requestId })
  const node = yield* watched(attic.client)
  yield* node.on("node.invoke.request").pipe(
    Stream.filter(({ paramsJSON }) => paramsJSON !== JSON.stringify(SILENCE)),
    Stream.runForEach(({ id, nodeId }) =>
      Effect.ignore(node.call["node.invoke.result"]({ id, nodeId, ok: true, payloadJSON: "{}" }))
    ),
    Effect.forkScoped
  )
  yield* bot.sendText({ from: { id: CHAT, firstName: "Ada" }, text: "hello" })
  yield* operator.request(
    "agent",
    { message: "hello", sessionKey: "main", idempotencyKey: "first-run" },
    { expectFinal: true }
  )
  const { sessions } = yield* operator.call["sessions.list"]({})
  const session = sessions[0]!

  /** What happens without a method that tells of it. */
  const happenings = Effect.gen(function* () {
    const raw = yield* Rig.open(String(kit.endpoint))
    const challenge = yield* raw.challenge
    seen.push({ name: "connect.challenge", known: decodeChallenge(challenge), payload: { ...challenge } })
    // Nobody waits for an answer of the node any longer; one that it was never asked is not taken back.
    yield* operator.call["node.invoke"]({
      nodeId: attic.nodeId,
      command: COMMAND,
      params: SILENCE,
      timeoutMs: 100,
      idempotencyKey: randomUUID()
    }).pipe(
      Effect.flip,
      Effect.map(() => seen.some(({ name }) => name === "node.invoke.cancel")),
      Effect.repeat({ until: (isCancelled) => isCancelled })
    )
    yield* node.call["node.event"]({
      event: "node.host.stats",
      payload: { cpuCount: 4, loadAverage: [0, 0.5, 1], memoryTotalBytes: 8, memoryFreeBytes: 4 }
    })
    // A device that a code let in, and one of which nobody knows whether it was told.
    const setups = Context.get(services, DeviceRegistry).setups
    for (const sure of [true, false]) {
      const { setupId, token } = yield* setups.issue("node")
      const { id, publicKey } = yield* DeviceIdentity.ephemeral
      yield* setups.redeem(
        { deviceId: id, publicKey, role: "node", scopes: [], clientId: "node-host", clientMode: "node" },
        token,
        { silent: false }
      )
      yield* setups.delivered(setupId, sure)
    }
  })

  return {
    kit,
    bot,
    operator,
    node,
    asker,
    session,
    nodeId: attic.nodeId,
    cellar: cellar.nodeId,
    stranger,
    admit,
    /** Each is good once. */
    deadLetter: () => deadLetters.pop() ?? "none is left",
    happenings,
    /** The Gateway ends while its clients listen. */
    end: Effect.andThen(Scope.close(inner, Exit.void), Effect.asVoid(operator.closed)),
    /** It is of no use to further tests. */
    wear: () => void (alive = false),
    isAlive: () => alive
  }
})

export type World = Effect.Success<ReturnType<typeof make>>
