/**
 * What is at a tunnel's far port, as a process of its own that may run in another network: `far.ts <port>`. One order a line
 * comes in, one JSON line goes out for each. Everything that the near side says is kept, unmasked.
 */
import { createInterface } from "node:readline"
import * as Net from "node:net"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { WebSocket, WebSocketServer } from "ws"
import * as GatewayTest from "../../../src/testing/GatewayTest.ts"
import { NONCE_HEADER } from "../../../src/protocol/GatewayProof.ts"

const port = Number(process.argv[2])
const heard: Array<string> = []

const gateway = Effect.map(Layer.build(GatewayTest.layer()), (context) =>
  Effect.runSync(Effect.provide(GatewayTest.GatewayTest, context))
)

type Stop = () => void

const stopping =
  (server: Net.Server, sockets: Set<Net.Socket>): Stop =>
  () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }

/** While nobody listens there, the system may give the port to somebody's outgoing connection. */
const onceFree = <E>(listening: Effect.Effect<Stop, E>) =>
  Effect.orDie(Effect.retry(listening, { schedule: Schedule.spaced("20 millis") }))

/** A plain TCP server at the port. */
const tcp = (serve: (socket: Net.Socket) => void) =>
  Effect.callback<Stop, Error>((resume) => {
    const sockets = new Set<Net.Socket>()
    const server = Net.createServer((socket) => {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => sockets.delete(socket))
      socket.on("data", (data) => heard.push(String(data)))
      serve(socket)
    })
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(port, "127.0.0.1", () => resume(Effect.succeed(stopping(server, sockets))))
  }).pipe(onceFree)

/** A WebSocket server at the port. */
const sockets = (serve: (socket: WebSocket, nonce: string | undefined) => void) =>
  Effect.callback<Stop, Error>((resume) => {
    const server = new WebSocketServer({ host: "127.0.0.1", port })
    server.once("error", (error) => resume(Effect.fail(error)))
    server.on("connection", (socket, request) => {
      heard.push(JSON.stringify(request.rawHeaders))
      socket.on("error", () => {})
      socket.on("message", (data) => heard.push(String(data)))
      const nonce = request.headers[NONCE_HEADER]
      serve(socket, typeof nonce === "string" ? nonce : undefined)
    })
    server.once("listening", () =>
      resume(
        Effect.succeed(() => {
          for (const socket of server.clients) socket.terminate()
          server.close()
        })
      )
    )
  }).pipe(onceFree)

/** Passes everything on to a Gateway, and hears it. */
const passedOn = (endpoint: string) =>
  sockets((near, nonce) => {
    const far = new WebSocket(endpoint, { headers: nonce === undefined ? {} : { [NONCE_HEADER]: nonce } })
    const waiting: Array<string> = []
    far.on("error", () => near.terminate())
    far.on("open", () => {
      for (const text of waiting.splice(0)) far.send(text)
    })
    far.on("message", (data) => near.send(String(data)))
    far.on("close", () => near.terminate())
    near.on("close", () => far.terminate())
    near.on("message", (data) =>
      far.readyState === WebSocket.OPEN ? far.send(String(data)) : waiting.push(String(data))
    )
  })

const challengeOf = (endpoint: string) =>
  Effect.callback<string>((resume) => {
    const socket = new WebSocket(endpoint, { headers: { [NONCE_HEADER]: "x".repeat(43) } })
    socket.once("message", (data) => {
      socket.terminate()
      resume(Effect.succeed(String(data)))
    })
  })

const main = Effect.gen(function* () {
  const lines = yield* Queue.unbounded<string>()
  const input = createInterface(process.stdin)
  input.on("line", (line) => Queue.offerUnsafe(lines, line))
  input.on("close", () => process.exit(0))
  const say = (value: unknown) => Effect.sync(() => process.stdout.write(`${JSON.stringify(value)}\n`))
  const mine = yield* gateway
  const others = yield* Scope.make()
  const proof = yield* challengeOf(mine.endpoint)
  const modes: Record<string, Effect.Effect<Stop>> = {
    gateway: Effect.suspend(() => passedOn(mine.endpoint)),
    other: Effect.flatMap(Scope.provide(Effect.orDie(gateway), others), ({ endpoint }) => passedOn(endpoint)),
    replay: sockets((socket) => socket.send(proof)),
    unproven: sockets((socket) =>
      socket.send(JSON.stringify({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: 1 } }))
    ),
    smtp: tcp((socket) => socket.end("220 mail.example.com ESMTP\r\n")),
    mute: tcp(() => {}),
    closed: Effect.succeed(() => {})
  }
  let stop: Stop = yield* passedOn(mine.endpoint)
  yield* say({ token: mine.token })
  for (;;) {
    const order = yield* Queue.take(lines)
    const mode = modes[order]
    if (mode !== undefined) {
      stop()
      stop = yield* mode
    }
    yield* say({ credentials: heard.filter((text) => text.includes(mine.token)).length, messages: heard.length })
    if (order === "forget") heard.length = 0
    if (order === "end") yield* Scope.close(others, Exit.void)
  }
})

NodeRuntime.runMain(Effect.scoped(main))
