/**
 * What a Gateway says of itself in DNS records, and which of them answer a question. Pure.
 */
import { sameName, SERVICE_NAME, type Txt, TXT_KEYS } from "../../services/Beacon.ts"
import type { DnsRecord, Network, Outgoing, Question, Received } from "../../services/Multicast.ts"

/** A Gateway as it wants to be found. */
export interface Offer {
  /** What people see in a list. */
  readonly instance: string
  /** First label of the host's name. */
  readonly host: string
  readonly port: number
  readonly txt: Txt
}

const MAX_LABEL_BYTES = 63
/** Seconds, as RFC 6762 recommends: for what names a host, and for the rest. */
const HOST_TTL = 120
const OTHER_TTL = 4500
/** For who would not hear of a change. */
const LEGACY_TTL = 10
const ALL_TYPES = "_services._dns-sd._udp.local"
/** Where those who take part in multicast listen and send from. */
export const MDNS_PORT = 5353

const bytesOf = (text: string): number => Buffer.byteLength(text)

/** A DNS label: at most 63 bytes, whole characters, no dot, which would end it. */
export const label = (text: string, suffix = ""): string => {
  let short = text.replace(/[\p{Cc}.]+/gu, "-").trim()
  while (bytesOf(short) + bytesOf(suffix) > MAX_LABEL_BYTES) short = Array.from(short).slice(0, -1).join("")
  return `${short.trim() === "" ? "OpenClaw" : short.trim()}${suffix}`
}

/** The name of the n-th of several that want the same one, from 1 on. */
export const nameOf = (instance: string, n: number): string =>
  `${label(instance, n === 1 ? "" : ` (${n})`)}.${SERVICE_NAME}`

/** The same Gateway under the n-th name for its host, from 1 on. */
export const withHost = (offer: Offer, n: number): Offer => {
  if (n === 1) return offer
  const suffix = `-${n}`
  const host = `${offer.host.slice(0, MAX_LABEL_BYTES - suffix.length)}${suffix}`
  return { ...offer, host, txt: { ...offer.txt, lanHost: `${host}.local` } }
}

/** Strings in TXT have a length of one byte. */
const txtOf = (txt: Txt): ReadonlyArray<Uint8Array> =>
  TXT_KEYS.flatMap((key) => {
    const bytes = txt[key] === undefined ? undefined : Buffer.from(`${key}=${txt[key]}`)
    return bytes === undefined || bytes.length > 255 ? [] : [bytes]
  })

/** Everything that is said on one network under one name. */
export const recordsOf = ({ host, port, txt }: Offer, name: string, network: Network): ReadonlyArray<DnsRecord> => {
  const target = `${host}.local`
  return [
    { name: SERVICE_NAME, type: "PTR", ttl: OTHER_TTL, data: name },
    { name, type: "SRV", ttl: HOST_TTL, flush: true, data: { port, target } },
    { name, type: "TXT", ttl: OTHER_TTL, flush: true, data: txtOf(txt) },
    // Another responder of this machine may tell of the same host, so what it said is left in place.
    { name: target, type: "A", ttl: HOST_TTL, data: network.address },
    ...network.more.map((address) => ({ name: target, type: "AAAA", ttl: HOST_TTL, data: address }) as const)
  ]
}

const answersTo = (question: Question, records: ReadonlyArray<DnsRecord>): ReadonlyArray<DnsRecord> => {
  if (sameName(question.name, ALL_TYPES) && (question.type === "PTR" || question.type === "ANY")) {
    return [{ name: ALL_TYPES, type: "PTR", ttl: OTHER_TTL, data: SERVICE_NAME }]
  }
  return records.filter(
    ({ name, type }) => sameName(name, question.name) && (question.type === "ANY" || question.type === type)
  )
}

/** Who asks says what is known already, which need not be said again before half of its time is over. */
const isKnown = (record: DnsRecord, known: ReadonlyArray<DnsRecord>): boolean =>
  record.type === "PTR" &&
  known.some(
    (other) =>
      other.type === "PTR" &&
      sameName(other.name, record.name) &&
      sameName(other.data, record.data) &&
      other.ttl >= record.ttl / 2
  )

/**
 * The answer to a query; `undefined` when it is not for us. A resolver that does not take part in multicast, which its port
 * shows, is answered by itself.
 */
export const reply = (query: Received, records: ReadonlyArray<DnsRecord>): Outgoing | undefined => {
  const found = query.questions.flatMap((question) => answersTo(question, records))
  const answers = Array.from(new Set(found)).filter((record) => !isKnown(record, query.answers))
  if (answers.length === 0) return undefined
  const additionals = answers.some(({ type }) => type === "PTR" || type === "SRV")
    ? records.filter((record) => !answers.includes(record) && record.type !== "PTR")
    : []
  if (query.from.port === MDNS_PORT) return { type: "response", answers, additionals }
  const short = (record: DnsRecord) => ({ ...record, flush: false, ttl: Math.min(record.ttl, LEGACY_TTL) })
  return {
    type: "response",
    id: query.id,
    questions: query.questions.flatMap(({ name, type }) => (type === "ANY" ? [] : [{ name, type }])),
    answers: answers.map(short),
    additionals: additionals.map(short),
    to: query.from
  }
}

/** The same records as their end: whoever keeps them forgets them. Addresses stay, because the host does. */
export const goodbye = (records: ReadonlyArray<DnsRecord>): Outgoing => ({
  type: "response",
  answers: records.flatMap((record) =>
    record.type === "A" || record.type === "AAAA" ? [] : [{ ...record, ttl: 0 } as DnsRecord]
  )
})

type Srv = Extract<DnsRecord, { type: "SRV" }>
type Address = Extract<DnsRecord, { type: "A" | "AAAA" }>
const isSrv = (record: DnsRecord): record is Srv => record.type === "SRV"
const isA = (record: DnsRecord): record is Address => record.type === "A"

const about = (name: string) => (record: DnsRecord) => record.ttl > 0 && sameName(record.name, name)

/** Of two who want a name, the greater one has the better right, as RFC 6762 has it. */
const srvOrder = ({ data }: Srv): string => `${String(data.port).padStart(5, "0")} ${data.target.toLowerCase()}`
const addressOrder = ({ data }: Address): string => data.replace(/\d+/g, (digits) => digits.padStart(3, "0"))

/** What of ours somebody else has: the service's name, or the host's; or wants, with the better right to it. */
export type Contest = "name" | "host" | "wanted"

/**
 * Whether a packet shows that somebody else has a name of ours, or wants it at this moment with the better right. Whoever
 * says the same of it as we do is ourselves, heard again. `own`: the address is this machine's.
 */
export const contests = (
  packet: Received,
  records: ReadonlyArray<DnsRecord>,
  own: (address: string) => boolean
): Contest | undefined => {
  const service = records.find(isSrv)
  const host = records.find(isA)
  if (service === undefined || host === undefined) return undefined
  const said = packet.type === "response" ? [...packet.answers, ...packet.additionals] : packet.authorities
  const [place, address] = [srvOrder(service), addressOrder(host)]
  const places = said.filter(isSrv).filter(about(service.name)).map(srvOrder)
  // Another responder of this machine tells of the same host, maybe by an address that is not looked at here.
  const others = own(packet.from.address) ? [] : said.filter(isA).filter(({ data }) => !own(data))
  const addresses = others.filter(about(host.name)).map(addressOrder)
  if (packet.type === "response") {
    if (addresses.length > 0) return "host"
    return places.some((theirs) => theirs !== place) ? "name" : undefined
  }
  const isBehind = places.some((theirs) => theirs > place) || addresses.some((theirs) => theirs > address)
  return isBehind ? "wanted" : undefined
}
