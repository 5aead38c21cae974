/**
 * A TLS connection to the one holder of a certificate that is known by its fingerprint.
 */
import { isIP } from "node:net"
import { connect, type TLSSocket } from "node:tls"
import * as Result from "effect/Result"
import type { Endpoint } from "../domain/Endpoint.ts"
import { parse, type TlsFingerprint } from "../domain/TlsFingerprint.ts"
import { TlsFingerprintMismatch } from "./errors.ts"

const HTTPS_PORT = 443

/**
 * Dials, and gives `ready` the connection once the handshake proved that the peer has the certificate's key. Until then
 * nothing is written, so that nothing of a request reaches anybody else. Neither authority, name nor dates count: the
 * fingerprint names exactly one certificate. Returns how to give up while `ready` was not called.
 */
export const pinnedSocket = (
  endpoint: Endpoint,
  expected: TlsFingerprint,
  ready: (socket: TLSSocket) => void,
  failed: (error: Error) => void
): (() => void) => {
  const { hostname, port } = new URL(endpoint)
  const host = hostname.replace(/^\[|\]$/g, "")
  const socket = connect({
    host,
    port: port === "" ? HTTPS_PORT : Number(port),
    ...(isIP(host) === 0 ? { servername: host } : undefined),
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: false
  })
  const fail = (error: Error) => {
    socket.destroy()
    failed(error)
  }
  const onClose = () => fail(new Error("the connection was closed in the TLS handshake"))
  socket.once("error", fail)
  socket.once("close", onClose)
  socket.once("secureConnect", () => {
    socket.off("error", fail)
    socket.off("close", onClose)
    const actual = Result.getOrUndefined(parse(socket.getPeerCertificate().fingerprint256 ?? "", endpoint))
    if (actual === expected) return ready(socket)
    socket.on("error", () => socket.destroy())
    return fail(
      actual === undefined
        ? new Error("the peer shows no TLS certificate")
        : new TlsFingerprintMismatch({ endpoint, expected, actual })
    )
  })
  return () => void socket.destroy()
}
