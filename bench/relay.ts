/**
 * The least that any Gateway does for `node.invoke`: a process that parses each frame of one socket and writes it to the
 * other. Prints its port.
 */
import type { AddressInfo } from "node:net"
import { WebSocket, WebSocketServer } from "ws"

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 })
const sockets: Array<WebSocket> = []
server.on("connection", (socket) => {
  sockets.push(socket)
  socket.on("message", (data) => {
    const frame: unknown = JSON.parse(String(data))
    sockets.find((other) => other !== socket)?.send(JSON.stringify(frame))
  })
})
server.on("listening", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
