/** Addresses and ranges, held against Node's own reading of them. */
import { BlockList, isIP, SocketAddress } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Ip from "../../src/domain/IpAddress.ts"

const between = (maximum: number) => Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum })))
const Byte = between(255)
const V4 = Schema.Tuple([Byte, Byte, Byte, Byte])
const Group = Schema.Union([between(0xffff), Schema.Literal(0)])
const V6 = Schema.Tuple([Group, Group, Group, Group, Group, Group, Group, Group])

const family = (text: string) => (isIP(text) === 4 ? "ipv4" : "ipv6")

describe("IpAddress", () => {
  it.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:127.0.0.1", "127.0.0.1"],
    ["::FFFF:7f00:1", "127.0.0.1"],
    ["0:0:0:0:0:ffff:10.1.2.3", "10.1.2.3"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:DB8::", "2001:db8::"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"]
  ])("%s is %s", (text, canonical) => {
    const address = Ip.parse(text)
    assert.strictEqual(address === undefined ? undefined : Ip.format(address), canonical)
  })

  it.each([
    "",
    " ",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "010.0.0.1",
    "256.0.0.1",
    "1.2.3.4.5",
    "1.2.3.4 ",
    "1.2.3.4:80",
    "[::1]",
    "fe80::1%eth0",
    "1::2::3",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8:9",
    "12345::",
    "::1.2.3",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "localhost",
    "unknown",
    `${"0".repeat(100)}1`
  ])("%j is none", (text) => assert.isUndefined(Ip.parse(text)))

  it.each([
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/08",
    "::ffff:0:0/95",
    "::/129",
    "/8",
    "x/8"
  ])("%s is no range", (text) => assert.isUndefined(Ip.parseRange(text)))

  it.prop("IPv4 reads and writes itself", [V4], ([bytes]) => {
    const text = bytes.join(".")
    const address = Ip.parse(text)
    assert.isDefined(address)
    assert.strictEqual(Ip.format(address!), text)
    assert.deepStrictEqual(Ip.parse(`::ffff:${text}`), address)
  })

  it.prop("IPv6 is written as Node writes it", [V6], ([groups]) => {
    const text = groups.map((group) => group.toString(16)).join(":")
    const address = Ip.parse(text)
    assert.isDefined(address)
    const written = Ip.format(address!)
    if (address!.family === 4) return
    assert.deepStrictEqual(Ip.parse(written), address)
    const node = new SocketAddress({ address: text, family: "ipv6" }).address
    // The C library writes some of them with dots.
    if (!node.includes(".")) assert.strictEqual(written, node)
  })

  it.prop("no text is an address here and none to Node, but for its zones", [Schema.String], ([text]) => {
    assert.strictEqual(Ip.parse(text) !== undefined, isIP(text) !== 0 && !text.includes("%"))
  })

  it.prop("a range holds what Node's holds", [V4, V4, between(32)], ([base, other, prefix]) => {
    const list = new BlockList()
    list.addSubnet(base.join("."), prefix, "ipv4")
    const range = Ip.parseRange(`${base.join(".")}/${prefix}`)
    const near = [base[0], base[1], base[2], other[3]].join(".")
    for (const text of [other.join("."), near, base.join(".")]) {
      assert.strictEqual(
        Ip.contains(range!, Ip.parse(text)!),
        list.check(text, family(text)),
        `${text} in ${base.join(".")}/${prefix}`
      )
    }
    assert.deepStrictEqual(Ip.parseRange(`::ffff:${base.join(".")}/${prefix + 96}`), range)
    assert.isFalse(Ip.contains(range!, Ip.parse("2001:db8::1")!))
  })

  it.prop("also of IPv6", [V6, V6, between(128)], ([base, other, prefix]) => {
    const text = (groups: ReadonlyArray<number>) => groups.map((group) => group.toString(16)).join(":")
    const range = Ip.parseRange(`${text(base)}/${prefix}`)
    if (range === undefined || range.base.family === 4) return
    const list = new BlockList()
    list.addSubnet(text(base), prefix, "ipv6")
    for (const groups of [other, [...base.slice(0, 6), other[6], other[7]], base]) {
      const address = Ip.parse(text(groups as ReadonlyArray<number>))
      if (address?.family === 6) {
        assert.strictEqual(Ip.contains(range, address), list.check(text(groups as ReadonlyArray<number>), "ipv6"))
      }
    }
  })
})
