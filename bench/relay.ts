/**
 * The least that any Gateway does for `node.invoke`: a process that parses each frame of one socket and writes it to the
 * other, once both were let in. Prints its port.
 */
import type { AddressInfo } from "node:net"
import { type WebSocket, WebSocketServer } from "ws"

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 })
const sockets: Array<WebSocket> = []
server.on("connection", (socket) => {
  socket.send(JSON.stringify({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: 1 } }))
  socket.on("message", (data) => {
    const frame = JSON.parse(String(data)) as { readonly id: string }
    if (!sockets.includes(socket)) {
      sockets.push(socket)
      socket.send(JSON.stringify({ type: "res", id: frame.id, ok: true }))
    } else sockets.find((other) => other !== socket)?.send(JSON.stringify(frame))
  })
})
server.on("listening", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
