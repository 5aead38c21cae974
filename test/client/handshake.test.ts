import * as NodeCrypto from "node:crypto"
import { createServer, type AddressInfo, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { type ConnectError, DeviceIdentity, GatewayClient } from "../../src/client/index.ts"
import { connectParams } from "../../src/client/Handshake.ts"
import * as Credential from "../../src/domain/Credential.ts"
import { type Endpoint, Endpoint as EndpointSchema, loopback } from "../../src/domain/Endpoint.ts"
import { payloadV3 } from "../../src/protocol/DeviceAuth.ts"
import { CHALLENGE_TS, fakeGateway, NONCE, options } from "./fakeGateway.ts"

/** Connects, expecting failure, while the script plays the server. */
const refused = <E, R>(endpoint: Endpoint, script: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const failed = yield* GatewayClient.make(options(endpoint)).pipe(
      Effect.flip,
      Effect.forkChild({ startImmediately: true })
    )
    yield* script
    return yield* Fiber.join(failed)
  })

const tcp = (onConnection: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly endpoint: Endpoint; readonly stop: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        onConnection(socket)
      })
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            endpoint: loopback((server.address() as AddressInfo).port),
            stop: () => {
              server.close()
              for (const socket of sockets) socket.destroy()
            }
          })
        )
      )
    }),
    ({ stop }) => Effect.sync(stop)
  )

const reasonOf = (error: ConnectError) => (error._tag === "GatewayUnreachable" ? error.reason : error._tag)

describe("the handshake", () => {
  it.effect("answers the challenge with who it is, and takes hello-ok with keys it does not know", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const client = yield* GatewayClient.make(
        options(gateway.endpoint, { credentials: [Credential.token("shared-secret")], caps: ["x"] })
      ).pipe(Effect.forkScoped({ startImmediately: true }))
      const peer = yield* gateway.accept
      const { method, params } = yield* peer.welcome()
      assert.strictEqual(method, "connect")
      assert.deepStrictEqual(params, {
        minProtocol: 4,
        maxProtocol: 4,
        client: { id: "gateway-client", mode: "backend", version: "0.1.0", platform: "linux" },
        role: "operator",
        scopes: ["operator.read"],
        caps: ["x"],
        auth: { token: "shared-secret" }
      })
      assert.strictEqual((yield* Fiber.join(client)).hello.server.connId, "conn-1")
    })
  )

  it.effect("closes with 1000 when its scope ends", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const done = yield* Effect.scoped(GatewayClient.make(options(gateway.endpoint))).pipe(
        Effect.forkChild({ startImmediately: true })
      )
      const peer = yield* gateway.accept
      yield* peer.welcome()
      yield* Fiber.join(done)
      assert.strictEqual((yield* peer.closed).code, 1000)
    })
  )

  it.effect("HandshakeRejected carries the whole answer and names the fix", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const error = yield* refused(
        gateway.endpoint,
        Effect.flatMap(gateway.accept, (peer) =>
          peer.reject({
            code: "NOT_PAIRED",
            message: "pairing required: device is not approved yet\u001b[31m",
            details: { code: "PAIRING_REQUIRED", requestId: "376fa3c9-8675", recommendedNextStep: "ask" }
          })
        )
      )
      assert(error._tag === "HandshakeRejected")
      assert.strictEqual(error.code, "NOT_PAIRED")
      assert.strictEqual(error.detailCode, "PAIRING_REQUIRED")
      assert.strictEqual(error.requestId, "376fa3c9-8675")
      assert.strictEqual(error.recommendedNextStep, "ask")
      assert.isTrue(error.terminal)
      assert.include(error.message, "openclaw devices approve 376fa3c9-8675")
      assert.notInclude(error.message, "\u001b")
    })
  )

  it.effect("a request id that would not be safe to paste into a shell is not shown", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const error = yield* refused(
        gateway.endpoint,
        Effect.flatMap(gateway.accept, (peer) =>
          peer.reject({
            code: "NOT_PAIRED",
            message: "m",
            details: { code: "PAIRING_REQUIRED", requestId: "$(reboot)" }
          })
        )
      )
      assert(error._tag === "HandshakeRejected")
      assert.notInclude(error.message, "reboot")
    })
  )

  it.effect("a starting Gateway is one to come back to", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const error = yield* refused(
        gateway.endpoint,
        Effect.flatMap(gateway.accept, (peer) =>
          peer.reject({ code: "UNAVAILABLE", message: "gateway starting", retryable: true, retryAfterMs: 500 })
        )
      )
      assert(error._tag === "HandshakeRejected")
      assert.isFalse(error.terminal)
      assert.strictEqual(error.retryAfterMs, 500)
    })
  )

  it.effect("ConnectionClosed when the Gateway hangs up instead of answering", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const error = yield* refused(
        gateway.endpoint,
        Effect.flatMap(gateway.accept, (peer) => Effect.andThen(peer.challenge, peer.close(1013, "gateway starting")))
      )
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 1013)
      assert.include(error.message, "gateway starting")
    })
  )

  it.effect.each<readonly [string, string]>([
    ["no JSON", "hello there"],
    ["no frame", "[1,2]"],
    ["another event first", JSON.stringify({ type: "event", event: "tick", payload: { ts: 1 } })],
    ["a challenge without a nonce", JSON.stringify({ type: "event", event: "connect.challenge", payload: { ts: 1 } })]
  ])("ProtocolViolation: %s", ([, text]) =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const error = yield* refused(
        gateway.endpoint,
        Effect.flatMap(gateway.accept, (peer) => peer.text(text))
      )
      assert.strictEqual(error._tag, "ProtocolViolation")
    })
  )

  it.effect("ProtocolViolation names the path in hello-ok", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const error = yield* refused(
        gateway.endpoint,
        Effect.flatMap(gateway.accept, (peer) => peer.welcome({ policy: { tickIntervalMs: "often" } }))
      )
      assert(error._tag === "ProtocolViolation")
      assert.include(error.message, "policy")
    })
  )

  it.effect("GatewayUnreachable: refused, and how to start one", () =>
    Effect.gen(function* () {
      const { endpoint, stop } = yield* tcp(() => {})
      stop()
      const error = yield* Effect.flip(GatewayClient.make(options(endpoint)))
      assert.strictEqual(reasonOf(error), "refused")
      assert.include(error.message, "openclaw gateway")
      assert.include(error.message, endpoint)
    })
  )

  it.effect("GatewayUnreachable: a name without an address", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        GatewayClient.make(options(EndpointSchema.make(`wss://${"a".repeat(64)}.example`)))
      )
      assert.strictEqual(reasonOf(error), "dns")
    })
  )

  it.effect("GatewayUnreachable: no TLS on the other side", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* tcp((socket) => socket.end("hello\r\n"))
      const error = yield* Effect.flip(
        GatewayClient.make(options(EndpointSchema.make(endpoint.replace("ws:", "wss:"))))
      )
      assert.strictEqual(reasonOf(error), "tls")
    })
  )

  it.effect.each<readonly [string, string]>([
    ["an error status", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"],
    ["a redirect", "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"],
    ["another protocol", "SSH-2.0-OpenSSH_9.9\r\n"]
  ])("GatewayUnreachable, not a Gateway: %s", ([, answer]) =>
    Effect.gen(function* () {
      const { endpoint } = yield* tcp((socket) => socket.once("data", () => socket.end(answer)))
      const error = yield* Effect.flip(GatewayClient.make(options(endpoint)))
      assert.strictEqual(reasonOf(error), "not-a-gateway")
    })
  )

  it.effect("GatewayUnreachable: a peer that takes the connection and never upgrades it; its socket is let go", () =>
    Effect.gen(function* () {
      const [arrived, left] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { endpoint } = yield* tcp((socket) => {
        socket.once("data", () => Deferred.doneUnsafe(arrived, Effect.void))
        socket.once("close", () => Deferred.doneUnsafe(left, Effect.void))
      })
      const error = yield* refused(endpoint, Effect.andThen(Deferred.await(arrived), TestClock.adjust("15 seconds")))
      assert.strictEqual(reasonOf(error), "timeout")
      yield* Deferred.await(left)
    })
  )

  it.effect("GatewayUnreachable: a peer that accepts and says nothing, within one deadline", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const error = yield* refused(
        gateway.endpoint,
        Effect.flatMap(gateway.accept, (peer) => Effect.andThen(TestClock.adjust("15 seconds"), peer.closed))
      )
      assert.strictEqual(reasonOf(error), "timeout")
    })
  )
})

const word = Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(40)))

describe("the device's signature", () => {
  const publicKeyOf = (raw: string) =>
    NodeCrypto.createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw }, format: "jwk" })

  it.effect.prop(
    "verifies against what was sent, whatever that was",
    {
      role: Schema.Literals(["operator", "node"]),
      scopes: Schema.Array(word),
      secret: word,
      nonce: word,
      platform: word,
      deviceFamily: Schema.optional(word),
      ts: Schema.Natural
    },
    ({ deviceFamily, nonce, platform, role, scopes, secret, ts }) =>
      Effect.gen(function* () {
        const device = yield* DeviceIdentity.ephemeral
        const params = connectParams(
          {
            client: {
              id: "node-host",
              mode: "node",
              version: "1",
              platform,
              ...(deviceFamily === undefined ? {} : { deviceFamily })
            },
            role,
            scopes,
            credentials: [Credential.deviceToken(secret)],
            device
          },
          { nonce, ts }
        )
        const proof = params.device
        assert(proof !== undefined)
        const raw = Buffer.from(proof.publicKey, "base64url")
        assert.strictEqual(raw.length, 32)
        assert.strictEqual(proof.id, NodeCrypto.createHash("sha256").update(raw).digest("hex"))
        const payload = payloadV3({
          deviceId: proof.id,
          clientId: params.client.id,
          clientMode: params.client.mode,
          role: params.role ?? "",
          scopes: params.scopes ?? [],
          signedAtMs: proof.signedAt,
          token: params.auth?.token ?? params.auth?.deviceToken ?? params.auth?.bootstrapToken,
          nonce: proof.nonce,
          platform: params.client.platform,
          deviceFamily: params.client.deviceFamily
        })
        const verifies = (text: string) =>
          NodeCrypto.verify(
            null,
            Buffer.from(text),
            publicKeyOf(proof.publicKey),
            Buffer.from(proof.signature, "base64url")
          )
        assert.isTrue(verifies(payload))
        assert.isFalse(verifies(`${payload}x`))
      })
  )

  it.effect("is made at the challenge's own time over its nonce", () =>
    Effect.gen(function* () {
      const gateway = yield* fakeGateway
      const device = yield* DeviceIdentity.ephemeral
      yield* Effect.forkScoped(GatewayClient.make(options(gateway.endpoint, { device })), { startImmediately: true })
      const { params } = yield* Effect.flatMap(gateway.accept, (peer) => peer.welcome())
      assert.strictEqual(params["device"].nonce, NONCE)
      assert.strictEqual(params["device"].signedAt, CHALLENGE_TS)
    })
  )
})
