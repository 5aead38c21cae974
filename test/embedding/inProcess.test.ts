/**
 * The typed client of a Gateway in the same process: the same rows, scopes, events and limits as over a socket.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { GatewayClient } from "../../src/client/index.ts"
import { Gateway } from "../../src/layers/Gateway.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"

const own = { id: "test", mode: "ui", version: "1", platform: "test", displayName: "the app" } as const

layer(Layer.fresh(GatewayTest.layer()))("a client in the Gateway's process", (it) => {
  it.effect("is greeted as over a socket, and calls as over a socket", () =>
    Effect.gen(function* () {
      const client = yield* GatewayClient.inProcess()
      const { connect } = yield* GatewayTest.GatewayTest
      const remote = yield* connect()
      assert.deepStrictEqual(client.hello.features, remote.hello.features)
      assert.deepStrictEqual(client.hello.policy, remote.hello.policy)
      assert.strictEqual(client.hello.server.bootId, (yield* Gateway).bootId)
      assert.deepStrictEqual(
        (yield* client.call["sessions.list"]({})).sessions,
        (yield* remote.call["sessions.list"]({})).sessions
      )
      assert.strictEqual(yield* (yield* Gateway).connections, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("may do what its scopes say, and no more", () =>
    Effect.gen(function* () {
      const client = yield* GatewayClient.inProcess({ scopes: ["operator.read"] })
      yield* client.call["sessions.list"]({})
      const refused = yield* Effect.flip(
        client.call["chat.send"]({ sessionKey: "main", message: "x", idempotencyKey: "k" })
      )
      assert.strictEqual(refused._tag, "GatewayError")
      assert.include(refused.message, "operator.write")
      const role = yield* Effect.flip(client.request("node.invoke.result", { id: "1", nodeId: "n", ok: true }))
      assert.include(role.message, "role")
    }).pipe(Effect.scoped)
  )

  it.effect("has its params and its methods judged", () =>
    Effect.gen(function* () {
      const client = yield* GatewayClient.inProcess()
      const params = yield* Effect.flip(client.request("sessions.list", { limit: "many" }))
      assert.include(params.message, "limit")
      const unknown = yield* Effect.flip(client.request("no.such.method"))
      assert.include(unknown.message, "unknown method")
    }).pipe(Effect.scoped)
  )

  it.effect("hears events of its audience, numbered from one", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus
      const client = yield* GatewayClient.inProcess({ client: own })
      const heard = yield* client.on("tick").pipe(Stream.take(2), Stream.runCollect, Effect.forkChild)
      yield* bus.publish("tick", { ts: 1 })
      yield* bus.publish("tick", { ts: 2 })
      assert.deepStrictEqual(
        (yield* Fiber.join(heard)).map(({ ts }) => ts),
        [1, 2]
      )
      const gateway = yield* Gateway
      assert.include(
        (yield* gateway.presence).map(({ host }) => host),
        "the app"
      )
    }).pipe(Effect.scoped)
  )

  it.effect("goes with its scope, and nobody waits for it", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      const before = yield* gateway.connections
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(GatewayClient.inProcess(), scope)
      assert.strictEqual(yield* gateway.connections, before + 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* client.closed).code, 1000)
      const late = yield* Effect.flip(client.request("sessions.list"))
      assert.strictEqual(late._tag, "ConnectionClosed")
      while ((yield* gateway.connections) !== before) yield* Effect.yieldNow
    })
  )

  it.effect("is cut alone when it does not read", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      const deaf = yield* gateway.connect({ client: own, scopes: ["operator.admin"] })
      const big = "x".repeat(20_000_000)
      yield* deaf.receive
      const bus = yield* EventBus
      const client = yield* GatewayClient.inProcess()
      for (let i = 0; i < 4; i++) {
        yield* bus.publish("config.changed", { path: big, hash: "h", ts: i })
        yield* client.on("config.changed").pipe(Stream.take(1), Stream.runDrain)
      }
      const end = yield* Effect.flip(Effect.forever(deaf.receive))
      assert.deepStrictEqual([end._tag, end.code, end.reason], ["InProcessClosed", 1008, "slow consumer"])
      assert.strictEqual((yield* Effect.flip(deaf.send("{}"))).code, 1008)
      assert.include(end.message, "slow consumer")
    }).pipe(Effect.scoped)
  )
})

layer(Layer.fresh(GatewayTest.layer()))("the Gateway's end", (it) => {
  it.effect("is told to clients in its process, as to all", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      const client = yield* GatewayClient.inProcess({ client: own })
      const told = yield* client
        .on("shutdown")
        .pipe(Stream.take(1), Stream.runDrain, Effect.forkChild({ startImmediately: true }))
      yield* gateway.drain(0)
      yield* Fiber.join(told)
      const refused = yield* Effect.flip(client.call["sessions.list"]({}))
      assert.include(refused.message, "stopping")
      const late = yield* Effect.flip(GatewayClient.inProcess())
      assert.strictEqual(late._tag, "ConnectionClosed")
    }).pipe(Effect.scoped)
  )
})
