/**
 * The HTTP server itself, plain or over TLS, and the TCP connections under it.
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { Socket } from "node:net"
import type { Material } from "./tls/material.ts"

export interface Servers {
  readonly server: Server
  /** The TCP connection under a request's socket; the same one without TLS. */
  readonly tcpOf: (socket: Socket) => object
  /** What is shown from the next connection on. Nothing without TLS. */
  readonly renew: (material: Material) => void
  /** Ends connections that are in the midst of a TLS handshake. */
  readonly destroyUnfinished: () => void
}

/** Two sockets that stand for one connection agree on it. */
const nameOf = ({ localAddress, localPort, remoteAddress, remotePort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`

/** `handshakeTimeoutMs`: for the TLS handshake. */
export const make = (
  options: ServerOptions,
  tls: Material | undefined,
  handshakeTimeoutMs: number,
  serve: RequestListener
): Servers => {
  if (tls === undefined) {
    return {
      server: createServer(options, serve),
      tcpOf: (socket) => socket,
      renew: () => {},
      destroyUnfinished: () => {}
    }
  }
  const server = createTlsServer(
    {
      ...options,
      ...tls.context,
      handshakeTimeout: handshakeTimeoutMs,
      ALPNProtocols: ["http/1.1"],
      minVersion: "TLSv1.2"
    },
    serve
  )
  const connections = new Map<string, Socket>()
  const unfinished = new Set<Socket>()
  server.on("connection", (tcp: Socket) => {
    const name = nameOf(tcp)
    connections.set(name, tcp)
    unfinished.add(tcp)
    tcp.once("close", () => {
      unfinished.delete(tcp)
      if (connections.get(name) === tcp) connections.delete(name)
    })
  })
  server.on("secureConnection", (socket) => {
    const tcp = connections.get(nameOf(socket))
    if (tcp !== undefined) unfinished.delete(tcp)
  })
  server.on("tlsClientError", (_, socket) => socket.destroy())
  return {
    server,
    tcpOf: (socket) => connections.get(nameOf(socket)) ?? socket,
    renew: ({ context }) => server.setSecureContext({ ...context, minVersion: "TLSv1.2" }),
    destroyUnfinished: () => {
      for (const tcp of unfinished) tcp.destroy()
    }
  }
}
