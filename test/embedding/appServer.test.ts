/**
 * The Gateway on the app's own HTTP server: what is whose, what is judged, and what is left when it goes.
 */
import { createServer, request, type RequestListener, type Server } from "node:http"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { mkdtempSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { WebSocketServer } from "ws"
import { Credential, Endpoint, GatewayClient } from "../../src/client/index.ts"
import { Config, Gateway, type OpenClawConfig } from "../../src/index.ts"

const token = "0123456789abcdef0123456789abcdef"
const withToken: OpenClawConfig = { gateway: { auth: { mode: "token", token } } }

const serverAt = (host: string, app: RequestListener = (_, response) => response.end("the app")) =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer(app)
      server.listen(0, host, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => void (server.close(), server.closeAllConnections()))
  )

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

const gatewayAt = (server: Server, path?: string, config: OpenClawConfig = withToken) =>
  Layer.build(
    Gateway.layerNode({
      stateDir: mkdtempSync(join(tmpdir(), "openclaw-app-")),
      config: Gateway.config(config),
      listen: { server, ...(path === undefined ? undefined : { path }) }
    })
  )

const get = (server: Server, path: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.callback<{ readonly status: number; readonly body: string }>((resume) => {
    request({ host: "127.0.0.1", port: portOf(server), path, headers }, (response) => {
      let body = ""
      response.on("data", (chunk) => (body += String(chunk)))
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, body })))
    }).end()
  })

/** The first line of the answer to an upgrade. */
const upgrade = (server: Server, path: string, headers: ReadonlyArray<string> = []) =>
  Effect.callback<string>((resume) => {
    const port = portOf(server)
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(
        [
          `GET ${path} HTTP/1.1`,
          ...(headers.some((line) => line.startsWith("Host:")) ? [] : [`Host: 127.0.0.1:${port}`]),
          "Connection: Upgrade",
          "Upgrade: websocket",
          "Sec-WebSocket-Version: 13",
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
          ...headers,
          "",
          ""
        ].join("\r\n")
      )
    })
    let text = ""
    socket.on("data", (chunk) => {
      text += String(chunk)
      if (!text.includes("\r\n")) return
      resume(Effect.succeed(text.split("\r\n", 1)[0] ?? ""))
      socket.destroy()
    })
    socket.on("error", () => resume(Effect.succeed("")))
    socket.on("close", () => resume(Effect.succeed(text)))
  })

const client = (server: Server, path: string, secret = token) =>
  GatewayClient.make({
    endpoint: Endpoint.Endpoint.make(`ws://127.0.0.1:${portOf(server)}${path}`),
    client: { id: "cli", mode: "cli", version: "1", platform: "test" },
    scopes: ["operator.read"],
    credentials: [Credential.token(secret)]
  })

describe("below a path of the app's server", () => {
  it.live("the Gateway has what is below, and the app everything else", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("127.0.0.1")
      const context = yield* gatewayAt(server, "/openclaw/")
      const gateway = yield* Effect.provide(Gateway.Gateway, context)
      assert.strictEqual(gateway.url, `ws://127.0.0.1:${portOf(server)}/openclaw`)
      assert.strictEqual((yield* get(server, "/openclaw/healthz")).body, '{"ok":true,"status":"live"}')
      assert.strictEqual((yield* get(server, "/openclaw/readyz")).status, 200)
      assert.strictEqual((yield* get(server, "/openclaw/nothing")).status, 404)
      assert.strictEqual((yield* get(server, "/openclaw/tools/invoke")).status, 405)
      for (const path of ["/", "/healthz", "/v1/models", "/openclawed", "/OPENCLAW/healthz"]) {
        assert.deepStrictEqual(yield* get(server, path), { status: 200, body: "the app" })
      }
      for (const path of ["/openclaw", "/openclaw/"]) {
        const { hello } = yield* client(server, path)
        assert.strictEqual(hello.server.bootId, gateway.bootId)
      }
      assert.include(yield* upgrade(server, "/openclaw/else"), "404")
    }).pipe(Effect.scoped)
  )

  it.live("names, origins and secrets are judged as at a listener of its own", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("127.0.0.1")
      yield* gatewayAt(server, "/openclaw")
      assert.strictEqual((yield* get(server, "/openclaw/healthz", { host: "evil.example" })).status, 403)
      assert.strictEqual((yield* get(server, "/", { host: "evil.example" })).status, 200)
      assert.include(yield* upgrade(server, "/openclaw", ["Host: evil.example"]), "403")
      assert.include(yield* upgrade(server, "/openclaw", ["Origin: https://evil.example"]), "403")
      assert.include(yield* upgrade(server, "/openclaw"), "101")
      const refused = yield* Effect.flip(client(server, "/openclaw", "wrong"))
      assert.strictEqual(refused._tag, "HandshakeRejected")
    }).pipe(Effect.scoped)
  )

  it.live("the app's own WebSockets pass, whenever it began to listen for them", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("127.0.0.1")
      const sockets = new WebSocketServer({ noServer: true })
      yield* gatewayAt(server, "/openclaw")
      assert.deepStrictEqual(yield* get(server, "/live", { connection: "upgrade", upgrade: "websocket" }), {
        status: 200,
        body: "the app"
      })
      let heard = 0
      server.on("upgrade", (incoming, socket, head) => {
        heard++
        sockets.handleUpgrade(incoming, socket, head, (one) => one.close())
      })
      assert.include(yield* upgrade(server, "/live"), "101")
      assert.include(yield* upgrade(server, "/openclaw"), "101")
      assert.strictEqual(heard, 1)
    }).pipe(Effect.scoped)
  )

  it.live("two Gateways have a path each, and no path has two", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("127.0.0.1")
      const one = yield* gatewayAt(server, "/one")
      const two = yield* gatewayAt(server, "/two")
      const bootIds = yield* Effect.forEach(["/one", "/two"], (path) =>
        Effect.map(client(server, path), ({ hello }) => hello.server.bootId)
      )
      assert.deepStrictEqual(bootIds, [
        (yield* Effect.provide(Gateway.Gateway, one)).bootId,
        (yield* Effect.provide(Gateway.Gateway, two)).bootId
      ])
      yield* client(server, "/one")
      const connects = (path: string) =>
        Effect.map(get(server, `${path}/metrics`, { authorization: `Bearer ${token}` }), ({ body }) =>
          [...body.matchAll(/^openclaw_gateway_connects\{.*\} (\d+)$/gm)].map(([, count]) => count)
        )
      assert.deepStrictEqual([yield* connects("/one"), yield* connects("/two")], [["2"], ["1"]])
      // Nobody else takes sockets here, and what is nobody's is not left waiting.
      assert.notInclude(yield* upgrade(server, "/live"), "101")
      for (const path of ["/one", "/one/below"]) {
        const taken = yield* Effect.flip(gatewayAt(server, path))
        assert.strictEqual(taken._tag, "AppServerUnusable")
        assert.include(taken.message, `another Gateway has "${path}"`)
      }
    }).pipe(Effect.scoped)
  )

  it.live("whoever of them goes first, the server is left as it was found", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("127.0.0.1")
      const before = { own: Object.hasOwn(server, "emit"), names: server.eventNames().map(String).sort() }
      const scopes = [yield* Scope.make(), yield* Scope.make()] as const
      yield* Scope.provide(gatewayAt(server, "/one"), scopes[0])
      yield* Scope.provide(gatewayAt(server, "/two"), scopes[1])
      yield* Scope.close(scopes[0], Exit.void)
      assert.strictEqual((yield* get(server, "/one/healthz")).body, "the app")
      assert.strictEqual((yield* get(server, "/two/healthz")).body, '{"ok":true,"status":"live"}')
      yield* Scope.close(scopes[1], Exit.void)
      assert.deepStrictEqual(
        { own: Object.hasOwn(server, "emit"), names: server.eventNames().map(String).sort() },
        before
      )
    }).pipe(Effect.scoped)
  )

  it.live("no spelling of a path leads from one owner to the other", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("127.0.0.1")
      yield* gatewayAt(server, "/openclaw")
      for (const path of [
        "//openclaw/healthz",
        "/openclaw%2fhealthz",
        "/%6fpenclaw/healthz",
        "/openclaw;x/healthz",
        "/openclaw\\healthz",
        "/app/../openclaw/healthz",
        `http://127.0.0.1:${portOf(server)}/openclaw/healthz`
      ]) {
        assert.deepStrictEqual(yield* get(server, path), { status: 200, body: "the app" }, path)
        assert.notInclude(yield* upgrade(server, path), "101", path)
      }
      for (const path of [
        "/openclaw/../admin",
        "/openclaw//healthz",
        "/openclaw/%2e%2e/admin",
        "/openclaw/./healthz"
      ]) {
        assert.strictEqual((yield* get(server, path)).status, 404, path)
        assert.include(yield* upgrade(server, path), "404", path)
      }
    }).pipe(Effect.scoped)
  )

  it.live("it leaves the server as it found it", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("127.0.0.1")
      const before = { own: Object.hasOwn(server, "emit"), names: server.eventNames().map(String).sort() }
      const scope = yield* Scope.make()
      yield* Scope.provide(gatewayAt(server, "/openclaw"), scope)
      const { closed } = yield* client(server, "/openclaw")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* closed).code, 1012)
      assert.deepStrictEqual(yield* get(server, "/openclaw/healthz"), { status: 200, body: "the app" })
      assert.deepStrictEqual(
        { own: Object.hasOwn(server, "emit"), names: server.eventNames().map(String).sort() },
        before
      )
      assert.isTrue(server.listening)
      yield* gatewayAt(server, "/openclaw")
      assert.strictEqual((yield* get(server, "/openclaw/healthz")).status, 200)
    }).pipe(Effect.scoped)
  )
})

describe("at the root of the app's server", () => {
  it.live("the Gateway takes sockets at / and its APIs, and leaves pages and probes to the app", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("127.0.0.1")
      yield* gatewayAt(server)
      yield* client(server, "")
      assert.strictEqual((yield* get(server, "/tools/invoke")).status, 405)
      for (const path of ["/", "/healthz", "/openclaw", "/v1"]) {
        assert.deepStrictEqual(yield* get(server, path), { status: 200, body: "the app" })
      }
      assert.strictEqual((yield* get(server, "/live", { connection: "upgrade", upgrade: "websocket" })).body, "the app")
    }).pipe(Effect.scoped)
  )

  it.live("an API that is off is the app's, and the Gateway's once it is on", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("127.0.0.1")
      const context = yield* gatewayAt(server, undefined, { ...withToken, diagnostics: { enabled: false } })
      const isApp = (path: string) => Effect.map(get(server, path), ({ body }) => body === "the app")
      const apis = ["/v1/models", "/v1/models/openclaw", "/v1/chat/completions", "/api/diagnostics/prometheus"]
      for (const path of [...apis, "/metrics"]) assert.isTrue(yield* isApp(path), path)
      const { set } = yield* Effect.provide(Config, context)
      yield* set("gateway.http.endpoints.chatCompletions.enabled", true)
      yield* set("diagnostics.enabled", true)
      for (const path of apis) {
        yield* Effect.repeat(Effect.delay(isApp(path), "5 millis"), { while: (still) => still })
      }
      assert.strictEqual((yield* get(server, "/v1/models")).status, 401)
      assert.isTrue(yield* isApp("/metrics"))
    }).pipe(Effect.scoped)
  )
})

describe("an app's server that cannot be used", () => {
  it.live("is refused where every machine could come in unasked", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("0.0.0.0")
      const refused = yield* Effect.flip(gatewayAt(server, "/openclaw", { gateway: { auth: { mode: "none" } } }))
      assert.strictEqual(refused._tag, "BindRefused")
      assert.deepStrictEqual(yield* get(server, "/openclaw/healthz"), { status: 200, body: "the app" })
    }).pipe(Effect.scoped)
  )

  it.live("is refused with the word for what is wrong", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("127.0.0.1")
      const refused = (path: string) => Effect.map(Effect.flip(gatewayAt(server, path)), ({ message }) => message)
      assert.include(yield* refused("open claw"), "is no path")
      assert.include(yield* refused("/a/../b"), "is no path")
      const pipe = createServer()
      const file = join(mkdtempSync(join(tmpdir(), "openclaw-pipe-")), "s")
      yield* Effect.callback<void>((resume) => void pipe.listen(file, () => resume(Effect.void)))
      const error = yield* Effect.flip(gatewayAt(pipe, "/openclaw"))
      pipe.close()
      assert.include(error.message, "Unix socket")
    }).pipe(Effect.scoped)
  )

  it.live("is not asked for what only a listener of the Gateway's own can do", () =>
    Effect.gen(function* () {
      const server = yield* serverAt("127.0.0.1")
      const tailscale = yield* Effect.flip(
        gatewayAt(server, "/openclaw", { gateway: { ...withToken.gateway, tailscale: { mode: "serve" } } })
      )
      assert.include(tailscale.message, "gateway.tailscale.mode")
      const tls = yield* Effect.flip(
        gatewayAt(server, "/openclaw", { gateway: { ...withToken.gateway, tls: { enabled: true } } })
      )
      assert.include(tls.message, "gateway.tls.enabled")
    }).pipe(Effect.scoped)
  )
})
