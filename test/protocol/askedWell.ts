/** Each method asked so that it is answered. */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import { accessOf } from "../../src/protocol/MethodTable.ts"
import { fieldsOf, type Json } from "./mutations.ts"
import { CHAT, type Client, COMMAND, type World } from "./world.ts"

export interface Question {
  readonly client: Client
  readonly params: Json
}

/** What a parameter of this name means in the world. */
export const meanings = ({ nodeId, session }: World): Json => ({
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
  nodeId,
  deviceId: nodeId,
  role: "node",
  command: COMMAND,
  message: "hello",
  text: "hello",
  idempotencyKey: randomUUID()
})

type Ask = Effect.Effect<Json | Question, unknown, Scope.Scope>

/** What the required params of most methods do not say by themselves. */
const particular = (world: World): Readonly<Record<string, Ask>> => {
  const { admit, asker, bot, cellar, deadLetter, kit, operator, session, stranger } = world

  const pending = Effect.gen(function* () {
    const id = randomUUID()
    yield* Stream.runDrain(
      asker.call["exec.approval.request"]({ id, command: "uname -s", twoPhase: true, timeoutMs: 60_000 })
    ).pipe(Effect.ignore, Effect.forkScoped({ startImmediately: true }))
    yield* operator.call["exec.approval.list"]({}).pipe(
      Effect.repeat({ until: (waiting) => waiting.some((each) => each.id === id) })
    )
    return id
  })
  const decided = Effect.tap(pending, (id) => operator.call["exec.approval.resolve"]({ id, decision: "deny" }))
  /** A node that is let in, and leaves. */
  const visitor = Effect.map(admit, ({ nodeId, requestId }) => ({ nodeId, requestId, deviceId: nodeId }))
  /** A device with a token of an operator, and a client that stands on it. */
  const member = Effect.gen(function* () {
    const device = yield* DeviceIdentity.ephemeral
    const options = {
      client: { id: "openclaw-tui", mode: "ui", version: "1.0.0", platform: "linux" } as const,
      scopes: ["operator.read", "operator.pairing"],
      device
    }
    const refused = yield* Effect.flip(kit.connect(options))
    if (refused._tag !== "HandshakeRejected") return yield* Effect.die(refused)
    yield* operator.call["device.pair.approve"]({ requestId: refused.requestId! })
    return { client: yield* kit.connect(options), deviceId: device.id }
  })
  /** Somebody unknown has written to the bot. */
  const knock = Effect.gen(function* () {
    const senderId = String(700_000 + Math.trunc(Number(`0x${randomUUID().slice(0, 6)}`)))
    yield* bot.sendText({ from: { id: Number(senderId), firstName: "Bob" }, text: "hello" })
    const { requests } = yield* operator.call["channels.pairing.list"]({}).pipe(
      Effect.repeat({ until: (list) => list.requests.some((each) => each.senderId === senderId) })
    )
    const { requestId } = requests.find((each) => each.senderId === senderId)!
    return { channel: "telegram", accountId: "default", requestId }
  })
  /** A session of its own, with so many turns. */
  const talk = Effect.fnUntraced(function* (turns: number) {
    const key = `agent:main:short-lived-${randomUUID()}`
    for (let turn = 0; turn < turns; turn++) {
      const idempotencyKey = `${key}-${turn}`
      yield* operator.request("agent", { message: "x", sessionKey: key, idempotencyKey }, { expectFinal: true })
    }
    return { key }
  })
  const file = { version: 1, agents: { main: { allowlist: [{ pattern: "uname" }] } } }
  const based = (raw: string) => Effect.map(operator.call["config.get"]({}), ({ hash }) => ({ raw, baseHash: hash }))
  const whole = Effect.flatMap(operator.call["config.get"]({}), ({ config }) => based(JSON.stringify(config)))

  return {
    wake: Effect.succeed({ mode: "now", text: "hello" }),
    "system-event": Effect.succeed({ text: "hello" }),
    "node.event": Effect.succeed({ event: "exec.finished", payload: {} }),
    "node.invoke.progress": Effect.succeed({ invokeId: "gone", nodeId: world.nodeId, seq: 0, chunk: "half" }),
    "node.invoke.result": Effect.succeed({ id: "gone", nodeId: world.nodeId, ok: true }),
    "diagnostics.trace": Effect.succeed({ message: "first-run" }),
    "node.rename": Effect.succeed({ nodeId: world.nodeId, displayName: "Loft" }),
    "node.pending.enqueue": Effect.succeed({ nodeId: world.nodeId, type: "status.request" }),
    "node.pluginTools.update": Effect.succeed({ tools: [] }),
    "node.skills.update": Effect.succeed({ skills: [] }),
    "node.runnerInventory.update": Effect.succeed({ protocolFeatures: ["x"] }),
    "node.pair.approve": visitor.pipe(Effect.map(({ requestId }) => ({ requestId }))),
    "node.pair.reject": visitor.pipe(Effect.map(({ requestId }) => ({ requestId }))),
    "node.pair.remove": Effect.gen(function* () {
      const { nodeId, requestId } = yield* visitor
      yield* operator.call["node.pair.approve"]({ requestId })
      return { nodeId }
    }),
    "device.pair.approve": Effect.map(stranger, ({ requestId }) => ({ requestId })),
    "device.pair.reject": Effect.map(stranger, ({ requestId }) => ({ requestId })),
    "device.pair.remove": Effect.map(visitor, ({ deviceId }) => ({ deviceId })),
    "device.pair.rename": Effect.map(visitor, ({ deviceId }) => ({ deviceId, label: "Loft" })),
    "device.token.rotate": Effect.map(member, ({ client, deviceId }) => ({
      client,
      params: { deviceId, role: "operator" }
    })),
    "device.token.revoke": Effect.map(visitor, ({ deviceId }) => ({ deviceId, role: "node" })),
    "device.pair.setupCode": Effect.succeed({ publicUrl: "wss://gateway.example.test", includeQr: true }),
    "device.pair.setupStatus": Effect.map(
      operator.call["device.pair.setupCode"]({ publicUrl: "wss://gateway.example.test", includeQr: false }),
      ({ setupId }) => ({ setupId })
    ),
    "device.scopes.requestUpgrade": Effect.map(member, ({ client }) => ({
      client,
      params: { scopes: ["operator.write"] }
    })),
    "device.scopes.waitUpgrade": Effect.gen(function* () {
      const { client } = yield* member
      const { requestId } = yield* client.call["device.scopes.requestUpgrade"]({ scopes: ["operator.write"] })
      yield* operator.call["device.pair.reject"]({ requestId })
      return { client, params: { requestId } }
    }),
    send: Effect.succeed({ to: `telegram:${CHAT}`, message: "hello", idempotencyKey: randomUUID() }),
    "sessions.resolve": Effect.succeed({ key: session.key }),
    "voicewake.set": Effect.succeed({ triggers: ["computer"] }),
    "chat.message.get": Effect.gen(function* () {
      const history = yield* operator.call["chat.history"]({ sessionKey: session.key })
      const messageId = "kind" in history ? undefined : history.messages[0]?.id
      return { sessionKey: session.key, messageId }
    }),
    "sessions.patch": Effect.succeed({ key: session.key, label: `called ${randomUUID()}` }),
    "chat.history": Effect.gen(function* () {
      const history = yield* operator.call["chat.history"]({ sessionKey: session.key })
      const cursor = "kind" in history ? undefined : history.deltaCursor
      return { sessionKey: session.key, cursor }
    }),
    "sessions.delete": talk(1),
    "sessions.compact": talk(3),
    "channels.deadLetters.show": Effect.sync(() => ({ id: deadLetter() })),
    "channels.deadLetters.retry": Effect.sync(() => ({ id: deadLetter() })),
    "channels.deadLetters.drop": Effect.sync(() => ({ id: deadLetter() })),
    "exec.approval.request": Effect.succeed({
      client: asker,
      params: { command: "uname -s", twoPhase: true, timeoutMs: 20 }
    }),
    "exec.approval.waitDecision": Effect.map(decided, (id) => ({ id })),
    "exec.approval.get": Effect.map(pending, (id) => ({ id })),
    "exec.approval.resolve": Effect.map(pending, (id) => ({ id, decision: "allow-once" })),
    "approval.get": Effect.map(pending, (id) => ({ id })),
    "approval.resolve": Effect.map(pending, (id) => ({ id, kind: "exec", decision: "allow-once" })),
    "approval.history": Effect.as(decided, {}),
    "exec.approvals.set": Effect.map(operator.call["exec.approvals.get"]({}), ({ hash }) => ({ file, baseHash: hash })),
    "exec.approvals.node.get": Effect.succeed({ nodeId: cellar }),
    "exec.approvals.node.set": Effect.succeed({ nodeId: cellar, file, baseHash: "h" }),
    "config.schema.lookup": Effect.succeed({ path: "gateway.auth" }),
    "config.set": whole,
    "config.apply": whole,
    "config.patch": based('{"logging":{"level":"warn"}}'),
    "channels.pairing.approve": knock,
    "channels.pairing.dismiss": knock,
    "channels.logout": Effect.succeed({ channel: "telegram", accountId: "default" })
  }
}

const isQuestion = (ask: Json | Question): ask is Question => "client" in ask && "params" in ask

/** A question that is answered, and not refused. */
export const well = Effect.fnUntraced(function* (world: World, method: string) {
  const client = accessOf(method) === "node" ? world.node : world.operator
  const means = meanings(world)
  const required = fieldsOf(method).filter(({ optional }) => !optional)
  const usual = Object.fromEntries(required.map(({ name }) => [name, means[name]]))
  const ask = yield* particular(world)[method] ?? Effect.succeed(usual)
  return isQuestion(ask) ? ask : { client, params: ask }
})
