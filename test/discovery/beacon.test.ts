/** What strangers say is bounded and safe to print, and proves nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { beacons, type Cache, learn, missing, txtOf } from "../../src/client/discovery/beacon.ts"
import { recordsOf } from "../../src/layers/discovery/records.ts"
import { SERVICE_NAME } from "../../src/services/Beacon.ts"
import type { DnsRecord } from "../../src/services/Multicast.ts"
import { network } from "./lan.ts"

const bytes = (...entries: ReadonlyArray<string>) => entries.map((entry) => Buffer.from(entry))
const told = (...records: ReadonlyArray<DnsRecord>): Cache => {
  const cache: Cache = new Map()
  learn(cache, records)
  return cache
}
const name = `den.${SERVICE_NAME}`
const ptr = (data: string, ttl = 120): DnsRecord => ({ name: SERVICE_NAME, type: "PTR", ttl, data })
const srv = (target: string, port = 1, of = name): DnsRecord => ({
  name: of,
  type: "SRV",
  ttl: 120,
  data: { port, target }
})
const fingerprint = "AB:".repeat(31) + "AB"

describe("txtOf", () => {
  it("known keys in either case, the first of each, each by its own rule", () => {
    assert.deepStrictEqual(
      txtOf(
        bytes(
          "ROLE=gateway",
          "role=evil",
          "gatewayPort=18789",
          "gatewayTls=1",
          `gatewayTlsSha256=${fingerprint}`,
          "x=1"
        )
      ),
      { role: "gateway", gatewayPort: "18789", gatewayTls: "1", gatewayTlsSha256: fingerprint }
    )
  })

  it("what breaks its rule is not there", () => {
    assert.deepStrictEqual(
      txtOf(
        bytes(
          "gatewayPort=0",
          "sshPort=99999",
          "lanHost=-oProxyCommand=x",
          "tailnetDns=a b",
          "gatewayTls=maybe",
          "gatewayTlsSha256=ab",
          "role=a\u001b[2J",
          "=x",
          "displayName"
        )
      ),
      {}
    )
  })

  it.prop(
    "whatever the bytes, each value is one short line without control characters",
    [Schema.Array(Schema.Uint8Array)],
    ([entries]) => {
      const named = ["displayName=", "cliPath=", "role=", "lanHost="].flatMap((key) =>
        entries.map((entry) => Buffer.concat([Buffer.from(key), entry]))
      )
      for (const value of Object.values(txtOf([...entries, ...named]))) {
        assert.isTrue(typeof value === "string" && value.length <= 255 && !/[\p{Cc}\p{Bidi_Control}]/u.test(value))
      }
    }
  )
})

describe("beacons", () => {
  it("reads what our own Gateway says", () => {
    const offer = { instance: "den", host: "den", port: 18_789, txt: { displayName: "The Den", gatewayTls: "1" } }
    const [found] = beacons(told(...recordsOf(offer, name, network("eth0", "10.0.0.2"))))
    assert.deepStrictEqual(found, {
      instanceName: "den",
      displayName: "The Den",
      domain: "local.",
      host: "den.local",
      port: 18_789,
      addresses: ["10.0.0.2"],
      wsUrl: "wss://den.local:18789",
      txt: { displayName: "The Den", gatewayTls: "1" }
    })
  })

  it("the address comes from the service record, never from the texts", () => {
    const hints: DnsRecord = {
      name,
      type: "TXT",
      ttl: 120,
      data: bytes("lanHost=evil.local", "gatewayPort=9", "tailnetDns=evil.ts.net")
    }
    const [found] = beacons(told(ptr(name), srv("den.local", 18_789), hints))
    assert.strictEqual(found?.wsUrl, "ws://den.local:18789")
  })

  it("a host that OpenClaw's Gateway renamed", () => {
    const [found] = beacons(told(ptr(name), srv("den-(3).local", 18_789)))
    assert.strictEqual(found?.wsUrl, "ws://den-(3).local:18789")
  })

  it("is left out with a host that is none, without a port, and once it said goodbye", () => {
    for (const target of ["-oProxyCommand=x", "a b", "", "a..b", "x".repeat(300), "den.local/path", "[::1]"]) {
      assert.deepStrictEqual(beacons(told(ptr(name), srv(target))), [], target)
    }
    assert.deepStrictEqual(beacons(told(ptr(name), srv("den.local", 0))), [])
    assert.deepStrictEqual(beacons(told(ptr(name), srv("den.local"), ptr(name, 0))), [])
  })

  it("control characters of a name are not shown, and dots in it stay", () => {
    const evil = `Dr. \u001b[2J\u202eEvil.${SERVICE_NAME}`
    const [found] = beacons(told(ptr(evil), srv("den.local", 1, evil)))
    assert.strictEqual(found?.instanceName, "Dr. [2J Evil")
  })

  it("a flood is bounded", () => {
    const cache: Cache = new Map()
    for (let n = 0; n < 5000; n++) {
      const one = `n${n}.${SERVICE_NAME}`
      learn(cache, [ptr(one), srv(`h${n}.local`, 1, one), { name: `h${n}.local`, type: "A", ttl: 9, data: "10.0.0.1" }])
    }
    assert.isAtMost(cache.size, 512)
    assert.isAtMost(beacons(cache).length, 64)
    assert.isAtMost(missing(cache).length, 128)
  })

  it("what else is on the network is not kept", () => {
    assert.strictEqual(
      told(
        { name: "_http._tcp.local", type: "PTR", ttl: 9, data: "x._http._tcp.local" },
        srv("x.local", 1, "x._http._tcp.local")
      ).size,
      0
    )
  })

  it("asks for what was left out, and for nothing that cannot be a name", () => {
    assert.deepStrictEqual(missing(told(ptr(name))), [
      { name, type: "SRV" },
      { name, type: "TXT" }
    ])
    assert.deepStrictEqual(missing(told(ptr(name), srv("den.local"))), [
      { name: "den.local", type: "A" },
      { name, type: "TXT" }
    ])
    assert.deepStrictEqual(missing(told(ptr(name), srv("-bad host"))), [{ name, type: "TXT" }])
  })
})
