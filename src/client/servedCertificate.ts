/**
 * Which certificate is shown at an address. Nothing is said there but what the TLS handshake needs.
 */
import { isIP } from "node:net"
import { connect } from "node:tls"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Endpoint, portOf } from "../domain/Endpoint.ts"
import { parse, type TlsFingerprint } from "../domain/TlsFingerprint.ts"
import { GatewayUnreachable, printable } from "./errors.ts"

/** Its fingerprint; the holder proved in the handshake to have its key. Waits as long as the system does. */
export const servedCertificate = (endpoint: Endpoint): Effect.Effect<TlsFingerprint, GatewayUnreachable> =>
  Effect.callback((resume) => {
    const host = new URL(endpoint).hostname.replace(/^\[|\]$/g, "")
    const failed = (detail: string) =>
      resume(Effect.fail(new GatewayUnreachable({ endpoint, reason: "tls", detail: printable(detail) })))
    const socket = connect({
      host,
      port: portOf(endpoint),
      ...(isIP(host) === 0 ? { servername: host } : undefined),
      rejectUnauthorized: false
    })
    socket.once("secureConnect", () => {
      const found = parse(socket.getPeerCertificate().fingerprint256 ?? "", endpoint)
      if (Result.isSuccess(found)) resume(Effect.succeed(found.success))
      else failed("it shows no certificate")
      socket.destroy()
    })
    socket.on("error", (error) => failed(error.message))
    socket.once("close", () => failed("the connection was closed in the TLS handshake"))
    return Effect.sync(() => void socket.destroy())
  })
