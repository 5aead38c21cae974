/** What a Gateway says of itself, and to whom. */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import {
  contests,
  goodbye,
  label,
  MDNS_PORT,
  nameOf,
  type Offer,
  recordsOf,
  reply,
  withHost
} from "../../src/layers/discovery/records.ts"
import { SERVICE_NAME } from "../../src/services/Beacon.ts"
import { network, packet } from "./lan.ts"

const offer: Offer = {
  instance: "den (OpenClaw)",
  host: "den",
  port: 18_789,
  txt: { role: "gateway", transport: "gateway", displayName: "den", gatewayTls: undefined, cliPath: "x".repeat(300) }
}
const name = nameOf(offer.instance, 1)
const here = { ...network("eth0", "10.0.0.2"), more: ["fd00::2"] }
const records = recordsOf(offer, name, here)
const ask = (name: string, type: "A" | "AAAA" | "ANY" | "PTR" | "SRV" | "TXT", port = MDNS_PORT) =>
  packet({ type: "query", id: 77, questions: [{ name, type }], from: { address: "10.0.0.9", port } })
const typesOf = (found: ReadonlyArray<{ readonly type: string }> | undefined) => found?.map(({ type }) => type)

describe("recordsOf", () => {
  it("a service, its host, and the texts that have a value and fit", () => {
    assert.deepStrictEqual(typesOf(records), ["PTR", "SRV", "TXT", "A", "AAAA"])
    const txt = records.find(({ type }) => type === "TXT")
    assert.deepStrictEqual(txt?.type === "TXT" ? txt.data.map((bytes) => Buffer.from(bytes).toString()) : [], [
      "role=gateway",
      "transport=gateway",
      "displayName=den"
    ])
  })

  it.prop("a label fits, holds no dot, and keeps its characters whole", [Schema.String, Schema.Int], ([text, n]) => {
    const made = label(text, ` (${n})`)
    assert.isAtMost(Buffer.byteLength(made), 63)
    assert.notInclude(made, ".")
    assert.isTrue(made.endsWith(` (${n})`))
    assert.isTrue(made.length > ` (${n})`.length)
  })

  it("long names are cut between characters", () => {
    const made = label("é".repeat(60))
    assert.strictEqual(made, "é".repeat(31))
    assert.strictEqual(label("..\u0000"), "-")
    assert.strictEqual(label("   "), "OpenClaw")
  })
})

describe("reply", () => {
  it("to who looks for the service: everything that is needed to reach it", () => {
    const answer = reply(ask("_OpenClaw-GW._tcp.LOCAL", "PTR"), records)
    assert.deepStrictEqual(typesOf(answer?.answers), ["PTR"])
    assert.deepStrictEqual(typesOf(answer?.additionals), ["SRV", "TXT", "A", "AAAA"])
    assert.isUndefined(answer?.to)
  })

  it("to who asks for a part: that part, once", () => {
    assert.deepStrictEqual(typesOf(reply(ask(name, "SRV"), records)?.answers), ["SRV"])
    assert.deepStrictEqual(typesOf(reply(ask(name, "ANY"), records)?.answers), ["SRV", "TXT"])
    assert.deepStrictEqual(typesOf(reply(ask("den.local", "A"), records)?.answers), ["A"])
    const twice = packet({
      type: "query",
      questions: [
        { name, type: "TXT" },
        { name, type: "ANY" }
      ]
    })
    assert.deepStrictEqual(typesOf(reply(twice, records)?.answers), ["TXT", "SRV"])
    assert.deepStrictEqual(reply(ask("_services._dns-sd._udp.local", "PTR"), records)?.answers?.[0]?.data, SERVICE_NAME)
  })

  it("nothing to who asks for others, or knows it", () => {
    assert.isUndefined(reply(ask("_http._tcp.local", "PTR"), records))
    assert.isUndefined(reply(ask("other.local", "A"), records))
    const [known] = records
    const query = ask(SERVICE_NAME, "PTR")
    assert.isUndefined(reply({ ...query, answers: known === undefined ? [] : [known] }, records))
    const old = known === undefined ? [] : [{ ...known, ttl: 100 }]
    assert.isDefined(reply({ ...query, answers: old }, records))
  })

  it("a resolver that takes no part in multicast is answered by itself, and not to keep it for long", () => {
    const answer = reply(ask(SERVICE_NAME, "PTR", 40_000), records)
    assert.deepStrictEqual(answer?.to, { address: "10.0.0.9", port: 40_000 })
    assert.strictEqual(answer?.id, 77)
    assert.deepStrictEqual(answer?.questions, [{ name: SERVICE_NAME, type: "PTR" }])
    for (const record of [...(answer?.answers ?? []), ...(answer?.additionals ?? [])]) {
      assert.isAtMost(record.ttl, 10)
      assert.isFalse(record.flush)
    }
  })

  it("goodbye ends the service, and not the host", () => {
    const { answers = [] } = goodbye(records)
    assert.deepStrictEqual(typesOf(answers), ["PTR", "SRV", "TXT"])
    assert.isTrue(answers.every(({ ttl }) => ttl === 0))
  })
})

describe("contests", () => {
  const srv = (port: number, target: string) =>
    ({ name: name.toUpperCase(), type: "SRV", ttl: 120, data: { port, target } }) as const
  const a = (data: string) => ({ name: "DEN.local", type: "A", ttl: 120, data }) as const
  const isOwn = (address: string) => address === "10.0.0.2"
  const from = (address: string) => ({ address, port: MDNS_PORT })
  const said = (address: string, ...answers: ReadonlyArray<ReturnType<typeof a> | ReturnType<typeof srv>>) =>
    contests(packet({ type: "response", answers, from: from(address) }), records, isOwn)

  it("who has the name: another place", () => {
    assert.strictEqual(said("10.0.0.2", srv(18_790, "den.local")), "name")
    assert.strictEqual(said("10.0.0.9", srv(18_789, "attic.local")), "name")
  })

  it("who has the host's name: another machine, whatever else it says", () => {
    assert.strictEqual(said("10.0.0.9", a("10.0.0.9")), "host")
    assert.strictEqual(said("10.0.0.9", srv(1, "x.local"), a("10.0.0.9")), "host")
    assert.isUndefined(said("10.0.0.2", a("172.17.0.1")))
  })

  it("hearing oneself, also through a repeater, is no contest, nor is a goodbye or another name", () => {
    assert.isUndefined(said("10.0.0.2", srv(18_789, "DEN.local"), a("10.0.0.2")))
    assert.isUndefined(said("10.0.0.1", srv(18_789, "DEN.local"), a("10.0.0.2")))
    const gone = packet({ type: "response", answers: [{ ...srv(1, "x.local"), ttl: 0 }] })
    assert.isUndefined(contests(gone, records, isOwn))
    const other = packet({ type: "response", answers: [{ ...srv(1, "x.local"), name: `x.${SERVICE_NAME}` }] })
    assert.isUndefined(contests(other, records, isOwn))
  })

  it("of two who want it at once exactly one gives way", () => {
    const wants = (record: ReturnType<typeof a> | ReturnType<typeof srv>) =>
      contests(packet({ type: "query", authorities: [record] }), records, isOwn)
    assert.strictEqual(wants(srv(18_790, "den.local")), "wanted")
    assert.isUndefined(wants(srv(18_788, "den.local")))
    assert.isUndefined(wants(srv(18_789, "den.local")))
    assert.strictEqual(wants(a("10.0.0.10")), "wanted")
    assert.isUndefined(wants(a("10.0.0.1")))
  })
})

describe("withHost", () => {
  const offer = { instance: "den", host: "d".repeat(63), port: 1, txt: { lanHost: "x", displayName: "den" } }

  it("another name for the host is a label still, and is what is told", () => {
    assert.strictEqual(withHost(offer, 1), offer)
    const { host, txt } = withHost(offer, 12)
    assert.strictEqual(host, `${"d".repeat(60)}-12`)
    assert.deepStrictEqual(txt, { lanHost: `${host}.local`, displayName: "den" })
  })
})
