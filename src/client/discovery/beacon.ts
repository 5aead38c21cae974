/**
 * Gateways as others on the network describe them. Anybody there can say anything: every text is made safe to print, every
 * number is checked, and nothing of it decides what is dialled with a secret, or which certificate is right.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DOMAIN, sameName, SERVICE_NAME, type Txt, TXT_KEYS, type TxtKey } from "../../services/Beacon.ts"
import type { DnsRecord } from "../../services/Multicast.ts"
import { printable } from "../errors.ts"

export interface Beacon {
  readonly instanceName: string
  readonly displayName: string
  readonly domain: typeof DOMAIN
  /** Where the service record leads. */
  readonly host: string
  readonly port: number
  /** What the host's own address records say. */
  readonly addresses: ReadonlyArray<string>
  /** The address as the resolved records and the hint about TLS make it; for people to read. */
  readonly wsUrl: string
  /** The hints that could be read. */
  readonly txt: Txt
}

/** Records that are kept of one network, and Gateways that are told of. */
const MAX_RECORDS = 512
const MAX_BEACONS = 64
const MAX_ENTRIES = 32

/** With parentheses, because OpenClaw's Gateway makes `den-(2).local` of a host whose name another one has. */
const HOST =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_()-]{0,61}[a-z0-9_)])?(?:\.[a-z0-9_](?:[a-z0-9_()-]{0,61}[a-z0-9_)])?)*$/i

const port = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter((text) => /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535, { expected: "a port" })
  )
)
const matching = (pattern: RegExp) => Schema.String.pipe(Schema.check(Schema.isPattern(pattern)))
const word = matching(/^[\w.-]{1,64}$/)
const host = matching(HOST)
const flag = Schema.Literals(["1", "true", "yes"])
const line = Schema.String.pipe(Schema.check(Schema.isNonEmpty(), Schema.isMaxLength(255)))

const decoders: { readonly [Key in TxtKey]: (value: unknown) => Option.Option<string> } = {
  role: Schema.decodeUnknownOption(word),
  transport: Schema.decodeUnknownOption(word),
  displayName: Schema.decodeUnknownOption(line),
  lanHost: Schema.decodeUnknownOption(host),
  gatewayPort: Schema.decodeUnknownOption(port),
  gatewayTls: Schema.decodeUnknownOption(flag),
  gatewayTlsSha256: Schema.decodeUnknownOption(matching(/^[0-9a-f]{2}(?::?[0-9a-f]{2}){31}$/i)),
  gatewayDirectReachable: Schema.decodeUnknownOption(flag),
  tailnetDns: Schema.decodeUnknownOption(host),
  sshPort: Schema.decodeUnknownOption(port),
  cliPath: Schema.decodeUnknownOption(line)
}

/** The entries with a meaning, the first of each; what cannot be read is as if it were not there. */
export const txtOf = (entries: ReadonlyArray<Uint8Array>): Txt => {
  const found = new Map<string, string>()
  for (const bytes of entries.slice(0, MAX_ENTRIES)) {
    const text = Buffer.from(bytes).toString("utf8")
    const equals = text.indexOf("=")
    const key = text.slice(0, Math.max(0, equals)).toLowerCase()
    if (!found.has(key)) found.set(key, printable(text.slice(equals + 1)))
  }
  return Object.fromEntries(
    TXT_KEYS.flatMap((key) => {
      const value = decoders[key](found.get(key.toLowerCase()))
      return Option.isSome(value) ? [[key, value.value]] : []
    })
  )
}

type Of<Type extends DnsRecord["type"]> = Extract<DnsRecord, { type: Type }>
const isOf =
  <Type extends DnsRecord["type"]>(...types: ReadonlyArray<Type>) =>
  (record: DnsRecord): record is Of<Type> =>
    (types as ReadonlyArray<string>).includes(record.type)

const isOurs = (name: string): boolean => name.toLowerCase().endsWith(`.${SERVICE_NAME}`)

const keyOf = (record: DnsRecord): string =>
  JSON.stringify([
    record.type,
    record.name.toLowerCase(),
    // Of these only the newest counts.
    record.type === "SRV" || record.type === "TXT" ? "" : record.data.toLowerCase()
  ])

/** What one network said, as far as it is about Gateways. */
export type Cache = Map<string, DnsRecord>

/** Takes in what was said; a time to live of zero takes it back. */
export const learn = (cache: Cache, records: ReadonlyArray<DnsRecord>): void => {
  for (const record of records) {
    const wanted =
      record.type === "PTR"
        ? sameName(record.name, SERVICE_NAME) && isOurs(record.data)
        : record.type === "A" || record.type === "AAAA" || isOurs(record.name)
    if (!wanted) continue
    if (record.ttl <= 0) cache.delete(keyOf(record))
    else if (cache.size < MAX_RECORDS || cache.has(keyOf(record))) cache.set(keyOf(record), record)
  }
}

/** Services that were announced, and what is still to be asked about them. */
const instances = (cache: Cache): ReadonlyArray<string> =>
  Array.from(cache.values())
    .filter(isOf("PTR"))
    .slice(0, MAX_BEACONS)
    .map(({ data }) => data)

const named = <Type extends DnsRecord["type"]>(cache: Cache, name: string, ...types: ReadonlyArray<Type>) =>
  Array.from(cache.values())
    .filter(isOf(...types))
    .filter((record) => sameName(record.name, name))

interface Missing {
  readonly name: string
  readonly type: "A" | "SRV" | "TXT"
}

/** What was no text has grown by becoming one, and cannot be asked for. */
const isAskable = (name: string): boolean => name.split(".").every((label) => Buffer.byteLength(label) <= 63)

export const missing = (cache: Cache): ReadonlyArray<Missing> =>
  instances(cache)
    .filter(isAskable)
    .flatMap((name): ReadonlyArray<Missing> => {
      const [service] = named(cache, name, "SRV")
      const text = named(cache, name, "TXT").length === 0 ? [{ name, type: "TXT" } as const] : []
      if (service === undefined) return [{ name, type: "SRV" }, ...text]
      const { target } = service.data
      const known = !HOST.test(target) || named(cache, target, "A", "AAAA").length > 0
      return known ? text : [{ name: target, type: "A" }, ...text]
    })

/** The Gateways that can be told of: those whose service record is known and names a host. */
export const beacons = (cache: Cache): ReadonlyArray<Beacon> =>
  instances(cache).flatMap((name) => {
    const [service] = named(cache, name, "SRV")
    const target = service?.data.target.replace(/\.$/, "") ?? ""
    if (service === undefined || service.data.port === 0 || !HOST.test(target)) return []
    const txt = txtOf(named(cache, name, "TXT")[0]?.data ?? [])
    const instanceName = printable(name.slice(0, -SERVICE_NAME.length - 1))
    const { port } = service.data
    return [
      {
        instanceName,
        displayName: txt.displayName ?? instanceName,
        domain: DOMAIN,
        host: target,
        port,
        addresses: named(cache, target, "A", "AAAA").map(({ data }) => data),
        wsUrl: `${txt.gatewayTls === undefined ? "ws" : "wss"}://${target}:${port}`,
        txt
      }
    ]
  })
