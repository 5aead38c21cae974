/**
 * The Gateway on an app's server with TLS, with its web page there, and against those who guess or open too much.
 */
import { createServer, type Server } from "node:http"
import { createServer as createTlsServer } from "node:https"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { X509Certificate } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { Credential, Endpoint, GatewayClient, TlsFingerprint } from "../../src/client/index.ts"
import { Gateway, type OpenClawConfig } from "../../src/index.ts"
import { selfSigned } from "../../src/layers/gateway/tls/selfSigned.ts"
import * as Http from "../http/kit.ts"

const token = "0123456789abcdef0123456789abcdef"
const withToken = { gateway: { auth: { mode: "token", token } } } satisfies OpenClawConfig

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "openclaw-app-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const listening = <S extends Server>(server: S) =>
  Effect.acquireRelease(
    Effect.callback<S>((resume) => {
      server.on("request", (_, response) => response.end("the app"))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    () => Effect.sync(() => void (server.close(), server.closeAllConnections()))
  )

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

const gatewayAt = (server: Server, config: OpenClawConfig = withToken, limits: Partial<Gateway.GatewayLimits> = {}) =>
  Effect.flatMap(folder, (stateDir) =>
    Effect.flatMap(
      Layer.build(
        Gateway.layerNode({ stateDir, config: Gateway.config(config), listen: { server, path: "/openclaw" }, limits })
      ),
      (context) => Effect.provide(Gateway.Gateway, context)
    )
  )

const dial = (url: string, secret = token, tlsFingerprint?: TlsFingerprint.TlsFingerprint) =>
  GatewayClient.make({
    endpoint: Endpoint.Endpoint.make(url),
    client: { id: "cli", mode: "cli", version: "1", platform: "test" },
    scopes: ["operator.read"],
    credentials: [Credential.token(secret)],
    ...(tlsFingerprint === undefined ? undefined : { tlsFingerprint })
  })

/** An upgrade that never goes on; gives the first line of its answer. */
const open = (server: Server, headers: ReadonlyArray<string> = []) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly line: string; readonly socket: Socket }>((resume) => {
      const port = portOf(server)
      const lines = [
        "GET /openclaw HTTP/1.1",
        `Host: 127.0.0.1:${port}`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ...headers
      ]
      const socket = connect(port, "127.0.0.1", () => socket.write(`${lines.join("\r\n")}\r\n\r\n`))
      socket.on("error", () => {})
      socket.once("data", (data) => resume(Effect.succeed({ line: String(data).split("\r\n", 1)[0] ?? "", socket })))
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

describe("an app's server with TLS", () => {
  it.live("has a Gateway that is reached by wss: alone", () =>
    Effect.gen(function* () {
      const pair = yield* selfSigned(["127.0.0.1"], yield* Clock.currentTimeMillis)
      const server = yield* listening(createTlsServer(pair))
      const { bootId, url } = yield* gatewayAt(server)
      assert.strictEqual(url, `wss://127.0.0.1:${portOf(server)}/openclaw`)
      const fingerprint = Result.getOrThrow(
        TlsFingerprint.parse(new X509Certificate(pair.cert).fingerprint256, "the test")
      )
      const { hello } = yield* dial(url, token, fingerprint)
      assert.strictEqual(hello.server.bootId, bootId)
      const plain = yield* Effect.flip(dial(url.replace("wss:", "ws:")))
      assert.strictEqual(plain._tag, "GatewayUnreachable")
    }).pipe(Effect.scoped)
  )
})

describe("the web page below a path of the app's server", () => {
  it.live("knows where it lives, and everything beside it is found as before", () =>
    Effect.gen(function* () {
      const root = yield* folder
      mkdirSync(join(root, "assets"))
      writeFileSync(
        join(root, "index.html"),
        `<html><head></head><body><script src="./assets/main.js"></script></body></html>`
      )
      writeFileSync(join(root, "assets", "main.js"), "1")
      const server = yield* listening(createServer())
      for (const basePath of ["", "/ui"]) {
        yield* Effect.gen(function* () {
          const { url } = yield* gatewayAt(server, { gateway: { ...withToken.gateway, controlUi: { root, basePath } } })
          const get = (path: string) =>
            Http.http(portOf(server), path, { headers: { authorization: `Bearer ${token}` } })
          const base = `/openclaw${basePath}`
          const moved = yield* get(base)
          assert.deepStrictEqual([moved.status, moved.headers.location], [302, `${base}/`])
          for (const path of [`${base}/`, `${base}/chat/main`]) {
            assert.include((yield* get(path)).text, `data-openclaw-control-ui-base-path="${base}"`, path)
          }
          assert.strictEqual((yield* get(`${base}/assets/main.js`)).text, "1")
          assert.strictEqual((yield* get(`${base}/control-ui-config.json`)).json.basePath, base)
          assert.strictEqual((yield* get("/openclaw/healthz")).json.ok, true)
          assert.strictEqual((yield* get("/openclaw/tools/invoke")).status, 405)
          assert.strictEqual((yield* get(`${base}/%2e%2e/%2e%2e/etc/passwd`)).status, 404)
          assert.strictEqual((yield* get("/")).text, "the app")
          for (const path of ["", basePath]) yield* dial(`${url}${path}`)
        }).pipe(Effect.scoped)
      }
    }).pipe(Effect.scoped)
  )
})

describe("who guesses or opens too much at an app's server", () => {
  it.live("is locked out, and nobody else is", () =>
    Effect.gen(function* () {
      const server = yield* listening(createServer())
      yield* gatewayAt(server, { gateway: { ...withToken.gateway, trustedProxies: ["127.0.0.1"] } })
      const ask = (address: string, secret: string) =>
        Effect.map(
          Http.http(portOf(server), "/openclaw/metrics", {
            headers: { authorization: `Bearer ${secret}`, "x-forwarded-for": address, "x-forwarded-proto": "https" }
          }),
          ({ status }) => status
        )
      assert.strictEqual(yield* ask("203.0.113.7", token), 200)
      for (let i = 0; i < 10; i++) yield* ask("203.0.113.7", `wrong ${i}`)
      assert.strictEqual(yield* ask("203.0.113.7", token), 429)
      assert.strictEqual(yield* ask("203.0.113.8", token), 200)
    }).pipe(Effect.scoped)
  )

  it.live("finds no more places than the caps give, and the app's own requests go on", () =>
    Effect.gen(function* () {
      const server = yield* listening(createServer())
      yield* gatewayAt(server, withToken, { maxPreauth: 3 })
      const lines = yield* Effect.forEach([1, 2, 3, 4], () => Effect.map(open(server), ({ line }) => line))
      assert.deepStrictEqual(
        lines.map((line) => line.slice(9, 12)),
        ["101", "101", "101", "503"]
      )
      assert.strictEqual((yield* Http.http(portOf(server), "/")).text, "the app")
    }).pipe(Effect.scoped)
  )
})
