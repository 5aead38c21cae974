/** Where an HTTP request says that it goes and comes from, against a live listener. */
import { request } from "node:http"
import { connect as tcp } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Addresses from "../../src/layers/gateway/Addresses.ts"
import { reachedBy } from "../../src/layers/gateway/bind.ts"
import * as GatewayServer from "../../src/layers/gateway/GatewayServer.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as Rig from "./rig.ts"
import { services } from "./services.ts"

/** Sends bytes as they are and gives the status line's code, or 101. */
const rawStatus = (port: number, head: ReadonlyArray<string>) =>
  Effect.callback<number>((resume) => {
    const socket = tcp(port, "127.0.0.1", () => socket.write(`${head.join("\r\n")}\r\n\r\n`))
    let text = ""
    const finish = () => {
      socket.destroy()
      resume(Effect.succeed(Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)))
    }
    socket.on("data", (data) => {
      text += data.toString()
      if (text.includes("\r\n\r\n")) finish()
    })
    socket.on("close", finish)
    socket.on("error", finish)
  })

const upgrade = (headers: ReadonlyArray<string>, version = "HTTP/1.1") => [
  `GET / ${version}`,
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ...headers
]

interface Row {
  readonly name: string
  readonly headers: (host: string) => ReadonlyArray<string>
  readonly status: number
  readonly allowedOrigins?: ReadonlyArray<string>
}

const withOrigin = (origin: string) => (host: string) => [`Host: ${host}`, `Origin: ${origin}`]
const withHost = (host: string) => () => [`Host: ${host}`]
const port = (host: string) => host.slice(host.lastIndexOf(":"))

const rows: ReadonlyArray<Row> = [
  { name: "A1 foreign origin", headers: withOrigin("https://evil.example"), status: 403 },
  { name: "A2 prefix", headers: (host) => withOrigin(`http://${host}.evil.example`)(host), status: 403 },
  { name: "A2 suffix", headers: (host) => withOrigin(`http://evil${host}`)(host), status: 403 },
  { name: "A2 userinfo", headers: (host) => withOrigin(`http://${host}@evil.example`)(host), status: 403 },
  { name: "A2 another port", headers: (host) => withOrigin("http://127.0.0.1:1")(host), status: 403 },
  { name: "A2 another scheme", headers: (host) => withOrigin(`https://${host}`)(host), status: 403 },
  { name: "A2 upper case", headers: (host) => withOrigin(`HTTP://${host}`)(host), status: 403 },
  { name: "A2 trailing dot", headers: (host) => withOrigin(`http://localhost.${port(host)}`)(host), status: 403 },
  { name: "A2 trailing slash", headers: (host) => withOrigin(`http://${host}/`)(host), status: 403 },
  { name: "A2 IDN", headers: withOrigin("http://xn--lcalhost-23a"), status: 403 },
  { name: "A2 null", headers: withOrigin("null"), status: 403 },
  { name: "A2 file", headers: withOrigin("file://"), status: 403 },
  { name: "A2 extension", headers: withOrigin("chrome-extension://abcdefghijklmnop"), status: 403 },
  { name: "A2 empty", headers: withOrigin(""), status: 403 },
  {
    name: "A2 two headers",
    headers: (host) => [`Host: ${host}`, `Origin: http://${host}`, `Origin: http://${host}`],
    status: 403
  },
  { name: "A2 our own origin", headers: (host) => withOrigin(`http://${host}`)(host), status: 101 },
  { name: "A3 no origin from loopback", headers: (host) => [`Host: ${host}`], status: 101 },
  { name: "A4 rebinding name", headers: withHost("attacker.example:18789"), status: 403 },
  {
    name: "A4 rebinding name with its own origin",
    headers: () => ["Host: evil.example", "Origin: http://evil.example"],
    status: 403
  },
  { name: "A4 missing", headers: () => [], status: 400 },
  { name: "A4 duplicate", headers: (host) => [`Host: ${host}`, `Host: ${host}`], status: 400 },
  { name: "A4 decimal address", headers: withHost("2130706433"), status: 400 },
  { name: "A4 hexadecimal address", headers: withHost("0x7f000001"), status: 400 },
  { name: "A4 short address", headers: withHost("127.1"), status: 400 },
  { name: "A4 zone id", headers: withHost("[fe80::1%25eth0]:80"), status: 400 },
  { name: "A4 trailing dot", headers: withHost("localhost."), status: 400 },
  { name: "A4 another machine's address", headers: withHost("192.168.1.1"), status: 403 },
  { name: "A4 localhost", headers: withHost("localhost:5"), status: 101 },
  { name: "A4 IPv6 loopback", headers: withHost("[::1]:5"), status: 101 },
  { name: "A5 a page of another local app", headers: withOrigin("http://localhost:3000"), status: 403 },
  {
    name: "A5 the same when listed",
    headers: withOrigin("http://localhost:3000"),
    status: 101,
    allowedOrigins: ["http://localhost:3000"]
  },
  { name: "any origin on loopback", headers: withOrigin("https://other.example"), status: 101, allowedOrigins: ["*"] }
]

describe("Host and Origin before the upgrade", () => {
  it.live.each(rows)("$name", ({ allowedOrigins, headers, status }) =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start(allowedOrigins === undefined ? {} : { allowedOrigins })
      assert.strictEqual(yield* rawStatus(gateway.port, upgrade(headers(`127.0.0.1:${gateway.port}`))), status)
    }).pipe(Effect.scoped)
  )

  it.live.each([
    ["D3 HTTP/1.0", upgrade(["Host: localhost"], "HTTP/1.0"), 400],
    ["D3 no WebSocket key", ["GET / HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"], 400],
    [
      "D3 old version",
      [...upgrade(["Host: localhost"]).filter((line) => !line.includes("Version: 13")), "Sec-WebSocket-Version: 1"],
      400
    ],
    ["D3 headers of 20 KB", upgrade(["Host: localhost", `X-Long: ${"x".repeat(20_000)}`]), 431],
    [
      "D3 two lengths",
      ["POST /healthz HTTP/1.1", "Host: localhost", "Content-Length: 1", "Transfer-Encoding: chunked"],
      400
    ],
    ["another path", ["GET /elsewhere HTTP/1.1", ...upgrade(["Host: localhost"]).slice(1)], 404]
  ] as const)("%s", ([, head, status]) =>
    Effect.gen(function* () {
      const { gateway, url } = yield* Rig.start()
      assert.strictEqual(yield* rawStatus(gateway.port, head), status)
      assert.isTrue((yield* Rig.connect(url)).hello.ok)
    }).pipe(Effect.scoped)
  )
})

const get = (port: number, path: string, method = "GET", host = "localhost") =>
  Effect.callback<{ readonly status: number; readonly body: string }>((resume) => {
    const call = request({ host: "127.0.0.1", port, path, method, headers: { host } }, (response) => {
      let body = ""
      response.on("data", (data) => (body += String(data)))
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, body })))
    })
    call.end()
  })

describe("probes", () => {
  it.live("answer what OpenClaw's tools read", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start()
      assert.deepStrictEqual(yield* get(gateway.port, "/healthz"), { status: 200, body: `{"ok":true,"status":"live"}` })
      const ready = yield* get(gateway.port, "/readyz")
      assert.strictEqual(ready.status, 200)
      assert.deepInclude(JSON.parse(ready.body), { ready: true, failing: [] })
      const started = JSON.parse((yield* get(gateway.port, "/startupz?x=1")).body)
      assert.strictEqual(started.status, "started")
      assert.strictEqual(started.version, "0.0.0-test")
      assert.isNumber(started.uptimeMs)
      for (const [name, status] of [
        ["health", "live"],
        ["ready", "ready"],
        ["startup", "started"]
      ] as const) {
        assert.strictEqual(JSON.parse((yield* get(gateway.port, `/${name}`)).body).status, status)
      }
      assert.strictEqual((yield* get(gateway.port, "/")).status, 404)
      assert.strictEqual((yield* get(gateway.port, "/healthz", "POST")).status, 405)
      assert.strictEqual((yield* get(gateway.port, "/healthz", "GET", "evil.example")).status, 403)
    }).pipe(Effect.scoped)
  )
})

describe("starting", () => {
  const options = {
    host: "127.0.0.1",
    port: 0,
    version: "0",
    auth: { mode: "token" as const, token: Redacted.make("t") }
  }
  const started = (change: Partial<GatewayServer.GatewayOptions>) =>
    Layer.build(
      GatewayServer.layer({ ...options, ...change }).pipe(
        Layer.provide(services({ connected: [], gone: [], results: [], invokes: [] }))
      )
    ).pipe(Effect.asVoid, Effect.flip)

  it.live("BindRefused: another machine could come in without a credential", () =>
    Effect.gen(function* () {
      const error = yield* started({ host: "0.0.0.0", auth: { mode: "none" } })
      assert.strictEqual(error._tag, "BindRefused")
      assert.match(error.message, /gateway\.auth\.mode/)
    }).pipe(Effect.scoped)
  )
  it.live("A6 BindRefused: any origin on an address that others reach", () =>
    Effect.gen(function* () {
      const error = yield* started({ host: "0.0.0.0", allowedOrigins: ["*"] })
      assert.strictEqual(error._tag, "BindRefused")
      assert.match(error.message, /allowedOrigins/)
    }).pipe(Effect.scoped)
  )
  it.live("A6 BindRefused: any page without a credential, on this machine too", () =>
    Effect.gen(function* () {
      const error = yield* started({ auth: { mode: "none" }, allowedOrigins: ["*"] })
      assert.strictEqual(error._tag, "BindRefused")
      assert.match(error.message, /gateway\.auth\.mode/)
    }).pipe(Effect.scoped)
  )
  it.live("PortInUse names the port and the fix", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start()
      const error = yield* started({ port: gateway.port })
      assert.strictEqual(error._tag, "PortInUse")
      assert.include(error.message, String(gateway.port))
      assert.include(error.message, "--port")
    }).pipe(Effect.scoped)
  )
  it.live("ListenFailed: an address that is not ours", () =>
    Effect.gen(function* () {
      const error = yield* started({ host: "192.0.2.1" })
      assert.strictEqual(error._tag, "ListenFailed")
    }).pipe(Effect.scoped)
  )
  it.live("says where it listens", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start()
      assert.strictEqual(gateway.url, `ws://127.0.0.1:${gateway.port}`)
      assert.isAbove(gateway.port, 0)
      assert.strictEqual((yield* gateway.presence)[0]?.mode, "gateway")
    }).pipe(Effect.scoped)
  )
})

describe("names that the configuration gives", () => {
  it("are those of its origins and of customBindHost", () => {
    assert.deepStrictEqual(reachedBy(undefined), { allowedOrigins: [], allowedHosts: [] })
    assert.deepStrictEqual(
      reachedBy({
        customBindHost: " Gateway.Lan ",
        publicOrigin: "https://gateway.example.com/",
        controlUi: { allowedOrigins: ["http://[::1]:5173", "*", "https://Page.example"] }
      }),
      {
        allowedOrigins: ["http://[::1]:5173", "*", "https://Page.example", "https://gateway.example.com"],
        allowedHosts: ["::1", "page.example", "gateway.example.com", "gateway.lan"]
      }
    )
  })
  it.live("lead to the Gateway; others are refused still", () =>
    Effect.gen(function* () {
      const config: OpenClawConfig = { gateway: { publicOrigin: "https://gateway.example.com" } }
      const { port } = Context.get(yield* Layer.build(GatewayTest.layer({ config })), GatewayTest.GatewayTest)
      const from = (host: string, origin: string) => rawStatus(port, upgrade([`Host: ${host}`, `Origin: ${origin}`]))
      assert.strictEqual(yield* from("gateway.example.com", "https://gateway.example.com"), 101)
      assert.strictEqual(yield* from("gateway.example.com", "https://other.example.com"), 403)
      assert.strictEqual(yield* from("other.example.com", "https://gateway.example.com"), 403)
    }).pipe(Effect.scoped, Effect.orDie)
  )
})

describe("addresses", () => {
  it("A9 and C10: one key per peer, whatever its spelling", () => {
    assert.strictEqual(Addresses.lockoutKey("::ffff:192.0.2.2"), Addresses.lockoutKey("192.0.2.2"))
    assert.strictEqual(Addresses.lockoutKey("2001:db8::1"), Addresses.lockoutKey("2001:db8:0:0:ffff::9"))
    assert.notStrictEqual(Addresses.lockoutKey("2001:db8:0:1::1"), Addresses.lockoutKey("2001:db8:0:2::1"))
    assert.isTrue(Addresses.isLoopbackAddress("::ffff:127.0.0.1"))
    assert.isFalse(Addresses.isLoopbackAddress("128.0.0.1"))
    for (const header of [
      "forwarded",
      "via",
      "x-forwarded-for",
      "x-forwarded-server",
      "x-real-ip",
      "x-client-ip",
      "true-client-ip",
      "cf-connecting-ip",
      "tailscale-user-login"
    ]) {
      assert.isTrue(Addresses.isForwarded({ [header]: "127.0.0.1" }), header)
    }
    assert.isFalse(
      Addresses.isForwarded({ host: "localhost", origin: "x", "user-agent": "via", "sec-websocket-key": "k" })
    )
  })
})
