/** Certificates and servers that have them. */
import { X509Certificate } from "node:crypto"
import { createServer, type SecureContextOptions } from "node:tls"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Endpoint from "../../src/domain/Endpoint.ts"
import { parse, type TlsFingerprint } from "../../src/domain/TlsFingerprint.ts"
import { selfSigned } from "../../src/layers/gateway/tls/selfSigned.ts"

export const fingerprintOf = (cert: string): TlsFingerprint =>
  Result.getOrThrow(parse(new X509Certificate(cert).fingerprint256, "the certificate"))

export const endpoint = (text: string): Endpoint.Endpoint => Result.getOrThrow(Endpoint.parse(text, "the test"))

/** A certificate for this machine that was made at `now`, with its fingerprint. */
export const certificate = (now: number) =>
  Effect.runPromise(
    Effect.map(selfSigned(["localhost", "127.0.0.1", "::1"], now), (made) => ({
      ...made,
      fingerprint: fingerprintOf(made.cert)
    }))
  )

/** A TLS server that keeps every byte that it is sent after the handshake, and answers the first of them. */
export const recorder = Effect.fnUntraced(function* (material: SecureContextOptions, answer: string) {
  const closed = yield* Deferred.make<void>()
  let received = ""
  const server = createServer(material, (socket) => {
    socket.on("data", (bytes) => {
      received += bytes.toString("latin1")
      socket.end(answer)
    })
    socket.on("error", () => socket.destroy())
  })
  // Of TCP: a client may be gone before the handshake is over here.
  server.on("connection", (socket) => socket.once("close", () => Deferred.doneUnsafe(closed, Effect.void)))
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )
  const address = server.address()
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    received: () => received,
    /** The first connection is over. */
    closed: Deferred.await(closed)
  }
})
