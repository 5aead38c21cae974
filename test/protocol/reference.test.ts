/** OpenClaw's client library, `@openclaw/gateway-client`, and a whole Gateway of ours. */
import { assert, describe, it } from "@effect/vitest"
import type { GatewayClientOptions } from "@openclaw/gateway-client"
import { GatewayScopeUpgrade } from "@openclaw/gateway-client/scope-upgrade"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { accessOf, methodNames } from "../../src/protocol/MethodTable.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { well } from "./askedWell.ts"
import { checkResult } from "./published.ts"
import * as Reference from "./referenceClient.ts"
import * as World from "./world.ts"

const begin = Effect.map(Layer.build(GatewayTest.layer()), (services) => Context.get(services, GatewayTest.GatewayTest))

const asNode: GatewayClientOptions = {
  role: "node",
  scopes: [],
  mode: "node",
  clientName: "node-host",
  deviceFamily: "Linux"
}

describe("@openclaw/gateway-client and a whole Gateway", () => {
  it.live(
    "asks every method, is answered as the published schema says, and sees no gap",
    () =>
      Effect.gen(function* () {
        let world = yield* World.make([])
        const connect = Effect.fnUntraced(function* () {
          const client = yield* Reference.start({
            url: world.kit.endpoint,
            token: world.kit.token,
            caps: ["tool-events"]
          })
          assert.sameMembers([...(yield* client.hello).auth.scopes], Reference.SCOPES)
          return client
        })
        let client = yield* connect()
        const problems: Array<string> = []
        let asked = 0
        for (const method of methodNames) {
          const question = yield* well(world, method)
          // A node's methods are for nodes, and some questions only for who stands on its own device.
          if (accessOf(method) === "node" || question.client !== world.operator) continue
          const answer = yield* Effect.result(client.ask(method, question.params, true))
          asked++
          if (Result.isFailure(answer)) problems.push(`${method}: ${answer.failure.message}`)
          else checkResult(method, answer.success)
          if (method === "channels.stop" || method === "channels.logout") {
            assert.deepStrictEqual(client.gaps, [])
            world = yield* World.make([])
            client = yield* connect()
          }
        }
        assert.deepStrictEqual(problems, [])
        assert.isAbove(asked, 80)
        const unknown = yield* Effect.flip(client.ask("foo.bar"))
        assert.match(unknown.message, /unknown method: foo\.bar/)
        assert.deepStrictEqual(client.gaps, [])
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("comes back when its connection was cut, and what it waited for fails", () =>
    Effect.gen(function* () {
      const { port, token } = yield* begin
      const { cut, url } = yield* Reference.cable(port)
      const { ask, gaps, hello } = yield* Reference.start({ url, token })
      const first = yield* hello
      const waiting = yield* Effect.forkScoped(
        Effect.flip(ask("agent.wait", { runId: "nobody's", timeoutMs: 60_000 })),
        { startImmediately: true }
      )
      yield* ask("health")
      yield* cut
      assert.match((yield* Fiber.join(waiting)).message, /closed/)
      const second = yield* hello
      assert.notStrictEqual(second.server.connId, first.server.connId)
      yield* ask("health")
      assert.deepStrictEqual(gaps, [])
    }).pipe(Effect.scoped)
  )

  it.live("is told that its token is wrong", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* begin
      const { hello } = yield* Reference.start({ url: endpoint, token: "wrong" })
      assert.match((yield* Effect.flip(hello)).message, /token mismatch/)
    }).pipe(Effect.scoped)
  )

  it.live("shows its device token when the shared secret is refused", () =>
    Effect.gen(function* () {
      const { endpoint, token } = yield* begin
      const { options: identity, tokens } = Reference.withDevice()
      // A program of this machine's own, as which it connects otherwise, is not paired.
      const options: GatewayClientOptions = { ...identity, clientName: "openclaw-tui", mode: "ui" }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { ask, hello } = yield* Reference.start({ url: endpoint, token, ...options })
          yield* hello
          // The library tells of its hello first, and keeps the token then.
          yield* Effect.repeat(ask("health"), { until: () => tokens.has("operator") })
        })
      )
      const { ask, hello } = yield* Reference.start({ url: endpoint, token: "not the secret any more", ...options })
      assert.match((yield* Effect.flip(hello)).message, /token mismatch/)
      assert.strictEqual((yield* hello).auth.role, "operator")
      yield* ask("status")
    }).pipe(Effect.scoped)
  )

  it.live("as a node: proves its device, answers what it is asked, and comes again with its token alone", () =>
    Effect.gen(function* () {
      const kit = yield* begin
      const { id, options, tokens } = Reference.withDevice()
      const operator = yield* kit.connect()
      const connect = (auth: object) =>
        Reference.start({ url: kit.endpoint, ...asNode, commands: ["device.info"], ...options, ...auth })
      const token = yield* Effect.scoped(
        Effect.gen(function* () {
          const { ask, event, hello } = yield* connect({ token: kit.token })
          const { deviceToken } = (yield* hello).auth
          const { pending } = yield* operator.call["node.pair.list"]({}).pipe(
            Effect.repeat({ until: (list) => list.pending.length > 0 })
          )
          yield* operator.call["node.pair.approve"]({ requestId: pending[0]!.requestId })
          const params = { nodeId: id, command: "device.info", idempotencyKey: "k" }
          const invoked = yield* Effect.forkScoped(operator.call["node.invoke"](params), { startImmediately: true })
          const request = yield* event("node.invoke.request")
          const answer = { id: request["id"], nodeId: id, ok: true, payloadJSON: '{"deviceName":"Attic"}' }
          assert.deepInclude(yield* ask("node.invoke.result", answer), { ok: true })
          assert.deepInclude((yield* Fiber.join(invoked)).payload, { deviceName: "Attic" })
          assert.match((yield* Effect.flip(ask("node.list"))).message, /unauthorized role: node/)
          return deviceToken
        })
      )
      assert.strictEqual(tokens.get("node")?.token, token)
      const { hello } = yield* connect({})
      assert.strictEqual((yield* hello).auth.deviceToken, token, "the same token again")
    }).pipe(Effect.scoped)
  )

  it.live("asks for more scopes, waits for the word, and keeps the new token", () =>
    Effect.gen(function* () {
      const kit = yield* begin
      const { id, options } = Reference.withDevice()
      const operator = yield* kit.connect()
      const role = "operator"
      const { ask, hello } = yield* Reference.start({
        url: kit.endpoint,
        token: kit.token,
        clientName: "openclaw-tui",
        mode: "ui",
        scopes: ["operator.read"],
        ...options
      })
      const { deviceToken } = (yield* hello).auth
      const kept: Array<string> = []
      let reconnects = 0
      const context = yield* Effect.context()
      const upgrade = new GatewayScopeUpgrade({
        request: (method, params) => Effect.runPromiseWith(context)(ask(method, params)),
        tokenStore: {
          load: () => ({ token: deviceToken, role, scopes: ["operator.read"], updatedAtMs: 1 }),
          store: (entry: { readonly token: string }) => void kept.push(entry.token),
          clear: () => undefined
        } as never,
        reconnect: () => void reconnects++
      })
      const binding = { clientId: "openclaw-tui", deviceId: id, role }
      const asked = yield* Effect.forkScoped(
        Effect.promise(() => upgrade.requestScopeUpgrade({ binding, scopes: ["operator.write"] })),
        { startImmediately: true }
      )
      const { pending } = yield* operator.call["device.pair.list"]({}).pipe(
        Effect.repeat({ until: (list) => list.pending.length > 0 })
      )
      yield* operator.call["device.pair.approve"]({ requestId: pending[0]!.requestId })
      assert.deepInclude(yield* Fiber.join(asked), { status: "approved" })
      assert.deepStrictEqual([kept.length, reconnects], [1, 1])
    }).pipe(Effect.scoped)
  )
})
