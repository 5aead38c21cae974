/** The Gateway's challenge with and without a proof, on real sockets, and a client that demands one. */
import * as Fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Queue from "effect/Queue"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { WebSocket, WebSocketServer } from "ws"
import { connect } from "../../src/client/Connect.ts"
import { probe } from "../../src/client/tunnel/probe.ts"
import { ReconnectingClient } from "../../src/client/ReconnectingClient.ts"
import { token } from "../../src/domain/Credential.ts"
import { loopback } from "../../src/domain/Endpoint.ts"
import { KEY_FILE } from "../../src/layers/gateway/identityKey.ts"
import { NONCE_HEADER } from "../../src/protocol/GatewayProof.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"

const NONCE = "n".repeat(43)

interface First {
  readonly payload: Record<string, unknown> | undefined
  readonly code: number | undefined
}

/** The first frame, or how the connection ended. */
const first = (endpoint: string, headers: Record<string, string | Array<string>>) =>
  Effect.callback<First>((resume) => {
    const socket = new WebSocket(endpoint, { headers: headers as Record<string, string> })
    socket.on("error", () => {})
    socket.once("message", (data) => {
      resume(Effect.succeed({ payload: JSON.parse(String(data)).payload, code: undefined }))
      socket.terminate()
    })
    socket.once("close", (code) => resume(Effect.succeed({ payload: undefined, code })))
  })

/** Sends what it is told to first, and keeps every byte of what it hears. */
const recorder = (challenge: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: WebSocketServer; readonly heard: Queue.Queue<string>; all: string }>(
      (resume) => {
        const told = {
          server: new WebSocketServer({ host: "127.0.0.1", port: 0 }),
          heard: Effect.runSync(Queue.unbounded<string>()),
          all: ""
        }
        told.server.on("connection", (socket, request) => {
          told.all += JSON.stringify(request.rawHeaders)
          Queue.offerUnsafe(told.heard, "upgrade")
          socket.on("message", (data) => {
            told.all += String(data)
            Queue.offerUnsafe(told.heard, "message")
          })
          socket.on("close", () => Queue.offerUnsafe(told.heard, "close"))
          socket.send(challenge)
        })
        told.server.once("listening", () => resume(Effect.succeed(told)))
      }
    ),
    ({ server }) =>
      Effect.sync(() => {
        for (const socket of server.clients) socket.terminate()
        server.close()
      })
  )

const portOf = (server: WebSocketServer) => (server.address() as { readonly port: number }).port

describe("the Gateway's challenge", () => {
  it.live("is the one that every client knows, unless a proof is asked for in the right form", () =>
    Effect.gen(function* () {
      const { connect: login, endpoint } = yield* GatewayTest.GatewayTest
      const malformed = ["", "short", "n".repeat(87), `${"n".repeat(42)}|`, `${NONCE}, ${NONCE}`]
      for (const headers of [
        {},
        ...malformed.map((nonce) => ({ [NONCE_HEADER]: nonce })),
        { [NONCE_HEADER]: [NONCE, NONCE] }
      ]) {
        const { payload = {} } = yield* first(endpoint, headers)
        assert.deepStrictEqual(Object.keys(payload), ["nonce", "ts"])
      }
      const asked = yield* first(endpoint, { [NONCE_HEADER]: NONCE })
      assert.deepStrictEqual(Object.keys(asked.payload ?? {}), ["nonce", "ts", "gateway"])
      const client = yield* login()
      const { deviceId, publicKey } = yield* client.call["gateway.identity.get"]({})
      assert.deepInclude(asked.payload?.["gateway"], { deviceId, publicKey })
      const { standing } = yield* probe.challenge(endpoint, 5000)
      assert.deepStrictEqual(standing, { _tag: "Proven", deviceId })
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
  )

  it.live("does not come without the proof that was asked for, where the Gateway cannot give one", () =>
    Effect.gen(function* () {
      const stateDir = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      Fs.mkdirSync(path.join(stateDir, KEY_FILE), { mode: 0o700 })
      yield* Effect.gen(function* () {
        const { endpoint } = yield* GatewayTest.GatewayTest
        assert.strictEqual((yield* first(endpoint, { [NONCE_HEADER]: NONCE })).code, 1013)
        assert.isDefined((yield* first(endpoint, {})).payload)
        Fs.rmdirSync(path.join(stateDir, KEY_FILE))
        assert.isDefined((yield* first(endpoint, { [NONCE_HEADER]: NONCE })).payload?.["gateway"])
      }).pipe(Effect.provide(GatewayTest.layer({ stateDir })))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("a client behind a tunnel", () => {
  const client = { id: "gateway-client", mode: "backend", version: "0.1.0", platform: "test" } as const
  const challenge = (payload: object) => JSON.stringify({ type: "event", event: "connect.challenge", payload })

  it.live("shows nothing to whoever does not prove to be the Gateway: no proof, an old one, another's", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* GatewayTest.GatewayTest
      const old = (yield* first(endpoint, { [NONCE_HEADER]: NONCE })).payload ?? {}
      const expected = (old["gateway"] as { readonly deviceId: string }).deviceId
      for (const answer of [challenge({ nonce: "n", ts: 1 }), challenge(old)]) {
        const other = yield* recorder(answer)
        const error = yield* Effect.flip(
          connect({
            endpoint,
            gate: Effect.succeed({ endpoint: loopback(portOf(other.server)), gateway: expected }),
            client,
            credentials: [token("sesame")]
          })
        )
        assert(error._tag === "GatewayUnproven")
        assert.strictEqual(error.expected, expected)
        assert.isUndefined(error.found)
        assert.match(error.message, /No credential was shown to it\.\nFix: /)
        // The upgrade and its end, and no frame in between.
        assert.deepStrictEqual([yield* Queue.take(other.heard), yield* Queue.take(other.heard)], ["upgrade", "close"])
        assert.notInclude(other.all, "sesame")
        assert.match(other.all, /x-openclaw-gateway-nonce/)
      }
      const another = yield* Effect.flip(
        connect({
          endpoint,
          gate: Effect.succeed({ endpoint, gateway: "0".repeat(64) }),
          client,
          credentials: [token("sesame")]
        })
      )
      assert(another._tag === "GatewayUnproven")
      assert.strictEqual(another.found, expected)
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
  )

  it.live("tries again, and is let in by the Gateway itself", () =>
    Effect.gen(function* () {
      const { endpoint, token: secret } = yield* GatewayTest.GatewayTest
      const { standing } = yield* probe.challenge(endpoint, 5000)
      assert(standing._tag === "Proven")
      const other = yield* recorder(challenge({ nonce: "n", ts: 1 }))
      let dialled = loopback(portOf(other.server))
      const reconnecting = yield* ReconnectingClient.make({
        endpoint,
        gate: Effect.sync(() => ({ endpoint: dialled, gateway: standing.deviceId })),
        client,
        credentials: [token(secret)]
      })
      yield* Queue.take(other.heard)
      dialled = endpoint
      yield* reconnecting.ready
      assert.strictEqual((yield* SubscriptionRef.get(reconnecting.state))._tag, "Connected")
      assert.notInclude(other.all, secret)
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
  )

  it.live("asks for no proof where none is expected", () =>
    Effect.gen(function* () {
      const other = yield* recorder(challenge({ nonce: "n", ts: 1 }))
      const endpoint = loopback(portOf(other.server))
      yield* Effect.forkScoped(connect({ endpoint, gate: Effect.succeed({ endpoint }), client, credentials: [] }))
      assert.deepStrictEqual([yield* Queue.take(other.heard), yield* Queue.take(other.heard)], ["upgrade", "message"])
      assert.notMatch(other.all, /x-openclaw-gateway-nonce/)
    }).pipe(Effect.scoped)
  )
})
