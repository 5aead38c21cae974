/** Trusted proxies before a live Gateway: who is let in, who is locked out, and what nobody becomes by saying it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { parseRange } from "../../src/domain/IpAddress.ts"
import { reloadKindOf } from "../../src/layers/config/reload.ts"
import type { GatewayOptions } from "../../src/layers/gateway/options.ts"
import { vouchers } from "../../src/layers/gateway/vouchers.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { http } from "../http/kit.ts"
import * as Rig from "./rig.ts"

/** This machine's loopback plays the proxy. */
const LOOPBACK = [parseRange("127.0.0.0/8")!, parseRange("::1")!]
const ORIGIN = "https://gateway.example.com"

const users = { userHeader: "x-forwarded-user", requiredHeaders: ["x-proof"], allowUsers: [], allowLoopback: true }
const behindProxy: Partial<GatewayOptions> = {
  auth: { mode: "trusted-proxy", password: Redacted.make("the local password") },
  proxies: { trusted: LOOPBACK, realIpFallback: false, users },
  allowedOrigins: [ORIGIN],
  allowedHosts: ["gateway.example.com"]
}

const from = (address: string, more: Record<string, string> = {}) => ({ "x-forwarded-for": address, ...more })
const person = (user: string, more: Record<string, string> = {}) =>
  from("198.51.100.7", { "x-forwarded-user": user, "x-proof": "yes", ...more })

/** The answer to one `connect` with these headers on the upgrade. */
const asked = Effect.fnUntraced(function* (
  url: string,
  headers: Record<string, string | ReadonlyArray<string>>,
  extra: Record<string, unknown> = {},
  device?: Rig.Device
) {
  const raw = yield* Rig.open(url, { headers })
  const challenge = yield* raw.challenge
  const base = Rig.params(extra)
  const answer = yield* raw.request("connect", device === undefined ? base : Rig.signed(device, challenge, base))
  return { raw, answer }
})

const page = { client: { id: "openclaw-control-ui", version: "1", platform: "web", mode: "webchat" }, auth: undefined }
const reason = (answer: Rig.Frame) => (answer.ok === true ? "ok" : answer.error?.details?.authReason)

describe("a Gateway with a token behind a proxy", () => {
  const options = { proxies: { trusted: LOOPBACK, realIpFallback: false } }

  it.live("B3 the client's address is the one that the proxy names, and what is malformed is refused", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start(options)
      const far = yield* asked(url, from("198.51.100.7"))
      assert.isTrue(far.answer.ok)
      // From afar, and without a device: no scope that was asked for is kept.
      assert.deepStrictEqual(far.answer.payload.auth.scopes, [])
      for (const [chain, check] of [
        ["garbage", "malformed"],
        ["198.51.100.7,", "malformed"],
        ["127.0.0.1", "loopback"],
        ["::ffff:7f00:1", "loopback"],
        ["", "missing"]
      ] as const) {
        const { answer, raw } = yield* asked(url, { ...from(chain), via: "1.1 proxy" })
        assert.strictEqual(reason(answer), "proxy_attribution_required", chain)
        if (chain !== "127.0.0.1" && chain !== "::ffff:7f00:1") assert.strictEqual(answer.error?.details.check, check)
        assert.strictEqual((yield* raw.close).code, 1008)
      }
    }).pipe(Effect.scoped)
  )

  it.live("the lockout is the client's, not the proxy's", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start(options)
      const wrong = { auth: { token: "wrong" } }
      for (let n = 0; n < 10; n++) {
        assert.strictEqual(reason((yield* asked(url, from("198.51.100.7"), wrong)).answer), "token_mismatch")
      }
      assert.strictEqual(reason((yield* asked(url, from("198.51.100.7"))).answer), "rate_limited")
      assert.strictEqual(reason((yield* asked(url, from("1.1.1.1, 198.51.100.7"))).answer), "rate_limited")
      assert.strictEqual(reason((yield* asked(url, from("::ffff:198.51.100.7"))).answer), "rate_limited")
      assert.strictEqual(reason((yield* asked(url, from("198.51.100.8"))).answer), "ok")
      assert.strictEqual(reason((yield* asked(url, {})).answer), "ok")
    }).pipe(Effect.scoped)
  )

  it.live("B1 headers from a peer that is not trusted change nothing but that it is not local", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const wrong = { auth: { token: "wrong" } }
      for (let n = 0; n < 10; n++) {
        assert.strictEqual(reason((yield* asked(url, from(`198.51.100.${n}`), wrong)).answer), "token_mismatch")
      }
      assert.strictEqual(reason((yield* asked(url, from("203.0.113.9"))).answer), "rate_limited")
      // This machine's own programs are not locked out with it.
      const own = yield* asked(url, {})
      assert.deepStrictEqual(own.answer.payload.auth.scopes, ["operator.admin"])
    }).pipe(Effect.scoped)
  )

  it.live("A9 a thousand headers before them do not hide what a proxy says", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const many = Array.from({ length: 1100 }, () => "1")
      const far = yield* asked(url, { a: many, ...from("198.51.100.7") })
      assert.deepStrictEqual(far.answer.payload.auth.scopes, [])
    }).pipe(Effect.scoped)
  )

  it.live("HTTP: a proxy that does not say for whom it speaks gets a 403, with the right token too", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start(options)
      const authorization = `Bearer ${Rig.TOKEN}`
      const good = yield* http(gateway.port, "/tools/invoke", {
        body: { tool: "nothing" },
        headers: { authorization, ...from("198.51.100.7") }
      })
      assert.notInclude([401, 403], good.status)
      const bad = yield* http(gateway.port, "/tools/invoke", {
        body: { tool: "nothing" },
        headers: { authorization, ...from("x") }
      })
      assert.strictEqual(bad.status, 403)
      assert.include(bad.text, "proxy_attribution_required")
    }).pipe(Effect.scoped)
  )

  it.live("without authentication Funnel's public requests are refused", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start({ ...options, auth: { mode: "none" } })
      const { answer } = yield* asked(url, from("198.51.100.7", { "tailscale-funnel-request": "?1" }))
      assert.strictEqual(answer.error?.details.check, "funnel")
    }).pipe(Effect.scoped)
  )
})

describe("a Gateway that lets in whom its proxy let in", () => {
  it.live("a user without a device: a page, with no scopes but those that are given to them by name", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start({
        ...behindProxy,
        identity: {
          allowTailscale: false,
          scopes: { "Boss@Example.com": ["operator.admin"], robot: ["operator.read"] }
        }
      })
      const scopesOf = (headers: Record<string, string>) =>
        Effect.map(asked(url, { origin: ORIGIN, host: "gateway.example.com", ...headers }, page), ({ answer }) =>
          answer.ok === true ? answer.payload.auth.scopes : reason(answer)
        )
      assert.deepStrictEqual(yield* scopesOf(person("a@example.com")), [])
      assert.deepStrictEqual(yield* scopesOf(person("boss@example.com")), ["operator.admin"])
      assert.deepStrictEqual(yield* scopesOf(person("robot")), ["operator.read"])
      assert.deepStrictEqual(yield* scopesOf(person("Robot")), [])
      const capped = person("boss@example.com", { "x-openclaw-scopes": "operator.read, operator.write" })
      assert.deepStrictEqual(yield* scopesOf(capped), ["operator.read", "operator.write"])
      assert.deepStrictEqual(yield* scopesOf(person("boss@example.com", { "x-openclaw-scopes": "" })), [])
    }).pipe(Effect.scoped)
  )

  it.live("a user's device waits for approval, and the user is shown once it is in", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start(behindProxy)
      const device = Rig.makeDevice()
      const { answer } = yield* asked(
        url,
        person("a@example.com"),
        { auth: undefined, scopes: ["operator.read"] },
        device
      )
      assert.strictEqual(answer.error?.details.code, "PAIRING_REQUIRED")
      const own = yield* asked(
        url,
        {},
        { auth: { password: "the local password" }, scopes: ["operator.pairing", "operator.admin", "operator.read"] }
      )
      assert.isTrue(own.answer.ok)
      const approved = yield* own.raw.request("device.pair.approve", { requestId: answer.error?.details.requestId })
      assert.isTrue(approved.ok)
      const again = yield* asked(
        url,
        person("a@example.com"),
        { client: Rig.cli, auth: undefined, scopes: ["operator.read"] },
        device
      )
      assert.isTrue(again.answer.ok)
    }).pipe(Effect.scoped)
  )

  it.live("a node with a setup code is let in for it, by whomever it is brought", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start(behindProxy)
      const own = yield* asked(url, {}, { auth: { password: "the local password" } })
      const code = yield* own.raw.request("device.pair.setupCode", {
        bootstrapProfile: "node",
        publicUrl: "wss://gateway.example.com"
      })
      const { bootstrapToken } = JSON.parse(Buffer.from(code.payload.setupCode, "base64url").toString())
      const node = { client: Rig.nodeClient, role: "node", scopes: [], auth: { bootstrapToken } }
      const { answer } = yield* asked(url, person("a@example.com"), node, Rig.makeDevice())
      assert.isTrue(answer.ok, JSON.stringify(answer.error))
    }).pipe(Effect.scoped)
  )

  it.live("B2 everything that is not the proxy's word is refused with the check that failed", () =>
    Effect.gen(function* () {
      const closed = {
        ...behindProxy,
        proxies: { trusted: LOOPBACK, realIpFallback: false, users: { ...users, allowLoopback: false } }
      }
      const { url: strict } = yield* Rig.start(closed)
      const forged = yield* asked(strict, person("a@example.com"), { auth: undefined })
      assert.strictEqual(reason(forged.answer), "trusted_proxy_loopback_source")
      assert.include(forged.answer.error?.message ?? "", "allowLoopback")
      const { url } = yield* Rig.start({
        ...behindProxy,
        proxies: { trusted: LOOPBACK, realIpFallback: false, users: { ...users, allowUsers: ["a"] } }
      })
      const unproved = from("198.51.100.7", { "x-forwarded-user": "a" })
      const refused = (headers: Record<string, string>, extra: Record<string, unknown> = { auth: undefined }) =>
        Effect.map(asked(url, headers, extra), ({ answer }) => reason(answer))
      assert.strictEqual(yield* refused(unproved), "trusted_proxy_missing_header_x-proof")
      assert.strictEqual(yield* refused(person("b")), "trusted_proxy_user_not_allowed")
      assert.strictEqual(yield* refused(person("")), "trusted_proxy_user_missing")
      assert.strictEqual(yield* refused({ "x-forwarded-user": "a", "x-proof": "yes" }), "proxy_attribution_required")
      assert.strictEqual(yield* refused({ ...person("a"), "x-forwarded-for": "x" }), "proxy_attribution_required")
      // The password is for this machine's own programs.
      const password = { auth: { password: "the local password" } }
      assert.strictEqual(yield* refused(person("b"), password), "trusted_proxy_user_not_allowed")
      assert.strictEqual(yield* refused({}, password), "ok")
      assert.strictEqual(yield* refused({}, { auth: { password: "wrong" } }), "password_mismatch")
      const another = yield* Rig.start({
        ...closed,
        proxies: { trusted: [parseRange("10.0.0.1")!], realIpFallback: false, users }
      })
      const stranger = yield* asked(another.url, person("a"), { auth: undefined })
      assert.strictEqual(reason(stranger.answer), "trusted_proxy_untrusted_source")
    }).pipe(Effect.scoped)
  )

  it.live("HTTP: the proxy's users are let in, capped; others need this machine's password", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start(behindProxy)
      const status = (headers: Record<string, string>) =>
        Effect.map(http(gateway.port, "/tools/invoke", { body: { tool: "nothing" }, headers }), (found) => found.status)
      assert.notInclude([401, 403], yield* status(person("a")))
      assert.strictEqual(yield* status(person("a", { "x-openclaw-scopes": "operator.pairing" })), 403)
      assert.strictEqual(yield* status({}), 401)
      assert.strictEqual(yield* status(from("198.51.100.7", { authorization: "Bearer the local password" })), 401)
      assert.notInclude([401, 403], yield* status({ authorization: "Bearer the local password" }))
      const bare = from("198.51.100.7", { "x-forwarded-user": "a" })
      const refused = yield* http(gateway.port, "/tools/invoke", { body: { tool: "nothing" }, headers: bare })
      assert.strictEqual(refused.status, 401)
      assert.match(refused.json.error.message, /requiredHeaders is missing or repeated: x-proof/)
    }).pipe(Effect.scoped)
  )

  it.live("the page of the proxy's origin connects, others do not", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start(behindProxy)
      const status = (origin: string) =>
        Effect.gen(function* () {
          const raw = yield* Rig.open(url, { headers: { ...person("a"), host: "gateway.example.com", origin } })
          return yield* raw.until(() => (raw.frames.length > 0 ? 101 : raw.status))
        })
      assert.strictEqual(yield* status(ORIGIN), 101)
      assert.strictEqual(yield* status("https://evil.example"), 403)
      assert.strictEqual(yield* status("https://gateway.example.com.evil.example"), 403)
    }).pipe(Effect.scoped)
  )
})

describe("what the configuration says of proxies", () => {
  it.each([
    "gateway.trustedProxies",
    "gateway.trustedProxies.0",
    "gateway.allowRealIpFallback",
    "gateway.tailscale.mode",
    "gateway.auth.allowTailscale",
    "gateway.auth.trustedProxy.userHeader",
    "gateway.auth.identityScopes"
  ])("a change of %s is said to need a restart", (path) => assert.strictEqual(reloadKindOf(path), "restart"))

  const read = (
    gateway: OpenClawConfig["gateway"],
    mode: "token" | "password" | "trusted-proxy" = "token",
    flag?: "off" | "serve"
  ) => vouchers(gateway, mode, flag, "openclaw.json")

  it.effect("trusted-proxy without a proxy or a header is an error with its path", () =>
    Effect.gen(function* () {
      const pathOf = (gateway: OpenClawConfig["gateway"]) =>
        Effect.map(Effect.flip(read(gateway, "trusted-proxy")), ({ problems }) => problems[0]?.path)
      assert.strictEqual(yield* pathOf({}), "gateway.trustedProxies")
      assert.strictEqual(yield* pathOf({ trustedProxies: ["10.0.0.1"] }), "gateway.auth.trustedProxy.userHeader")
    })
  )

  it.effect("Tailscale's word counts with serve, unless there is a password or somebody says no", () =>
    Effect.gen(function* () {
      const allowed = (...given: Parameters<typeof read>) =>
        Effect.map(read(...given), ({ identity }) => identity.allowTailscale)
      const serve = { tailscale: { mode: "serve" } } as const
      assert.isTrue(yield* allowed(serve))
      assert.isFalse(yield* allowed({ ...serve, auth: { allowTailscale: false } }))
      assert.isFalse(yield* allowed(serve, "password"))
      assert.isTrue(yield* allowed({ ...serve, auth: { allowTailscale: true } }, "password"))
      assert.isFalse(yield* allowed({ tailscale: { mode: "funnel" }, auth: { allowTailscale: true } }, "password"))
      assert.isFalse(yield* allowed(serve, "token", "off"))
      assert.isTrue(yield* allowed({}, "token", "serve"))
    })
  )
})
