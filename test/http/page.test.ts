/** The web page of `gateway.controlUi`: files, start page, settings, and what must not get out. */
import { createHash } from "node:crypto"
import { brotliDecompressSync, gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Kit from "./kit.ts"
import * as Rig from "../gateway/rig.ts"
import * as Redacted from "effect/Redacted"

const world = (basePath = "", more: object = {}) =>
  Effect.gen(function* () {
    const { root } = yield* Kit.page
    const started = yield* Kit.start({ gateway: { controlUi: { root, basePath, ...more } } })
    return { ...started, get: (path: string, ask?: Kit.Ask) => Kit.http(started.port, path, ask) }
  })

const MAIN = "/assets/main-0a1b2c3d.js"

describe("the page", () => {
  it.live("is served at its root and at every address that is no file", () =>
    Effect.gen(function* () {
      const { get } = yield* world()
      const index = yield* get("/")
      assert.strictEqual(index.status, 200)
      assert.strictEqual(index.headers["content-type"], "text/html; charset=utf-8")
      assert.include(index.text, `<html data-openclaw-control-ui-base-path=""`)
      assert.include(index.text, `src="${MAIN}"`)
      for (const path of ["/index.html", "/chat/agent:main", "/a/b/c", "/chat/", "/%252e%252e/x", "/settings?x=1"]) {
        const view = yield* get(path)
        assert.strictEqual(view.status, 200, path)
        assert.strictEqual(view.text, index.text, path)
      }
    }).pipe(Effect.scoped)
  )

  it.live("lets the browser run its files and the inline scripts that it came with, and nothing else", () =>
    Effect.gen(function* () {
      const { get } = yield* world()
      const { headers, text } = yield* get("/")
      const policy = String(headers["content-security-policy"])
      const body = /<script>([^<]*)<\/script>/.exec(text)?.[1] ?? ""
      assert.include(policy, `script-src 'self' 'sha256-${createHash("sha256").update(body).digest("base64")}'`)
      assert.notMatch(policy, /script-src[^;]*unsafe-inline/)
      for (const rule of ["frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"])
        assert.include(policy, rule)
      assert.strictEqual(headers["x-content-type-options"], "nosniff")
      assert.strictEqual(headers["referrer-policy"], "no-referrer")
      assert.strictEqual(headers["x-frame-options"], "DENY")
      const file = yield* get(MAIN)
      assert.include(String(file.headers["content-security-policy"]), "script-src 'self' 'wasm-unsafe-eval'")
    }).pipe(Effect.scoped)
  )

  it.live("says how long files may be kept, and sends none again that did not change", () =>
    Effect.gen(function* () {
      const { get } = yield* world()
      const file = yield* get(MAIN)
      assert.strictEqual(file.headers["content-type"], "application/javascript; charset=utf-8")
      assert.strictEqual(file.headers["cache-control"], "public, max-age=31536000, immutable")
      const icon = yield* get("/favicon.svg")
      assert.strictEqual(icon.headers["cache-control"], "no-cache")
      const etag = String(icon.headers.etag)
      const since = String(icon.headers["last-modified"])
      const index = yield* get("/")
      const rows: ReadonlyArray<readonly [string, Record<string, string>, number]> = [
        ["/favicon.svg", { "if-none-match": etag }, 304],
        ["/favicon.svg", { "if-none-match": `"x", W/${etag}` }, 304],
        ["/favicon.svg", { "if-none-match": "*" }, 304],
        ["/favicon.svg", { "if-none-match": '"x"' }, 200],
        ["/favicon.svg", { "if-none-match": '"x"', "if-modified-since": since }, 200],
        ["/favicon.svg", { "if-modified-since": since }, 304],
        ["/favicon.svg", { "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT" }, 200],
        ["/favicon.svg", { "if-modified-since": "nonsense" }, 200],
        ["/", { "if-none-match": String(index.headers.etag) }, 304]
      ]
      for (const [path, headers, status] of rows) {
        const answer = yield* get(path, { headers })
        assert.strictEqual(answer.status, status, JSON.stringify(headers))
        if (status === 304) assert.strictEqual(answer.text, "")
      }
    }).pipe(Effect.scoped)
  )

  it.live("sends what is packed already to whoever takes it", () =>
    Effect.gen(function* () {
      const { get } = yield* world()
      const accepting = (accepted: string) => get(MAIN, { headers: { "accept-encoding": accepted } })
      const plain = yield* get(MAIN)
      assert.isUndefined(plain.headers["content-encoding"])
      assert.strictEqual(plain.headers.vary, "Accept-Encoding")
      const br = yield* accepting("gzip, deflate, br")
      assert.strictEqual(br.headers["content-encoding"], "br")
      assert.strictEqual(brotliDecompressSync(br.bytes).toString(), plain.text)
      assert.notStrictEqual(br.headers.etag, plain.headers.etag)
      const gz = yield* accepting("gzip;q=0.8, br;q=0")
      assert.strictEqual(gz.headers["content-encoding"], "gzip")
      assert.strictEqual(gunzipSync(gz.bytes).toString(), plain.text)
      const icon = yield* get("/favicon.svg", { headers: { "accept-encoding": "br" } })
      assert.isUndefined(icon.headers["content-encoding"])
    }).pipe(Effect.scoped)
  )

  it.live("gives whole files, empty ones too, and to HEAD only their headers", () =>
    Effect.gen(function* () {
      const { get } = yield* world()
      const big = yield* get("/big.png")
      assert.strictEqual(big.bytes.length, 3 * 1024 * 1024)
      assert.isTrue(big.bytes.every((byte) => byte === 7))
      const empty = yield* get("/empty.txt")
      assert.deepStrictEqual([empty.status, empty.text], [200, ""])
      for (const path of ["/", "/big.png", MAIN]) {
        const full = yield* get(path)
        const head = yield* get(path, { method: "HEAD" })
        assert.deepStrictEqual([head.status, head.text], [200, ""], path)
        assert.strictEqual(head.headers["content-length"], full.headers["content-length"], path)
        assert.strictEqual(head.headers.etag, full.headers.etag, path)
      }
    }).pipe(Effect.scoped)
  )

  it.live("D12: gives nothing that is not a file of its folder", () =>
    Effect.gen(function* () {
      const { get } = yield* world()
      assert.strictEqual((yield* get("/inside.svg")).status, 200)
      const rows = [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/link.txt",
        "/up/secret.txt",
        "/.hidden.txt",
        "/%2ehidden.txt",
        "/favicon.svg%00.png",
        "/a%00b",
        "/a%0ab",
        "/%c0%ae%c0%ae/secret.txt",
        "/%zz",
        "//etc/passwd",
        "/C:/secret.txt",
        `/${"a".repeat(2000)}`,
        "/assets/none.js",
        "/assets",
        "/fonts/none",
        "/robots.txt",
        "/api/users",
        "/v1/embeddings",
        "/tools/none"
      ]
      for (const path of rows) {
        const answer = yield* get(path)
        assert.strictEqual(answer.status, 404, path)
        assert.strictEqual(answer.text, "Not Found", path)
      }
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"]) {
        const answer = yield* get("/favicon.svg", { method })
        assert.strictEqual(answer.status, 405, method)
        assert.strictEqual(answer.headers.allow, "GET, HEAD", method)
      }
    }).pipe(Effect.scoped)
  )

  it.live("lives under its base path, with its own links and its WebSocket", () =>
    Effect.gen(function* () {
      const { get, port } = yield* world("/claw/")
      const bare = yield* get("/claw")
      assert.deepStrictEqual([bare.status, bare.headers.location], [302, "/claw/"])
      const view = yield* get("/claw/chat/main")
      assert.include(view.text, `data-openclaw-control-ui-base-path="/claw"`)
      assert.include(view.text, `src="/claw${MAIN}"`)
      assert.strictEqual((yield* get(`/claw${MAIN}`)).status, 200)
      for (const path of ["/", MAIN, "/control-ui-config.json", "/clawed/"]) {
        assert.strictEqual((yield* get(path)).status, 404, path)
      }
      for (const path of ["/", "/claw", "/claw/"]) {
        const socket = yield* Rig.open(`ws://127.0.0.1:${port}${path}`)
        assert.isString((yield* socket.challenge).nonce)
      }
      assert.strictEqual((yield* (yield* Rig.open(`ws://127.0.0.1:${port}/other`)).close).reason, "refused")
    }).pipe(Effect.scoped)
  )

  it.live("gives its settings to whoever has the token, or a paired operator's device token", () =>
    Effect.gen(function* () {
      const { ask, get, port, token } = yield* world("", {})
      const path = "/control-ui-config.json"
      const unauthorized = { error: { message: "Unauthorized", type: "unauthorized" } }
      const without = yield* get(path)
      assert.deepStrictEqual([without.status, without.json], [401, unauthorized])
      const settings = yield* ask(path)
      assert.strictEqual(settings.status, 200)
      assert.strictEqual(settings.headers["cache-control"], "no-store")
      assert.deepInclude(settings.json, { basePath: "", assistantAgentId: "main", terminalEnabled: false })
      const { hello } = yield* Rig.connectDevice(`ws://127.0.0.1:${port}`, Rig.makeDevice(), { auth: { token } })
      const deviceToken = String(hello.payload.auth.deviceToken)
      const bearer = { authorization: `Bearer ${deviceToken}` }
      assert.strictEqual((yield* get(path, { headers: bearer })).status, 200)
      assert.strictEqual((yield* get("/tools/invoke", { method: "POST", headers: bearer })).status, 401)
      assert.strictEqual((yield* get(path, { headers: { authorization: `Bearer ${deviceToken}x` } })).status, 401)
    }).pipe(Effect.scoped)
  )

  it.live("is away when it is switched off, not configured, or has no files", () =>
    Effect.gen(function* () {
      const off = yield* world("", { enabled: false })
      for (const path of ["/", MAIN, "/control-ui-config.json"]) {
        assert.strictEqual((yield* off.get(path)).status, 404, path)
      }
      const none = yield* Kit.start({})
      assert.strictEqual((yield* Kit.http(none.port, "/")).status, 404)
      const wrong = yield* Kit.start({ gateway: { controlUi: { root: "/nowhere/at/all" } } })
      const answer = yield* Kit.http(wrong.port, "/")
      assert.deepStrictEqual([answer.status, answer.text], [503, "There is no index.html in gateway.controlUi.root."])
    }).pipe(Effect.scoped)
  )

  it.live("A4: is not given to a page that got here by another name", () =>
    Effect.gen(function* () {
      const { get } = yield* world()
      assert.strictEqual((yield* get("/", { headers: { host: "rebound.example" } })).status, 403)
      assert.strictEqual((yield* get("/", { headers: { origin: "https://evil.example" } })).status, 403)
    }).pipe(Effect.scoped)
  )
})

describe("credentials over HTTP", () => {
  it.live("C10: ten wrong ones from afar lock the address, for the handshake too", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.start({ auth: { mode: "password", password: Redacted.make(Rig.TOKEN) } })
      const { port } = rig.gateway
      const from = { "x-forwarded-for": "192.0.2.7" }
      const post = (authorization: string) =>
        Kit.http(port, "/tools/invoke", { method: "POST", headers: { authorization, ...from } })
      for (let n = 0; n < 10; n++) {
        assert.strictEqual((yield* post(n % 2 === 0 ? "Bearer wrong" : "Bearer  other")).status, 401, String(n))
      }
      for (const guess of ["Bearer wrong", `Bearer ${Rig.TOKEN}`]) {
        const locked = yield* post(guess)
        assert.strictEqual(locked.status, 429)
        assert.isAbove(Number(locked.headers["retry-after"]), 250)
      }
      const raw = yield* Rig.open(rig.url, { headers: from })
      yield* raw.challenge
      const refused = yield* raw.request("connect", Rig.params())
      assert.strictEqual(refused.error?.details.code, "AUTH_RATE_LIMITED")
      // This machine's own programs are not locked out with them.
      const own = yield* Kit.http(port, "/tools/invoke", {
        body: {},
        headers: { authorization: `Bearer ${Rig.TOKEN}` }
      })
      assert.strictEqual(own.status, 400)
    }).pipe(Effect.scoped)
  )

  it.live("count only where one was sent, and only as Bearer", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.start()
      const from = { "x-forwarded-for": "192.0.2.7" }
      for (const authorization of ["", "Basic eDp4", "Bearer", "Bearer  ", Rig.TOKEN]) {
        for (let n = 0; n < 3; n++) {
          const answer = yield* Kit.http(rig.gateway.port, "/tools/invoke", {
            method: "POST",
            headers: { authorization, ...from }
          })
          assert.strictEqual(answer.status, 401, authorization)
        }
      }
      const right = yield* Kit.http(rig.gateway.port, "/tools/invoke", {
        body: {},
        headers: { authorization: `bearer ${Rig.TOKEN}`, ...from }
      })
      assert.strictEqual(right.status, 400)
    }).pipe(Effect.scoped)
  )

  it.live("without a secret: every scope to this machine, fewer if it asks for fewer, none to others", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.start({ auth: { mode: "none" } })
      const post = (headers: Record<string, string>) =>
        Kit.http(rig.gateway.port, "/tools/invoke", { body: { tool: "nothing" }, headers })
      assert.strictEqual((yield* post({})).status, 404)
      assert.strictEqual((yield* post({ "x-openclaw-scopes": "operator.read, operator.write" })).status, 404)
      for (const headers of [{ "x-openclaw-scopes": "operator.read" }, { "x-openclaw-scopes": "" }, { via: "1.1 x" }]) {
        const answer = yield* post(headers as Record<string, string>)
        assert.strictEqual(answer.status, 403, JSON.stringify(headers))
        assert.deepStrictEqual(answer.json, {
          error: { message: "missing scope: operator.write", type: "forbidden" }
        })
      }
      assert.strictEqual((yield* post({ origin: "https://evil.example" })).status, 403)
    }).pipe(Effect.scoped)
  )
})
