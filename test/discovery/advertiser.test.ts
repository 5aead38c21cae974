/** Where a Gateway is found, what of it, and what happens when that does not work. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import { parse } from "../../src/domain/TlsFingerprint.ts"
import * as Result from "effect/Result"
import * as Advertiser from "../../src/layers/discovery/Advertiser.ts"
import { modeOf, networksFor, offerOf } from "../../src/layers/discovery/settings.ts"
import { networksOf } from "../../src/layers/discovery/Multicast.ts"
import * as SupervisorLayer from "../../src/layers/Supervisor.ts"
import { Config } from "../../src/services/Config.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { Gateway } from "../../src/services/Gateway.ts"
import { Multicast } from "../../src/services/Multicast.ts"
import { makeLan, network } from "./lan.ts"

const hex = "ab".repeat(32)
const fingerprint = Result.getOrThrow(parse(hex, "the test"))
const plugin = (enabled: boolean) => ({ plugins: { entries: { bonjour: { enabled } } } })
const mode = (mode: "full" | "minimal" | "off") => ({ discovery: { mdns: { mode } } })

describe("modeOf", () => {
  const rows: ReadonlyArray<readonly [OpenClawConfig, string | undefined, string, string]> = [
    [{}, undefined, "linux", "off"],
    [{}, undefined, "darwin", "minimal"],
    [mode("full"), undefined, "linux", "full"],
    [mode("minimal"), undefined, "linux", "minimal"],
    [mode("off"), undefined, "darwin", "off"],
    [plugin(true), undefined, "linux", "minimal"],
    [plugin(false), undefined, "darwin", "off"],
    [{ ...plugin(false), ...mode("full") }, undefined, "darwin", "off"],
    [{ ...plugin(true), ...mode("off") }, undefined, "linux", "off"],
    [mode("full"), "1", "linux", "off"],
    [{}, " YES ", "darwin", "off"],
    [{}, "0", "linux", "minimal"],
    [mode("off"), "0", "linux", "off"],
    [{}, "perhaps", "linux", "off"]
  ]
  it.each(rows)("%j with OPENCLAW_DISABLE_BONJOUR=%s on %s: %s", (config, variable, platform, expected) => {
    assert.strictEqual(modeOf(config, { OPENCLAW_DISABLE_BONJOUR: variable }, platform), expected)
  })
})

describe("offerOf", () => {
  const facts = {
    platform: "linux",
    hostname: "Den.lan",
    bind: "0.0.0.0",
    port: 1,
    tls: true,
    tlsFingerprint: fingerprint
  }
  const variables = {
    OPENCLAW_TAILNET_DNS: "den.x.ts.net",
    OPENCLAW_SSH_PORT: "2222",
    OPENCLAW_CLI_PATH: "/opt/openclaw"
  }

  it("minimal: what is needed to choose and to reach it", () => {
    assert.deepStrictEqual(JSON.parse(JSON.stringify(offerOf(mode("minimal"), variables, facts))), {
      instance: "Den (OpenClaw)",
      host: "Den",
      port: 1,
      txt: {
        role: "gateway",
        transport: "gateway",
        displayName: "Den",
        lanHost: "Den.local",
        gatewayPort: "1",
        gatewayTls: "1",
        gatewayTlsSha256: hex.toUpperCase().replace(/(..)(?=.)/g, "$1:"),
        gatewayDirectReachable: "1"
      }
    })
  })

  it("full: also how to get in by ssh, and by a tailnet", () => {
    const txt = offerOf(mode("full"), variables, facts)?.txt
    assert.deepStrictEqual([txt?.sshPort, txt?.cliPath, txt?.tailnetDns], ["2222", "/opt/openclaw", "den.x.ts.net"])
    assert.strictEqual(offerOf(mode("full"), {}, facts)?.txt.sshPort, "22")
  })

  it("a Gateway that listens on loopback does not say that it can be reached", () => {
    const txt = offerOf(
      mode("minimal"),
      {},
      { ...facts, bind: "127.0.0.1", tls: false, tlsFingerprint: undefined }
    )?.txt
    assert.deepStrictEqual(
      [txt?.gatewayDirectReachable, txt?.gatewayTls, txt?.gatewayTlsSha256],
      [undefined, undefined, undefined]
    )
  })

  it("a host name that is no label is replaced", () => {
    const host = (hostname: string, name?: string) =>
      offerOf(mode("minimal"), { OPENCLAW_MDNS_HOSTNAME: name }, { ...facts, hostname })?.host
    assert.deepStrictEqual(
      [host("my mac"), host("a_b"), host(""), host("x".repeat(64)), host("den", "attic.local")],
      ["openclaw", "openclaw", "openclaw", "openclaw", "attic"]
    )
  })
})

describe("networks", () => {
  it("those with neighbours, by their IPv4 address", () => {
    const v4 = (address: string, cidr: string, internal = false) =>
      ({ address, netmask: "", family: "IPv4", mac: "", internal, cidr }) as const
    const v6 = (address: string, scopeid: number) =>
      ({ address, netmask: "", family: "IPv6", mac: "", internal: false, cidr: null, scopeid }) as const
    const found = networksOf({
      lo: [v4("127.0.0.1", "127.0.0.1/8", true)],
      eth0: [v6("fe80::1", 2), v6("fd00::1", 0), v4("10.0.0.1", "10.0.0.1/24"), v4("10.0.0.2", "10.0.0.2/24")],
      tailscale0: [v4("100.100.1.1", "100.100.1.1/32")],
      wg0: [v6("fd01::1", 0)]
    })
    assert.deepStrictEqual(found, [{ name: "eth0", address: "10.0.0.1", prefix: 24, more: ["fd00::1"] }])
  })

  it("a Gateway on one address is found there only", () => {
    const all = [network("eth0", "10.0.0.1"), network("wlan0", "10.0.1.1")]
    assert.deepStrictEqual(networksFor("0.0.0.0", all), all)
    assert.deepStrictEqual(networksFor("127.0.0.1", all), all)
    assert.deepStrictEqual(networksFor("10.0.1.1", all), all.slice(1))
    assert.deepStrictEqual(networksFor("100.64.0.1", all), [])
  })
})

const gatewayAt = (url: string) =>
  Layer.mock(Gateway)({
    host: "0.0.0.0",
    port: 7,
    url,
    bootId: "b",
    startedAt: 0,
    tlsFingerprint: Effect.succeed(fingerprint)
  })

/** A Gateway with a configuration and networks that may change. */
const world = (config: OpenClawConfig) => {
  const lan = makeLan()
  const current = { config, networks: { current: [network("eth0", "10.0.0.1")] } }
  const logged: Array<string> = []
  const gateway = gatewayAt("wss://127.0.0.1:7")
  const files = Layer.mock(Config)({ file: "openclaw.json", get: Effect.sync(() => current.config) })
  const layer = Advertiser.layer({ env: { OPENCLAW_MDNS_HOSTNAME: "den" } }).pipe(
    Layer.provide([gateway, files, SupervisorLayer.layer]),
    Layer.provide(Layer.succeed(Multicast)(lan.machine(current.networks))),
    Layer.provide(
      Logger.layer([Logger.make(({ logLevel, message }) => void logged.push(`${logLevel} ${String(message)}`))])
    )
  )
  const texts = () =>
    lan.sent
      .flatMap(({ answers = [] }) => answers)
      .flatMap((record) => (record.type === "TXT" ? [record.data.map((bytes) => Buffer.from(bytes).toString())] : []))
  return { lan, current, layer, texts, warnings: () => logged.filter((line) => line.startsWith("Warn")) }
}

const seconds = (n: number) => TestClock.adjust(`${n} seconds`)

describe("Advertiser", () => {
  it.effect("opens nothing where a Gateway is not to be found", () =>
    Effect.gen(function* () {
      const { lan, layer } = world(mode("off"))
      yield* Layer.build(layer)
      yield* seconds(60)
      assert.deepStrictEqual([lan.sent.length, lan.listeners("eth0")], [0, 0])
    })
  )

  it.effect("another mode holds without a restart: what was said is taken back first", () =>
    Effect.gen(function* () {
      const { current, lan, layer, texts } = world(mode("full"))
      yield* Layer.build(layer)
      yield* seconds(4)
      assert.include(texts().at(-1) ?? [], "sshPort=22")
      current.config = mode("minimal")
      yield* seconds(10)
      assert.notInclude(texts().at(-1) ?? [], "sshPort=22")
      assert.isTrue(lan.sent.some(({ answers = [] }) => answers.some(({ ttl }) => ttl === 0)))
      current.config = mode("off")
      yield* seconds(6)
      assert.strictEqual(lan.listeners("eth0"), 0)
    })
  )

  it.effect("follows the networks of its machine, and leaves those alone that stay", () =>
    Effect.gen(function* () {
      const { current, lan, layer } = world(mode("minimal"))
      yield* Layer.build(layer)
      yield* seconds(4)
      current.networks.current = [network("eth0", "10.0.0.1"), network("wlan0", "10.0.1.1")]
      yield* seconds(10)
      assert.deepStrictEqual([lan.listeners("eth0"), lan.listeners("wlan0")], [1, 1])
      assert.strictEqual(lan.sent.filter(({ network, type }) => network === "eth0" && type === "query").length, 3)
      current.networks.current = [network("wlan0", "10.0.1.77")]
      yield* seconds(10)
      assert.deepStrictEqual([lan.listeners("eth0"), lan.listeners("wlan0")], [0, 1])
      assert.strictEqual(lan.sent.at(-1)?.from.address, "10.0.1.77")
    })
  )

  it.effect("where multicast does not work the log says so once, and it comes back by itself", () =>
    Effect.gen(function* () {
      const { lan, layer, texts, warnings } = world(mode("minimal"))
      lan.breakDown("eth0")
      yield* Layer.build(layer)
      yield* seconds(60)
      assert.strictEqual(warnings().length, 1)
      assert.include(warnings()[0], "eth0 (EPERM)")
      assert.include(warnings()[0], "discovery.mdns.mode")
      lan.heal()
      yield* seconds(10)
      assert.strictEqual(texts().length, 2)
    })
  )

  it.effect("says goodbye when the Gateway ends", () =>
    Effect.gen(function* () {
      const { lan, layer } = world(mode("minimal"))
      yield* Effect.scoped(Effect.andThen(Layer.build(layer), seconds(4)))
      assert.isTrue(lan.sent.at(-1)?.answers?.every(({ ttl }) => ttl === 0))
      assert.strictEqual(lan.listeners("eth0"), 0)
    })
  )

  it.effect("an app that gives no Multicast tells nothing", () =>
    Layer.build(
      Advertiser.layer().pipe(
        Layer.provide([
          gatewayAt("wss://127.0.0.1:7"),
          Layer.mock(Config)({ file: "openclaw.json" }),
          SupervisorLayer.layer
        ])
      )
    )
  )
})
