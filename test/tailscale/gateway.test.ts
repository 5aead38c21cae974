/** A Gateway that Tailscale opens, with a stand-in for its program: the listener of its own, and who is let in there. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TailscaleLayer from "../../src/layers/tailscale/Tailscale.ts"
import type { GatewayOptions } from "../../src/layers/gateway/options.ts"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Rig from "../gateway/rig.ts"
import { http } from "../http/kit.ts"
import * as StandIn from "./standin.ts"

const LOGIN = "some@example.com"
const PEER = "100.64.0.7"

/** A Gateway that is opened, and the port that Tailscale was told. */
const opened = Effect.fnUntraced(function* (options: Partial<GatewayOptions> = {}) {
  const standIn = yield* StandIn.make
  yield* standIn.whois(PEER, StandIn.person(LOGIN))
  const tailscale = TailscaleLayer.layer({ program: standIn.program }).pipe(Layer.provide(NodeServices.layer))
  const rig = yield* Rig.start(
    { tailscale: "serve", identity: { allowTailscale: true, scopes: {} }, ...options },
    tailscale
  )
  const [call = ""] = yield* StandIn.until(
    standIn.calls(`${options.tailscale ?? "serve"} --yes`),
    (calls) => calls.length > 0
  )
  const port = Number(call.slice(call.lastIndexOf(":") + 1))
  yield* StandIn.until(
    Effect.sync(() => rig.logs.some((line) => line.includes("this Gateway is at"))),
    (is) => is
  )
  return { ...rig, standIn, port, at: `ws://127.0.0.1:${port}` }
})

/** What Tailscale Serve sends along. */
const serve = (more: Record<string, string | ReadonlyArray<string>> = {}, peer = PEER) => ({
  host: StandIn.NAME,
  "x-forwarded-for": peer,
  "x-forwarded-proto": "https",
  "x-forwarded-host": StandIn.NAME,
  "tailscale-user-login": LOGIN,
  "tailscale-user-name": "Some Body",
  ...more
})
const fromPage = (more: Record<string, string | ReadonlyArray<string>> = {}) =>
  serve({ origin: `https://${StandIn.NAME}`, ...more })

const page = {
  client: { id: "openclaw-control-ui", version: "1.0.0", platform: "web", mode: "webchat" },
  auth: undefined,
  scopes: ["operator.read", "operator.write"]
}

const asked = Effect.fnUntraced(function* (
  url: string,
  headers: Record<string, unknown>,
  extra: Record<string, unknown>,
  device: Rig.Device | "none" = Rig.makeDevice()
) {
  const raw = yield* Rig.open(url, { headers })
  const challenge = yield* raw.challenge
  const base = Rig.params(extra)
  const answer = yield* raw.request("connect", device === "none" ? base : Rig.signed(device, challenge, base))
  return { raw, answer }
})
const details = ({ answer }: { readonly answer: Rig.Frame }) =>
  answer.ok === true ? "ok" : `${answer.error?.details?.code} ${answer.error?.details?.check}`

describe("a Gateway behind Tailscale Serve", () => {
  it.live("lets the page in whose login Tailscale vouches for, without pairing, and shows who it is", () =>
    Effect.gen(function* () {
      const { at, gateway, port, url } = yield* opened()
      assert.notStrictEqual(port, gateway.port)
      const { answer, raw } = yield* asked(at, fromPage({ "tailscale-user-login": "SOME@example.com" }), page)
      assert.isTrue(answer.ok, JSON.stringify(answer.error))
      assert.deepStrictEqual(answer.payload.auth.scopes, ["operator.read", "operator.write"])
      assert.isUndefined(answer.payload.auth.deviceToken)
      const { payload } = yield* raw.request("system-presence")
      const me = payload.find((entry: { mode?: string }) => entry.mode === "webchat")
      assert.deepStrictEqual(me.user, { id: LOGIN, email: LOGIN })
      assert.strictEqual(me.ip, PEER)
      const status = yield* raw.request("status")
      const own = yield* asked(url, {}, { scopes: ["operator.admin"] }, "none")
      const code = yield* own.raw.request("device.pair.setupCode", {})
      assert.deepInclude(code.payload, {
        gatewayUrl: `wss://${StandIn.NAME}`,
        urlSource: "gateway.tailscale.mode=serve"
      })
      assert.deepInclude(status.payload.tailscale, { mode: "serve", state: "active", url: `https://${StandIn.NAME}` })
    }).pipe(Effect.scoped)
  )

  it.live(
    "other clients are known too, but their devices are approved by somebody; without a device nobody comes in",
    () =>
      Effect.gen(function* () {
        const { at } = yield* opened()
        const cli = yield* asked(at, serve(), { auth: undefined, scopes: ["operator.read"] })
        assert.strictEqual(cli.answer.error?.details.code, "PAIRING_REQUIRED")
        for (const client of [Rig.cli, page.client]) {
          const { answer } = yield* asked(
            at,
            client === Rig.cli ? serve() : fromPage(),
            { auth: undefined, client },
            "none"
          )
          assert.match(answer.error?.details.code, /DEVICE_IDENTITY_REQUIRED/)
        }
      }).pipe(Effect.scoped)
  )

  it.live("B4 nobody's login is believed that is not proved, and each refusal says what failed", () =>
    Effect.gen(function* () {
      const { at, logs, standIn, url } = yield* opened()
      const refused = (headers: Record<string, unknown>, to = at, extra: Record<string, unknown> = page) =>
        Effect.map(asked(to, headers, extra), details)
      yield* standIn.whois("100.64.0.8", StandIn.person("other@example.com"))
      yield* standIn.whois("100.64.0.9", "{")
      const { "tailscale-user-login": _login, ...nameless } = fromPage()
      const { "x-forwarded-host": _host, ...bare } = fromPage()
      for (const [what, headers, expected] of [
        [
          "another's login",
          fromPage({ "tailscale-user-login": "boss@example.com" }),
          "AUTH_TAILSCALE_IDENTITY_MISMATCH whois-mismatch"
        ],
        [
          "another's address",
          { ...fromPage(), "x-forwarded-for": "100.64.0.8" },
          "AUTH_TAILSCALE_IDENTITY_MISMATCH whois-mismatch"
        ],
        [
          "an address that nobody knows",
          { ...fromPage(), "x-forwarded-for": "100.64.0.10" },
          "AUTH_TAILSCALE_WHOIS_FAILED whois-failed"
        ],
        [
          "a whois that talks nonsense",
          { ...fromPage(), "x-forwarded-for": "100.64.0.9" },
          "AUTH_TAILSCALE_WHOIS_FAILED whois-failed"
        ],
        ["no login", nameless, "AUTH_TAILSCALE_IDENTITY_MISSING login-missing"],
        [
          "the header twice",
          fromPage({ "tailscale-user-login": [LOGIN, LOGIN] }),
          "AUTH_TAILSCALE_IDENTITY_MISSING login-repeated"
        ],
        [
          "other letters",
          fromPage({ "tailscale-user-login": "s\u00f6me@example.com" }),
          "AUTH_TAILSCALE_IDENTITY_MISSING login-malformed"
        ],
        ["not through Tailscale", bare, "AUTH_UNAUTHORIZED not-tailscale"],
        ["two hops", { ...fromPage(), "x-forwarded-for": `${PEER}, 100.64.0.8` }, "AUTH_UNAUTHORIZED not-tailscale"],
        ["loopback", { ...fromPage(), "x-forwarded-for": "127.0.0.1" }, "AUTH_UNAUTHORIZED loopback"],
        ["B5 Funnel's mark", fromPage({ "tailscale-funnel-request": "?1" }), "AUTH_UNAUTHORIZED funnel"]
      ] as const) {
        assert.strictEqual(yield* refused(headers), expected, what)
      }
      // At the ordinary listener the same headers are a stranger's.
      const { host: _, ...ordinary } = serve()
      assert.strictEqual(yield* refused(ordinary, url, { auth: undefined }), "AUTH_TOKEN_MISSING undefined")
      // A node is let in for its own credentials only.
      const node = { client: Rig.nodeClient, role: "node", scopes: [], auth: undefined }
      assert.strictEqual(yield* refused(serve(), at, node), "AUTH_TAILSCALE_IDENTITY_MISSING node-role")
      // What is shown besides goes first, and a wrong one is counted.
      assert.strictEqual(
        yield* refused(fromPage(), at, { ...page, auth: { token: "wrong" } }),
        "AUTH_TOKEN_MISMATCH undefined"
      )
      assert.isTrue(logs.some((line) => line.includes("TailscaleIdentityRefused") && line.includes("whois-mismatch")))
    }).pipe(Effect.scoped)
  )

  it.live("B4 a whois that never answers fails closed, in a bounded time", () =>
    Effect.gen(function* () {
      const { at, standIn } = yield* opened()
      yield* standIn.hang("whois")
      assert.strictEqual(details(yield* asked(at, fromPage(), page)), "AUTH_TAILSCALE_WHOIS_FAILED whois-failed")
    }).pipe(Effect.scoped)
  )

  it.live("a node that scanned a setup code is let in for it, through Tailscale too", () =>
    Effect.gen(function* () {
      const { at, url } = yield* opened()
      const own = yield* asked(url, {}, { scopes: ["operator.admin"] }, "none")
      const code = yield* own.raw.request("device.pair.setupCode", { bootstrapProfile: "node" })
      const { bootstrapToken } = JSON.parse(Buffer.from(code.payload.setupCode, "base64url").toString())
      const node = { client: Rig.nodeClient, role: "node", scopes: [], auth: { bootstrapToken } }
      const { answer } = yield* asked(at, serve(), node)
      assert.isTrue(answer.ok, JSON.stringify(answer.error))
    }).pipe(Effect.scoped)
  )

  it.live("without allowTailscale a login opens nothing", () =>
    Effect.gen(function* () {
      const { at } = yield* opened({ identity: { allowTailscale: false, scopes: {} } })
      assert.strictEqual(details(yield* asked(at, fromPage(), page)), "AUTH_TOKEN_MISSING undefined")
      const shown = yield* asked(at, serve(), { scopes: ["operator.read"] })
      assert.strictEqual(shown.answer.error?.details.code, "PAIRING_REQUIRED")
    }).pipe(Effect.scoped)
  )

  it.live("B6 HTTP asks for the token as ever", () =>
    Effect.gen(function* () {
      const { port } = yield* opened()
      const status = (headers: Record<string, string>) =>
        Effect.map(
          http(port, "/tools/invoke", {
            body: { tool: "nothing" },
            headers: { ...(serve() as Record<string, string>), ...headers }
          }),
          (found) => found.status
        )
      assert.strictEqual(yield* status({}), 401)
      assert.notInclude([401, 403], yield* status({ authorization: `Bearer ${Rig.TOKEN}` }))
      assert.strictEqual((yield* http(port, "/healthz", { headers: serve() as Record<string, string> })).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("its names and origins are the tailnet's, and nobody else's", () =>
    Effect.gen(function* () {
      const { at } = yield* opened({ allowedOrigins: ["https://listed.example.com"] })
      const status = (headers: Record<string, unknown>) =>
        Effect.gen(function* () {
          const raw = yield* Rig.open(at, { headers })
          return yield* raw.until(() => (raw.frames.length > 0 ? 101 : raw.status))
        })
      assert.strictEqual(yield* status(fromPage()), 101)
      assert.strictEqual(yield* status(fromPage({ origin: "https://listed.example.com" })), 101)
      assert.strictEqual(yield* status(fromPage({ origin: "https://evil.example" })), 403)
      assert.strictEqual(yield* status(fromPage({ origin: `http://${StandIn.NAME}` })), 403)
      assert.strictEqual(yield* status(fromPage({ host: "evil.example", origin: "https://evil.example" })), 403)
      assert.strictEqual(
        yield* status(fromPage({ host: "other.tail1234.ts.net", origin: "https://other.tail1234.ts.net" })),
        403
      )
    }).pipe(Effect.scoped)
  )

  it.live("the lockout is each peer's own", () =>
    Effect.gen(function* () {
      const { at } = yield* opened()
      const wrong = { auth: { token: "wrong" } }
      for (let n = 0; n < 10; n++) yield* asked(at, serve({}, "100.64.0.8"), wrong, "none")
      assert.strictEqual(details(yield* asked(at, serve({}, "100.64.0.8"), {})), "AUTH_RATE_LIMITED undefined")
      assert.strictEqual(details(yield* asked(at, fromPage(), page)), "ok")
    }).pipe(Effect.scoped)
  )
})

describe("a Gateway behind Tailscale Funnel", () => {
  const password = { mode: "password" as const, password: Redacted.make("a password for everybody") }
  it.live("B5 asks everybody for the password, whatever Tailscale says of them", () =>
    Effect.gen(function* () {
      const { at } = yield* opened({ tailscale: "funnel", auth: password })
      const publicly = fromPage({ "tailscale-funnel-request": "?1" })
      for (const headers of [fromPage(), publicly]) {
        assert.strictEqual(details(yield* asked(at, headers, page)), "AUTH_PASSWORD_MISSING undefined")
        const { answer } = yield* asked(at, headers, { ...page, auth: { password: "a password for everybody" } })
        assert.strictEqual(answer.error?.details.code, "PAIRING_REQUIRED")
      }
    }).pipe(Effect.scoped)
  )
})

describe("BindRefused: what Tailscale may not open", () => {
  const refused = (options: Partial<GatewayOptions>) =>
    Effect.map(Effect.exit(Rig.start(options)), (exit) => JSON.stringify(exit))
  it.live("funnel without a password, serve without anything, more than loopback, any page", () =>
    Effect.gen(function* () {
      assert.include(yield* refused({ tailscale: "funnel" }), "funnel-password")
      assert.include(yield* refused({ tailscale: "funnel", auth: { mode: "none" } }), "funnel-password")
      assert.include(yield* refused({ tailscale: "serve", auth: { mode: "none" } }), "tailscale-no-auth")
      assert.include(yield* refused({ tailscale: "serve", host: "0.0.0.0" }), "tailscale-bind")
      assert.include(yield* refused({ tailscale: "serve", allowedOrigins: ["*"] }), "any-page-vouched")
      assert.include(yield* refused({ auth: { mode: "trusted-proxy" }, allowedOrigins: ["*"] }), "any-page-vouched")
    }).pipe(Effect.scoped)
  )
})
