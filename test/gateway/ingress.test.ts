/** Whom a request comes from: forwarding headers, trusted proxies, the user whom a proxy names. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Ip from "../../src/domain/IpAddress.ts"
import { type Asking, attribute, attributeTailscale, type ProxyPolicy, walk } from "../../src/layers/gateway/ingress.ts"
import type { Origin } from "../../src/services/Ingress.ts"

const trusted = (...texts: ReadonlyArray<string>) => texts.map((text) => Ip.parseRange(text)!)

/** Headers as Node gives them: names as written in `rawHeaders`, joined by lower-case name in `headers`. */
const asking = (remoteAddress: string, lines: ReadonlyArray<readonly [string, string]> = []): Asking => ({
  remoteAddress,
  rawHeaders: lines.flat(),
  headers: Object.fromEntries(lines.map(([name, value]) => [name.toLowerCase(), value]))
})

const proxy: ProxyPolicy = { trusted: trusted("10.0.0.0/8", "fd00::/8"), realIpFallback: false }
const local: ProxyPolicy = { trusted: trusted("127.0.0.1", "::1"), realIpFallback: false }

const said = ({ address, ingress, local: isLocal }: Origin) =>
  `${ingress._tag === "Unattributed" ? ingress.reason : ingress._tag} ${address}${isLocal ? " local" : ""}`

const at = (remote: string, policy: ProxyPolicy, ...lines: ReadonlyArray<readonly [string, string]>) =>
  said(attribute(asking(remote, lines), policy, () => []))

const xff = (chain: string) => ["X-Forwarded-For", chain] as const

describe("forwarding headers", () => {
  it("B1 from an untrusted peer are not looked at: the socket's address is the client's", () => {
    for (const remote of ["192.0.2.1", "::ffff:192.0.2.1"]) {
      assert.strictEqual(at(remote, proxy, xff("198.51.100.7")), "Direct 192.0.2.1")
      assert.strictEqual(at(remote, proxy, xff("127.0.0.1"), ["X-Real-IP", "127.0.0.1"]), "Direct 192.0.2.1")
    }
  })

  it("A9 nobody becomes local by saying so, and a local peer that says something is not", () => {
    for (const line of [
      xff("127.0.0.1"),
      ["X-Real-IP", "127.0.0.1"],
      ["Forwarded", "for=127.0.0.1"],
      ["Via", "1.1 x"]
    ] as const) {
      assert.strictEqual(at("192.0.2.1", proxy, line), "Direct 192.0.2.1")
      assert.strictEqual(at("127.0.0.1", proxy, line), "Direct 127.0.0.1")
      assert.notInclude(at("10.0.0.1", proxy, line), "local")
      assert.notInclude(at("127.0.0.1", local, line), "local")
    }
    assert.strictEqual(at("127.0.0.1", proxy), "Direct 127.0.0.1 local")
    assert.strictEqual(at("127.0.0.1", local), "Direct 127.0.0.1 local")
    for (const address of [
      "127.0.0.1",
      "127.8.8.8",
      "::1",
      "0:0:0:0:0:0:0:1",
      "::ffff:127.0.0.1",
      "::ffff:7f00:1",
      "[::1]:5",
      "127.0.0.1:80"
    ]) {
      assert.strictEqual(at("10.0.0.1", proxy, xff(address)), "loopback 10.0.0.1", address)
      assert.notMatch(at("127.0.0.1", local, xff(address)), /local|Proxy/, address)
    }
  })

  it.each([
    ["198.51.100.7", "Proxy 198.51.100.7"],
    [" \t198.51.100.7 ", "Proxy 198.51.100.7"],
    ["198.51.100.7:443", "Proxy 198.51.100.7"],
    ["::ffff:198.51.100.7", "Proxy 198.51.100.7"],
    ["2001:DB8:0::7", "Proxy 2001:db8::7"],
    ["[2001:db8::7]", "Proxy 2001:db8::7"],
    ["[2001:db8::7]:443", "Proxy 2001:db8::7"],
    ["198.51.100.7, 10.1.1.1,10.2.2.2 ,[fd00::1]:80", "Proxy 198.51.100.7"],
    ["1.2.3.4, 198.51.100.7, 10.1.1.1", "Proxy 198.51.100.7"],
    ["garbage, <script>, 198.51.100.7", "Proxy 198.51.100.7"],
    ["127.0.0.1, 198.51.100.7", "Proxy 198.51.100.7"],
    [`${"1.1.1.1, ".repeat(100)}198.51.100.7`, "Proxy 198.51.100.7"],
    [`198.51.100.7${", 10.0.0.9".repeat(100)}`, "Proxy 198.51.100.7"],
    ["", "missing 10.0.0.1"],
    ["   ", "missing 10.0.0.1"],
    [",", "malformed 10.0.0.1"],
    ["198.51.100.7,", "malformed 10.0.0.1"],
    ["198.51.100.7,,10.0.0.2", "malformed 10.0.0.1"],
    ["198.51.100.7, unknown", "malformed 10.0.0.1"],
    ["_hidden", "malformed 10.0.0.1"],
    ["198.51.100.7 10.0.0.2", "malformed 10.0.0.1"],
    ["198.51.100.7:99999999", "malformed 10.0.0.1"],
    ["fe80::1%eth0", "malformed 10.0.0.1"],
    ["[198.51.100.7]", "malformed 10.0.0.1"],
    ["0.0.0.0", "malformed 10.0.0.1"],
    ["::", "malformed 10.0.0.1"],
    ["010.1.1.1", "malformed 10.0.0.1"],
    ["2130706433", "malformed 10.0.0.1"],
    ["10.0.0.2", "only-proxies 10.0.0.1"],
    ["10.0.0.2, 10.0.0.3", "only-proxies 10.0.0.1"]
  ])("B3 %j is %s", (chain, expected) => assert.strictEqual(at("10.0.0.1", proxy, xff(chain)), expected))

  it("B3 several lines are one chain, in their order", () => {
    assert.strictEqual(at("10.0.0.1", proxy, xff("1.1.1.1"), xff("198.51.100.7, 10.0.0.2")), "Proxy 198.51.100.7")
    assert.strictEqual(at("10.0.0.1", proxy, xff("198.51.100.7"), xff("")), "malformed 10.0.0.1")
  })

  it("X-Real-IP counts only where it is allowed, once, and where there is no X-Forwarded-For", () => {
    const allowed = { ...proxy, realIpFallback: true }
    const real = (address: string) => ["X-Real-IP", address] as const
    assert.strictEqual(at("10.0.0.1", proxy, real("198.51.100.7")), "missing 10.0.0.1")
    assert.strictEqual(at("10.0.0.1", allowed, real("198.51.100.7")), "Proxy 198.51.100.7")
    assert.strictEqual(at("10.0.0.1", allowed, real("198.51.100.7"), real("198.51.100.8")), "malformed 10.0.0.1")
    assert.strictEqual(at("10.0.0.1", allowed, real("127.0.0.1")), "loopback 10.0.0.1")
    assert.strictEqual(at("10.0.0.1", allowed, real("1.1.1.1, 2.2.2.2")), "malformed 10.0.0.1")
    assert.strictEqual(at("10.0.0.1", allowed, real("1.1.1.1"), xff("x")), "malformed 10.0.0.1")
  })

  const Hop = Schema.Union([
    Schema.Literals([
      "10.0.0.1",
      " 10.9.9.9:80",
      "fd00::1",
      "198.51.100.7",
      "127.0.0.1",
      "",
      "x",
      "2001:db8::1",
      "[fd00::2]:1"
    ]),
    Schema.String
  ])
  it.prop(
    "whoever is found is no proxy and not this machine, and all right of it are proxies",
    [Schema.Array(Hop)],
    ([hops]) => {
      const trusts = (address: Ip.IpAddress) => proxy.trusted.some((range) => Ip.contains(range, address))
      const found = walk(hops.join(","), trusts)
      if (Result.isFailure(found)) return
      assert.isFalse(trusts(found.success))
      assert.isFalse(Ip.isLoopback(found.success))
      assert.isFalse(Ip.isUnspecified(found.success))
      // What a client puts in front changes nothing.
      assert.deepStrictEqual(walk(`127.0.0.1, evil,,${hops.join(",")}`, trusts), found)
      // One more trusted hop changes nothing either.
      assert.deepStrictEqual(walk(`${hops.join(",")}, 10.77.0.1`, trusts), found)
      // An untrusted one is the client instead.
      assert.deepStrictEqual(walk(`${hops.join(",")}, 203.0.113.5`, trusts), Result.succeed(Ip.parse("203.0.113.5")!))
    }
  )
})

describe("the user whom a proxy names", () => {
  const users = {
    userHeader: "x-forwarded-user",
    requiredHeaders: [] as Array<string>,
    allowUsers: [] as Array<string>,
    allowLoopback: false
  }
  const named = (
    remote: string,
    change: Partial<typeof users>,
    lines: ReadonlyArray<readonly [string, string]>,
    own: ReadonlyArray<string> | "unreadable" = ["10.0.0.99"]
  ) => {
    const policy = {
      trusted: trusted("10.0.0.0/8", "127.0.0.1"),
      realIpFallback: false,
      users: { ...users, ...change }
    }
    const { proxyUser } = attribute(asking(remote, [...lines, xff("198.51.100.7")]), policy, () =>
      own === "unreadable" ? undefined : own
    )
    return proxyUser === undefined ? "none" : Result.isSuccess(proxyUser) ? proxyUser.success : proxyUser.failure.check
  }
  const user = (name: string) => ["X-Forwarded-User", name] as const

  it("whoever names one in the configured header speaks for somebody: never local, and who listed it says for whom", () => {
    const policy = { ...local, users: { ...users, userHeader: "remote-user", allowLoopback: true } }
    const remote = ["Remote-User", "a"] as const
    assert.strictEqual(at("127.0.0.1", policy, remote), "missing 127.0.0.1")
    assert.strictEqual(at("127.0.0.1", policy, ["Remote-User", ""]), "missing 127.0.0.1")
    assert.strictEqual(at("127.0.0.1", { ...policy, trusted: [] }, remote), "Direct 127.0.0.1")
    assert.strictEqual(at("127.0.0.1", policy), "Direct 127.0.0.1 local")
    assert.strictEqual(at("127.0.0.1", local, remote), "Direct 127.0.0.1 local")
  })

  it.each([
    ["a trusted proxy", "10.0.0.1", {}, [user("a@example.com")], "a@example.com"],
    ["B2 a local process", "127.0.0.1", {}, [user("a@example.com")], "loopback-source"],
    ["B2 a local process, where local proxies are allowed", "127.0.0.1", { allowLoopback: true }, [user("a")], "a"],
    [
      "B2 loopback that is allowed and not listed",
      "127.0.0.2",
      { allowLoopback: true },
      [user("a")],
      "untrusted-source"
    ],
    ["somebody else", "192.0.2.1", {}, [user("a")], "untrusted-source"],
    ["B2 this machine by an address of its own", "10.0.0.99", {}, [user("a")], "own-address"],
    ["no user", "10.0.0.1", {}, [], "user-missing"],
    ["a blank one", "10.0.0.1", {}, [user("  ")], "user-missing"],
    ["two", "10.0.0.1", {}, [user("a"), user("b")], "user-missing"],
    ["control characters", "10.0.0.1", {}, [user("a\tb")], "user-missing"],
    ["other letters", "10.0.0.1", {}, [user("\u00e4")], "user-missing"],
    ["a long one", "10.0.0.1", {}, [user("a".repeat(300))], "user-missing"],
    ["one who is not listed", "10.0.0.1", { allowUsers: ["b"] }, [user("a")], "user-not-allowed"],
    ["case decides", "10.0.0.1", { allowUsers: ["A"] }, [user("a")], "user-not-allowed"],
    ["one who is listed", "10.0.0.1", { allowUsers: ["b", "a"] }, [user("a")], "a"],
    ["a required header that is missing", "10.0.0.1", { requiredHeaders: ["x-proof"] }, [user("a")], "missing-header"],
    [
      "a required header that is there",
      "10.0.0.1",
      { requiredHeaders: ["x-proof"] },
      [user("a"), ["X-Proof", "1"]],
      "a"
    ]
  ] as const)("%s", (_, remote, change, lines, expected) =>
    assert.strictEqual(named(remote, change as Partial<typeof users>, lines), expected)
  )

  it("this machine's addresses cannot be read: nobody is believed", () =>
    assert.strictEqual(named("10.0.0.1", {}, [user("a")], "unreadable"), "own-address"))
})

describe("the listener that only Tailscale is told of", () => {
  const whole = [xff("100.64.0.7"), ["X-Forwarded-Proto", "https"], ["X-Forwarded-Host", "host.ts.net"]] as const
  const login = (name: string) => ["Tailscale-User-Login", name] as const
  const seen = (mode: "serve" | "funnel", lines: ReadonlyArray<readonly [string, string]>, remote = "127.0.0.1") => {
    const origin = attributeTailscale(asking(remote, lines), mode)
    const { ingress } = origin
    if (ingress._tag !== "Serve") return said(origin)
    return `${Result.isSuccess(ingress.login) ? ingress.login.success : ingress.login.failure} ${origin.address}`
  }

  it.each([
    ["a person", [...whole, login("a@example.com")], "a@example.com 100.64.0.7"],
    ["B4 no login", whole, "login-missing 100.64.0.7"],
    ["B4 the header twice", [...whole, login("a"), login("a")], "login-repeated 100.64.0.7"],
    ["B4 empty", [...whole, login("")], "login-malformed 100.64.0.7"],
    ["B4 control characters", [...whole, login("a\u0001")], "login-malformed 100.64.0.7"],
    ["B4 other letters", [...whole, login("\u00e4@example.com")], "login-malformed 100.64.0.7"],
    ["B4 10 KB", [...whole, login("a".repeat(10_000))], "login-malformed 100.64.0.7"],
    ["B4 a local program that says nothing", [], "not-tailscale 127.0.0.1"],
    ["B4 a local program with a login only", [login("a")], "not-tailscale 127.0.0.1"],
    ["no X-Forwarded-Host", whole.slice(0, 2), "not-tailscale 127.0.0.1"],
    ["two hops", [xff("1.2.3.4, 100.64.0.7"), ...whole.slice(1)], "not-tailscale 127.0.0.1"],
    ["two lines of hops", [xff("1.2.3.4"), ...whole], "not-tailscale 127.0.0.1"],
    ["A9 loopback", [xff("127.0.0.1"), ...whole.slice(1)], "loopback 127.0.0.1"],
    ["B5 Funnel", [...whole, login("a"), ["Tailscale-Funnel-Request", "?1"]], "funnel 127.0.0.1"]
  ] as ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, string]>, string]>)(
    "serve: %s",
    (_, lines, expected) => assert.strictEqual(seen("serve", lines), expected)
  )

  it("B5 through Funnel there is no identity, whatever is said", () => {
    assert.strictEqual(seen("funnel", [...whole, login("a@example.com")]), "Funnel 100.64.0.7")
    assert.strictEqual(seen("funnel", [...whole, ["Tailscale-Funnel-Request", "?1"]]), "Funnel 100.64.0.7")
    assert.strictEqual(seen("funnel", [...whole, ["Tailscale-Funnel-Request", "?0"]]), "funnel 127.0.0.1")
  })

  it("a peer that is not this machine is nobody's", () =>
    assert.strictEqual(seen("serve", [...whole, login("a")], "192.0.2.1"), "not-tailscale 192.0.2.1"))
})
