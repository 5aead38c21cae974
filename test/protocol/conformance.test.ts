/**
 * Everything that a whole Gateway says while it works, held against OpenClaw's published schema.
 */
import { assert, describe, it } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { checkEvent, conforms } from "./published.ts"

const ada = { id: 4711, firstName: "Ada" }

/** What such a day announces at least. */
const expected = [
  "agent",
  "chat",
  "device.pair.requested",
  "device.pair.resolved",
  "health",
  "node.invoke.request",
  "node.pair.requested",
  "node.pair.resolved",
  "presence",
  "shutdown",
  "tick"
]

describe("a whole Gateway at work", () => {
  it.live("says nothing that the published schema does not know", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const inner = yield* Scope.make()
      const services = yield* Layer.buildWithScope(
        GatewayTest.layer({
          models: ScriptedModel.layer([
            { text: "Looking.", toolCalls: [{ name: "nodes", params: { action: "invoke", command: "device.info" } }] },
            { text: "An attic." },
            { fail: new AiError.ContentPolicyError({ description: "no" }) },
            { text: ["Half", "…"], deltaDelay: "1 hour" }
          ]),
          limits: { tickIntervalMs: 1_000, healthIntervalMs: 200 },
          config: {
            gateway: { nodes: { pairing: { autoApproveLocal: false } } },
            channels: {
              telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [ada.id] }
            }
          }
        }),
        inner
      )
      const kit = Context.get(services, GatewayTest.GatewayTest)
      const seen: Array<{ readonly name: string; readonly payload: Readonly<Record<string, unknown>> }> = []
      const watch = (client: Effect.Success<ReturnType<typeof kit.connect>>) =>
        Stream.runForEach(client.events, (event) =>
          Effect.sync(() => {
            const name = event.event === "*" ? event.name : event.event
            seen.push({ name, payload: event.payload as Readonly<Record<string, unknown>> })
          })
        ).pipe(Effect.forkScoped({ startImmediately: true }))

      const operator = yield* kit.connect()
      yield* watch(operator)
      conforms("HelloOk", operator.hello)
      const device = yield* DeviceIdentity.ephemeral
      const asNode = kit.connect({
        client: { id: "node-host", mode: "node", displayName: "Attic", version: "1.0.0", platform: "linux" },
        role: "node",
        scopes: [],
        commands: ["device.info"],
        device
      })
      const stranger = yield* Effect.flip(asNode)
      assert(stranger._tag === "HandshakeRejected")
      yield* operator.call["device.pair.approve"]({ requestId: stranger.requestId! })
      const node = yield* asNode
      conforms("HelloOk", node.hello)
      yield* watch(node)
      const { pending } = yield* operator.call["node.pair.list"]({}).pipe(
        Effect.repeat({ until: (nodes) => nodes.pending.length > 0 })
      )
      yield* operator.call["node.pair.approve"]({ requestId: pending[0]!.requestId })
      conforms("NodeEventResult", yield* node.request("node.event", { event: "exec.finished", payload: {} }))

      const asked = yield* Stream.runHead(node.on("node.invoke.request")).pipe(
        Effect.forkScoped({ startImmediately: true })
      )
      yield* bot.sendText({ from: ada, text: "what is attic?" })
      const invoke = yield* Fiber.join(asked)
      assert(invoke._tag === "Some")
      yield* node.call["node.invoke.result"]({ id: invoke.value.id, nodeId: device.id, ok: true, payloadJSON: "{}" })
      yield* bot.awaitReply({ chatId: ada.id })

      const send = (idempotencyKey: string) =>
        operator.call["chat.send"]({ sessionKey: "main", message: "and now?", idempotencyKey })
      const ends = (state: string) =>
        operator.on("chat").pipe(
          Stream.filter((event) => event.state === state),
          Stream.runHead,
          Effect.forkScoped({ startImmediately: true })
        )
      const failed = yield* ends("error")
      yield* send("fails")
      yield* Fiber.join(failed)
      const half = yield* operator.on("chat").pipe(
        Stream.filter((event) => event.runId === "stopped" && event.state === "delta"),
        Stream.runHead,
        Effect.forkScoped({ startImmediately: true })
      )
      yield* send("stopped")
      yield* Fiber.join(half)
      yield* operator.call["chat.abort"]({ sessionKey: "main" })

      yield* Stream.runHead(operator.on("health"))
      yield* Stream.runHead(operator.on("tick"))
      const said = yield* Stream.runHead(operator.on("shutdown")).pipe(Effect.forkScoped({ startImmediately: true }))
      yield* Scope.close(inner, Exit.void)
      yield* Fiber.join(said)

      for (const { name, payload } of seen) checkEvent(name, payload)
      const names = new Set(seen.map(({ name }) => name))
      for (const name of expected) assert.isTrue(names.has(name), name)
    }).pipe(Effect.scoped)
  )
})
