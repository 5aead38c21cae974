/** Another program takes the tunnel's port the moment that ssh ends, and plays the Gateway there. It learns no secret. */
import * as Net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { WebSocketServer } from "ws"
import {
  type ConnectionState,
  Endpoint,
  reach,
  ReconnectingClient,
  resolveTarget,
  tunnelsLayer
} from "../../src/client/index.ts"
import { VERSION } from "../../src/domain/Version.ts"
import type { Tunnel } from "../../src/services/TunnelManager.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { temporaryStateDir } from "../client/stateDir.ts"
import * as Sshd from "../tunnel/sshd.ts"
import { hasSshd } from "./kit.ts"

/** Tries to bind again and again, and greets whoever comes as a Gateway does. Every byte that it is told is kept. */
const thief = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const told: Array<string> = []
      let visitors = 0
      const greeter = new WebSocketServer({ noServer: true })
      const answer = (message: object) => JSON.stringify(message)
      greeter.on("connection", (socket) => {
        socket.send(answer({ type: "event", event: "connect.challenge", payload: { nonce: "n".repeat(36), ts: 1 } }))
        socket.on("message", (data) => told.push(String(data)))
      })
      let open = true
      let server = Net.createServer()
      const take = () => {
        if (!open) return
        const http = Net.createServer((socket) => {
          visitors++
          let head = ""
          const read = (chunk: Buffer) => {
            head += chunk.toString("latin1")
            told.push(chunk.toString("latin1"))
            const key = /sec-websocket-key: (.+)\r\n/i.exec(head)?.[1]
            if (!head.includes("\r\n\r\n") || key === undefined) return
            socket.off("data", read)
            greeter.handleUpgrade(
              {
                method: "GET",
                headers: { upgrade: "websocket", "sec-websocket-key": key, "sec-websocket-version": "13" }
              } as never,
              socket,
              Buffer.alloc(0),
              (ws) => greeter.emit("connection", ws)
            )
          }
          socket.on("data", read).on("error", () => {})
        })
        server = http
        http.once("error", () => setImmediate(take))
        http.listen(port, "127.0.0.1")
      }
      take()
      return {
        told: () => told.join(""),
        visitors: () => visitors,
        holds: () => server.listening,
        end: () => {
          open = false
          server.close()
          greeter.close()
        }
      }
    }),
    ({ end }) => Effect.sync(end)
  )

const client = Effect.fnUntraced(function* (sshd: Effect.Success<typeof Sshd.make>, near: number, hold: boolean) {
  const gateway = yield* GatewayTest.GatewayTest
  const target = Result.getOrThrow(
    resolveTarget({
      flags: {},
      env: {},
      config: {
        gateway: {
          mode: "remote",
          remote: { sshTarget: "box", url: `ws://127.0.0.1:${near}`, remotePort: gateway.port, token: gateway.token }
        }
      }
    })
  )
  const tunnels = yield* Layer.build(
    tunnelsLayer({ program: sshd.program, hold }).pipe(Layer.provide(temporaryStateDir))
  )
  let tunnel: Tunnel | undefined
  const { gate } = yield* reach(target, { onTunnel: (found) => Effect.sync(() => void (tunnel = found)) }).pipe(
    Effect.provide(tunnels)
  )
  const connection = yield* ReconnectingClient.make({
    endpoint: target.endpoint,
    gate,
    credentials: target.credentials,
    client: { id: "gateway-client", mode: "backend", version: VERSION, platform: "test" },
    scopes: ["operator.read"]
  })
  return { connection, gateway, target, tunnel: tunnel! }
})

const until = (client: ReconnectingClient["Service"], tag: ConnectionState["_tag"]) =>
  SubscriptionRef.changes(client.state).pipe(
    Stream.filter((state) => state._tag === tag),
    Stream.runHead
  )

describe.skipIf(!hasSshd)("between two tunnels the near end is anybody's", () => {
  it.live(
    "whoever takes it learns no secret; a program that soon ends goes by another port",
    () =>
      Effect.gen(function* () {
        const sshd = yield* Sshd.make
        yield* sshd.start
        const { connection, gateway, tunnel } = yield* client(sshd, yield* Sshd.freePort, false)
        for (let round = 0; round < 2; round++) {
          yield* until(connection, "Connected")
          const { localPort } = yield* tunnel.ready
          const robber = yield* thief(localPort)
          const away = yield* Effect.forkChild(until(connection, "Waiting"), { startImmediately: true })
          yield* sshd.signal("SIGKILL")
          yield* Fiber.join(away)
          yield* until(connection, "Connected")
          assert.isTrue((yield* connection.call.health({})).ok)
          if (robber.holds()) assert.notStrictEqual((yield* tunnel.ready).localPort, localPort)
          assert.notInclude(robber.told(), gateway.token)
          assert.notMatch(robber.told(), /"method":"connect"|"auth"/)
        }
      }).pipe(Effect.provide(GatewayTest.layer())),
    30_000
  )

  it.live(
    "a program that stays waits for its own port, and says who else has it",
    () =>
      Effect.gen(function* () {
        const sshd = yield* Sshd.make
        yield* sshd.start
        const { connection, gateway, tunnel } = yield* client(sshd, yield* Sshd.freePort, true)
        yield* until(connection, "Connected")
        const { localPort } = yield* tunnel.ready
        const robber = yield* thief(localPort)
        // Whichever is first has it: ssh is killed until the thief is.
        yield* Effect.repeat(
          Effect.gen(function* () {
            yield* sshd.signal("SIGKILL")
            const next = yield* SubscriptionRef.changes(tunnel.state).pipe(
              Stream.drop(1),
              Stream.filter(
                (state) => state._tag === "Up" || (state._tag === "Waiting" && state.error._tag === "PortTaken")
              ),
              Stream.runHead
            )
            return next._tag === "Some" && next.value._tag === "Waiting"
          }),
          { until: (taken) => taken }
        )
        assert.isTrue(robber.holds())
        robber.end()
        yield* until(connection, "Connected")
        assert.strictEqual((yield* tunnel.ready).localPort, localPort)
        assert.notInclude(robber.told(), gateway.token)
        assert.notMatch(robber.told(), /"method":"connect"|"auth"/)
      }).pipe(Effect.provide(GatewayTest.layer())),
    30_000
  )

  it.live(
    "also where the client dials it, because it has not heard yet that ssh ended",
    () =>
      Effect.gen(function* () {
        const sshd = yield* Sshd.make
        yield* sshd.start
        const near = yield* Sshd.freePort
        const { gateway, target, tunnel } = yield* client(sshd, near, true)
        const up = yield* tunnel.ready
        assert.isTrue(up.proven)
        const port = yield* Sshd.freePort
        const robber = yield* thief(port)
        yield* Effect.repeat(Effect.sync(robber.holds), { until: (holds) => holds })
        // The way as it was told before, at the thief's door.
        const misled = yield* ReconnectingClient.make({
          endpoint: target.endpoint,
          gate: Effect.succeed({ endpoint: Endpoint.loopback(port), gateway: up.gateway }),
          credentials: target.credentials,
          client: { id: "gateway-client", mode: "backend", version: VERSION, platform: "test" },
          scopes: ["operator.read"]
        })
        const refused = yield* SubscriptionRef.changes(misled.state).pipe(
          Stream.filter((state) => state._tag === "Waiting"),
          Stream.take(1),
          Stream.runCollect
        )
        assert.strictEqual(refused[0]?.error._tag, "GatewayUnproven")
        assert.isAbove(robber.visitors(), 0)
        assert.notInclude(robber.told(), gateway.token)
        assert.notMatch(robber.told(), /"method":"connect"|"auth"/)
      }).pipe(Effect.provide(GatewayTest.layer())),
    30_000
  )
})
