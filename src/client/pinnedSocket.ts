/**
 * TLS connections whose peer is known by its certificate's fingerprint, whatever authorities say.
 */
import { isIP } from "node:net"
import { connect, type TLSSocket } from "node:tls"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Endpoint, portOf } from "../domain/Endpoint.ts"
import { parse, type TlsFingerprint } from "../domain/TlsFingerprint.ts"
import { type GatewayUnreachable, TlsFingerprintMismatch } from "./errors.ts"
import { unreachable } from "./unreachable.ts"

/**
 * Dials, and gives `proved` the connection and the certificate once the handshake proved that the peer has its key. Nothing
 * is written before. Neither authority, name nor dates count. Returns how to give up until then.
 */
const handshake = (
  endpoint: Endpoint,
  proved: (socket: TLSSocket, fingerprint: TlsFingerprint) => void,
  failed: (error: Error) => void
): (() => void) => {
  const host = new URL(endpoint).hostname.replace(/^\[|\]$/g, "")
  const socket = connect({
    host,
    port: portOf(endpoint),
    ...(isIP(host) === 0 ? { servername: host } : undefined),
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: false
  })
  const fail = (error: Error) => {
    socket.off("close", onClose)
    socket.on("error", () => {})
    socket.destroy()
    failed(error)
  }
  const onClose = () => fail(new Error("the connection was closed in the TLS handshake"))
  socket.once("error", fail)
  socket.once("close", onClose)
  socket.once("secureConnect", () => {
    socket.off("error", fail)
    socket.off("close", onClose)
    const actual = parse(socket.getPeerCertificate().fingerprint256 ?? "", endpoint)
    if (Result.isSuccess(actual)) return proved(socket, actual.success)
    return fail(new Error("the peer shows no TLS certificate"))
  })
  return () => void socket.destroy()
}

/**
 * A connection to the one holder of a certificate, for `ready`; `failed` where another one answers. Until `ready` was called
 * nothing of a request reaches anybody. Returns how to give up until then.
 */
export const pinnedSocket = (
  endpoint: Endpoint,
  expected: TlsFingerprint,
  ready: (socket: TLSSocket) => void,
  failed: (error: Error) => void
): (() => void) =>
  handshake(
    endpoint,
    (socket, actual) => {
      if (actual === expected) return ready(socket)
      socket.on("error", () => {})
      socket.destroy()
      return failed(new TlsFingerprintMismatch({ endpoint, expected, actual }))
    },
    failed
  )

/** The fingerprint of the certificate that is shown there. Waits as long as the system does. */
export const servedCertificate = (endpoint: Endpoint): Effect.Effect<TlsFingerprint, GatewayUnreachable> =>
  Effect.callback((resume) => {
    const cancel = handshake(
      endpoint,
      (socket, fingerprint) => {
        socket.on("error", () => {})
        socket.destroy()
        resume(Effect.succeed(fingerprint))
      },
      (error) => resume(Effect.fail(unreachable(endpoint, error)))
    )
    return Effect.sync(cancel)
  })
