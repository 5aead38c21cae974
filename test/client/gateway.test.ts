/** The client against our own Gateway, whole, on real sockets. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { DeviceIdentity, DeviceTokens, ReconnectingClient } from "../../src/client/index.ts"
import { token } from "../../src/domain/Credential.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { temporaryStateDir } from "./stateDir.ts"

layer(GatewayTest.layer().pipe(Layer.provide(NodeServices.layer)), { excludeTestServices: true })(
  "the client and our Gateway",
  (it) => {
    it.effect("understand each other: hello, reads, refusals, events", () =>
      Effect.gen(function* () {
        const gateway = yield* GatewayTest.GatewayTest
        const client = yield* gateway.connect()
        assert.strictEqual(client.hello.protocol, 4)
        assert.deepStrictEqual(client.hello.auth.scopes, ["operator.admin"])
        assert.isTrue((yield* client.call.health({})).ok)
        assert.deepStrictEqual((yield* client.call["node.list"]({})).nodes, [])
        assert.isArray(yield* client.request("system-presence"))
        const refused = yield* Effect.flip(client.call["node.describe"]({ nodeId: "nobody" }))
        assert.strictEqual(refused._tag, "GatewayError")
        const unknown = yield* Effect.flip(client.request("foo.bar"))
        assert(unknown._tag === "GatewayError")
        assert.strictEqual(unknown.message, "unknown method: foo.bar")
      })
    )

    it.effect("a wrong token is refused for good", () =>
      Effect.gen(function* () {
        const gateway = yield* GatewayTest.GatewayTest
        const error = yield* Effect.flip(gateway.connect({ credentials: [token("wrong")] }))
        assert(error._tag === "HandshakeRejected")
        assert.strictEqual(error.detailCode, "AUTH_TOKEN_MISMATCH")
        assert.isTrue(error.terminal)
      })
    )

    it.effect("a device is paired, given a token, and let in with that alone", () =>
      Effect.gen(function* () {
        const gateway = yield* GatewayTest.GatewayTest
        const device = yield* DeviceIdentity.load
        const deviceTokens = yield* DeviceTokens.make
        const as = { device, deviceTokens, scopes: ["operator.read"] }
        yield* Effect.scoped(gateway.connect(as))
        const stored = yield* deviceTokens.get({ issuer: gateway.endpoint, deviceId: device.id, role: "operator" })
        assert.isDefined(stored)
        const client = yield* gateway.connect({ ...as, credentials: [] })
        assert.include(client.hello.auth.scopes, "operator.read")
      }).pipe(Effect.provide(temporaryStateDir))
    )

    it.effect("a node answers an invoke that an operator sent", () =>
      Effect.gen(function* () {
        const gateway = yield* GatewayTest.GatewayTest
        const device = yield* DeviceIdentity.ephemeral
        const operator = yield* gateway.connect()
        const node = yield* ReconnectingClient.make({
          endpoint: gateway.endpoint,
          credentials: [token(gateway.token)],
          client: { id: "node-host", mode: "node", version: "0.1.0", platform: "linux", deviceFamily: "Linux" },
          role: "node",
          device,
          caps: ["system"],
          commands: ["system.which"]
        })
        yield* node.on("node.invoke.request").pipe(
          Stream.runForEach((invoke) =>
            node.call["node.invoke.result"]({ id: invoke.id, nodeId: invoke.nodeId, ok: true, payload: { bins: {} } })
          ),
          Effect.forkScoped
        )
        yield* node.ready
        const [request] = yield* operator.on("node.pair.requested").pipe(
          Stream.filter((row) => row.nodeId === device.id),
          Stream.take(1),
          Stream.runCollect
        )
        assert(request !== undefined)
        yield* operator.call["node.pair.approve"]({ requestId: request.requestId })
        const answer = yield* operator.call["node.invoke"]({
          nodeId: device.id,
          command: "system.which",
          params: { bins: ["sh"] },
          idempotencyKey: "once"
        })
        assert.deepStrictEqual(answer.payload, { bins: {} })
      })
    )
  }
)
