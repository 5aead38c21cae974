/**
 * The least that any Gateway does for a request: a process that lets everybody in, parses each frame and answers it. Prints
 * its port.
 */
import type { AddressInfo } from "node:net"
import { WebSocketServer } from "ws"

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 })
server.on("connection", (socket) => {
  socket.send(JSON.stringify({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: 1 } }))
  socket.on("message", (data) => {
    const { id } = JSON.parse(String(data)) as { readonly id: string }
    socket.send(JSON.stringify({ type: "res", id, ok: true, payload: { ok: true } }))
  })
})
server.on("listening", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
