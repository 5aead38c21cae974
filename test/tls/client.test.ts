/** F6 on the client's side: who has the certificate is asked before anything is said. */
import { createServer } from "node:net"
import { getCACertificates, setDefaultCACertificates } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ReconnectingClient } from "../../src/client/index.ts"
import { connect } from "../../src/client/Connect.ts"
import { servedCertificate } from "../../src/client/pinnedSocket.ts"
import { open } from "../../src/client/Socket.ts"
import { display } from "../../src/domain/TlsFingerprint.ts"
import { token } from "../../src/domain/Credential.ts"
import { certificate, endpoint, recorder } from "./kit.ts"

const own = await certificate(Date.UTC(2026, 0, 1))
const other = await certificate(Date.UTC(2026, 0, 1))
const expired = await certificate(Date.UTC(1990, 0, 1))
const NOT_FOUND = "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

const dial = (host: string, port: number, pin: typeof own | undefined) =>
  Effect.flip(Effect.scoped(open(endpoint(`wss://${host}:${port}`), pin?.fingerprint)))

describe("F6 a pinned connection", () => {
  it.live("to the holder of the certificate goes on with HTTP", () =>
    Effect.gen(function* () {
      const server = yield* recorder(own, NOT_FOUND)
      const error = yield* dial("127.0.0.1", server.port, own)
      assert(error._tag === "GatewayUnreachable")
      assert.strictEqual(error.reason, "not-a-gateway")
      assert.match(server.received(), /^GET \/ HTTP\/1\.1\r\n/)
    })
  )

  it.live("is not held up by an expired certificate", () =>
    Effect.gen(function* () {
      const server = yield* recorder(expired, NOT_FOUND)
      assert.strictEqual((yield* dial("127.0.0.1", server.port, expired))._tag, "GatewayUnreachable")
      assert.match(server.received(), /^GET /)
    })
  )

  it.live("TlsFingerprintMismatch names both, and not one byte was sent", () =>
    Effect.gen(function* () {
      const server = yield* recorder(other, NOT_FOUND)
      const error = yield* dial("127.0.0.1", server.port, own)
      assert(error._tag === "TlsFingerprintMismatch")
      assert.strictEqual(error.expected, own.fingerprint)
      assert.strictEqual(error.actual, other.fingerprint)
      assert.include(error.message, display(own.fingerprint))
      assert.include(error.message, display(other.fingerprint))
      yield* server.closed
      assert.strictEqual(server.received(), "")
    })
  )

  it.live("a certificate that an authority vouches for does not do in place of the right one", () =>
    Effect.gen(function* () {
      const before = getCACertificates("default")
      yield* Effect.acquireRelease(
        Effect.sync(() => setDefaultCACertificates([...before, other.cert])),
        () => Effect.sync(() => setDefaultCACertificates(before))
      )
      const server = yield* recorder(other, NOT_FOUND)
      const trusted = yield* dial("localhost", server.port, undefined)
      assert(trusted._tag === "GatewayUnreachable")
      assert.strictEqual(trusted.reason, "not-a-gateway")
      const sent = server.received()
      assert.strictEqual((yield* dial("localhost", server.port, own))._tag, "TlsFingerprintMismatch")
      assert.strictEqual(server.received(), sent)
    })
  )

  it.live.each([301, 302, 303, 307, 308])("F7: a redirect (%s) leads nowhere, also from the right holder", (status) =>
    Effect.gen(function* () {
      const elsewhere = yield* recorder(other, NOT_FOUND)
      const to = `wss://127.0.0.1:${elsewhere.port}/`
      const moved = `HTTP/1.1 ${status} Moved\r\nlocation: ${to}\r\ncontent-length: 0\r\n\r\n`
      const server = yield* recorder(own, moved)
      const error = yield* Effect.flip(
        Effect.scoped(
          connect({
            endpoint: endpoint(`wss://127.0.0.1:${server.port}`),
            tlsFingerprint: own.fingerprint,
            credentials: [token("a-canary")],
            client: { id: "cli", mode: "cli", version: "1.0.0", platform: "test" }
          })
        )
      )
      assert(error._tag === "GatewayUnreachable")
      assert.deepStrictEqual([error.reason, error.detail.includes(String(status))], ["not-a-gateway", true])
      assert.match(server.received(), /^GET /)
      assert.notInclude(server.received(), "canary")
      assert.strictEqual(elsewhere.received(), "")
    })
  )

  it.live("without a fingerprint a certificate that nobody vouches for is refused", () =>
    Effect.gen(function* () {
      const server = yield* recorder(own, NOT_FOUND)
      const error = yield* dial("127.0.0.1", server.port, undefined)
      assert(error._tag === "GatewayUnreachable")
      assert.strictEqual(error.reason, "tls")
      assert.strictEqual(server.received(), "")
    })
  )

  it.live("TlsPinWithoutTls: on ws:// nothing is dialled", () =>
    Effect.gen(function* () {
      let dialled = false
      const server = createServer(() => (dialled = true))
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => server.close())
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const error = yield* Effect.flip(Effect.scoped(open(endpoint(`ws://127.0.0.1:${port}`), own.fingerprint)))
      assert.strictEqual(error._tag, "TlsPinWithoutTls")
      assert.isFalse(dialled)
    })
  )

  it.live("a peer that speaks no TLS is unreachable", () =>
    Effect.gen(function* () {
      const server = createServer((socket) => socket.on("error", () => {}).end("SSH-2.0-x\r\n"))
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => server.close())
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      assert.strictEqual((yield* dial("127.0.0.1", port, own))._tag, "GatewayUnreachable")
    })
  )

  it.live("a client that keeps a connection stops for good", () =>
    Effect.gen(function* () {
      const server = yield* recorder(other, NOT_FOUND)
      const client = yield* ReconnectingClient.make({
        endpoint: endpoint(`wss://127.0.0.1:${server.port}`),
        tlsFingerprint: own.fingerprint,
        credentials: [token("a-secret-that-nobody-else-may-see")],
        client: { id: "cli", mode: "cli", version: "1.0.0", platform: "test" }
      })
      assert.strictEqual((yield* Effect.flip(client.ready))._tag, "TlsFingerprintMismatch")
      assert.strictEqual(server.received(), "")
    })
  )
})

describe("servedCertificate", () => {
  it.live("is the fingerprint, and nothing was said", () =>
    Effect.gen(function* () {
      const server = yield* recorder(own, NOT_FOUND)
      assert.strictEqual(yield* servedCertificate(endpoint(`wss://127.0.0.1:${server.port}`)), own.fingerprint)
      yield* server.closed
      assert.strictEqual(server.received(), "")
    })
  )

  it.live("a port where nobody listens is refused, which says nothing of certificates", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(servedCertificate(endpoint("wss://127.0.0.1:1")))
      assert.strictEqual(error.reason, "refused")
    })
  )
})
