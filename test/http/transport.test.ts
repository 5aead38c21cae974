/** Connections that carry HTTP: kept, slow, cut. */
import { Agent, createServer, request as httpRequest } from "node:http"
import { type AddressInfo, connect as tcp } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Respond from "../../src/layers/gateway/http/respond.ts"
import * as Kit from "./kit.ts"
import * as Rig from "../gateway/rig.ts"

const TOOLS = "/tools/invoke"

/** Sends bytes as they are and gives everything that comes until the other end closes. */
const exchange = (port: number, head: string) =>
  Effect.callback<string>((resume) => {
    const socket = tcp(port, "127.0.0.1", () => socket.write(head))
    let text = ""
    socket.on("data", (data) => (text += data.toString()))
    socket.on("error", () => undefined)
    socket.on("close", () => resume(Effect.succeed(text)))
    return Effect.sync(() => socket.destroy())
  })

const post = (port: number, more: string) => `POST ${TOOLS} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${more}`

describe("HTTP connections", () => {
  it.live("are kept, also after a refusal", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start()
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new Agent({ keepAlive: true, maxSockets: 1 })),
        (kept) => Effect.sync(() => kept.destroy())
      )
      const ports = new Set<number | undefined>()
      const ask = (path: string, method: string, body?: string) =>
        Effect.callback<number>((resume) => {
          const sent = httpRequest({ port: gateway.port, path, method, agent }, (response) => {
            ports.add(response.socket.localPort)
            response.resume()
            response.on("end", () => resume(Effect.succeed(response.statusCode ?? 0)))
          })
          sent.end(body)
        })
      const statuses = [
        yield* ask("/healthz", "GET"),
        yield* ask(TOOLS, "POST", "{}"),
        yield* ask(TOOLS, "GET"),
        yield* ask("/nothing", "GET"),
        yield* ask("/healthz", "HEAD")
      ]
      assert.deepStrictEqual(statuses, [200, 401, 405, 404, 200])
      assert.strictEqual(ports.size, 1)
    }).pipe(Effect.scoped)
  )

  it.live("D4: end when a body does not come", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start({ limits: { bodyTimeoutMs: 50 } })
      const { port } = gateway
      const authorization = `Authorization: Bearer ${Rig.TOKEN}\r\n`
      const silent = yield* exchange(port, post(port, `${authorization}Content-Length: 10\r\n\r\n{`))
      assert.match(silent, /^HTTP\/1\.1 408 /)
      assert.include(silent, "Request body timeout")
      const chunked = yield* exchange(port, post(port, `${authorization}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`))
      assert.match(chunked, /^HTTP\/1\.1 408 /)
    }).pipe(Effect.scoped)
  )

  it.live("whoever has no credential is told so before a body is read", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start()
      const { port } = gateway
      const told = yield* exchange(port, post(port, "Content-Length: 1000000000\r\n\r\n{"))
      assert.match(told, /^HTTP\/1\.1 401 /)
    }).pipe(Effect.scoped)
  )

  it.live("that are cut in the middle, of a body or of a file, harm nobody", () =>
    Effect.gen(function* () {
      const { root } = yield* Kit.page
      const { ask, port, token } = yield* Kit.start({ gateway: { controlUi: { root } } })
      const cut = (head: string, when: "sent" | "data") =>
        Effect.callback<void>((resume) => {
          const socket = tcp(port, "127.0.0.1", () =>
            socket.write(head, () => (when === "sent" ? socket.resetAndDestroy() : undefined))
          )
          if (when === "data") socket.once("data", () => socket.resetAndDestroy())
          socket.on("error", () => undefined)
          socket.on("close", () => resume(Effect.void))
        })
      for (let n = 0; n < 5; n++) {
        yield* cut(post(port, `Authorization: Bearer ${token}\r\nContent-Length: 10\r\n\r\n{`), "sent")
        yield* cut(`GET /big.png HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`, "data")
      }
      assert.strictEqual((yield* ask("/big.png")).bytes.length, 3 * 1024 * 1024)
      assert.strictEqual((yield* ask(TOOLS, { body: {} })).status, 400)
    }).pipe(Effect.scoped)
  )

  it.live("D6: end when a client reads nothing of its answer", () =>
    Effect.gen(function* () {
      const piece = Buffer.alloc(1024 * 1024)
      const context = yield* Effect.context()
      const written = yield* Effect.callback<number>((resume) => {
        const ingress: Respond.Exchange["ingress"] = { _tag: "Direct" }
        const server = createServer((request, response) => {
          const exchange = {
            request,
            response,
            address: "127.0.0.1",
            local: true,
            ingress,
            path: "/",
            bodyTimeoutMs: 50
          }
          const all = Effect.gen(function* () {
            let pieces = 0
            for (; !response.destroyed && pieces < 1000; pieces++) yield* Respond.write(exchange, piece)
            return pieces
          })
          Effect.runCallbackWith(context)(all, {
            onExit: (exit) => {
              end()
              resume(exit)
            }
          })
        })
        const end = () => {
          server.close()
          server.closeAllConnections()
        }
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as AddressInfo
          const socket = tcp(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
          socket.pause()
          socket.on("error", () => undefined)
        })
        return Effect.sync(end)
      })
      assert.isBelow(written, 1000)
    })
  )

  it.live("go on where a client offers another protocol that nobody speaks here", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start()
      const { port } = gateway
      const offer = "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
      const probe = yield* exchange(port, `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${offer}\r\n`)
      assert.match(probe, /^HTTP\/1\.1 200 /)
      const authorization = `Authorization: Bearer ${Rig.TOKEN}\r\n`
      const call = yield* exchange(port, post(port, `${authorization}${offer}Content-Length: 2\r\n\r\n{}`))
      assert.match(call, /tools\.invoke requires name/)
    }).pipe(Effect.scoped)
  )

  it.live("D3: refuse what could be read in two ways", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start()
      const { port } = gateway
      const authorization = `Authorization: Bearer ${Rig.TOKEN}\r\n`
      const rows = [
        `${authorization}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        `${authorization}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
        `${authorization}Transfer-Encoding: chunked, identity\r\n\r\n{}`,
        `${authorization}Content-Length: -1\r\n\r\n{}`
      ]
      for (const row of rows) assert.match(yield* exchange(port, post(port, row)), /^HTTP\/1\.1 400 /, row)
    }).pipe(Effect.scoped)
  )
})
