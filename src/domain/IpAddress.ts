/**
 * IP addresses and ranges of them, read strictly. An IPv4 address that is written inside IPv6 (`::ffff:192.0.2.1`) is that
 * IPv4 address, so that one peer has one spelling.
 */

/** `value`: 32 bits of IPv4, 128 of IPv6. */
export interface IpAddress {
  readonly family: 4 | 6
  readonly value: bigint
}

/** Every address whose first `prefix` bits are those of `base`. */
export interface IpRange {
  readonly base: IpAddress
  readonly prefix: number
}

const bitsOf = (family: 4 | 6): number => (family === 4 ? 32 : 128)

const MAPPED = 0xffffn

const four = (text: string): bigint | undefined => {
  const parts = text.split(".")
  if (parts.length !== 4) return undefined
  let value = 0n
  for (const part of parts) {
    // 010 and 0x0a are other numbers to other programs.
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = (value << 8n) | BigInt(part)
  }
  return value
}

const groupsOf = (text: string): ReadonlyArray<bigint> | undefined => {
  if (text === "") return []
  const groups: Array<bigint> = []
  const parts = text.split(":")
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(BigInt(`0x${part}`))
      continue
    }
    const tail = index === parts.length - 1 ? four(part) : undefined
    if (tail === undefined) return undefined
    groups.push(tail >> 16n, tail & 0xffffn)
  }
  return groups
}

const six = (text: string): bigint | undefined => {
  const halves = text.split("::")
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(groupsOf)
  if (head === undefined) return undefined
  if (halves.length === 1) return head.length === 8 ? joined(head) : undefined
  // An IPv4 address stands at the end only.
  if (tail === undefined || halves[0]?.includes(".") === true || head.length + tail.length > 7) return undefined
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0n)
  return joined([...head, ...zeros, ...tail])
}

const joined = (groups: ReadonlyArray<bigint>): bigint => groups.reduce((sum, group) => (sum << 16n) | group, 0n)

const plain = (value: bigint): IpAddress =>
  value >> 32n === MAPPED ? { family: 4, value: value & 0xffff_ffffn } : { family: 6, value }

/** Without port, brackets, zone and surrounding space; `undefined` for anything else. */
export const parse = (text: string): IpAddress | undefined => {
  if (text.length > 45) return undefined
  if (!text.includes(":")) {
    const value = four(text)
    return value === undefined ? undefined : { family: 4, value }
  }
  const value = six(text)
  return value === undefined ? undefined : plain(value)
}

/** The one spelling of an address: dotted, or RFC 5952's. */
export const format = ({ family, value }: IpAddress): string => {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".")
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16))
  let [start, length] = [0, 0]
  for (let at = 0; at < 8; at++) {
    let run = 0
    while (groups[at + run] === "0") run++
    if (run > length) [start, length] = [at, run]
  }
  if (length < 2) return groups.join(":")
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`
}

const top = ({ family, value }: IpAddress, bits: number): bigint => value >> BigInt(bitsOf(family) - bits)

/** `10.0.0.0/8`, `fd00::/8`, or one address. A range of mapped addresses (`::ffff:10.0.0.0/104`) is the IPv4 range. */
export const parseRange = (text: string): IpRange | undefined => {
  const [address = "", length, ...more] = text.split("/")
  const base = parse(address)
  if (base === undefined || more.length > 0) return undefined
  if (length === undefined) return { base, prefix: bitsOf(base.family) }
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined
  const written = Number(length)
  const mapped = base.family === 4 && address.includes(":")
  // Bits before the mapped ones would take in addresses of IPv6 too.
  const prefix = mapped ? written - 96 : written
  return prefix < 0 || prefix > bitsOf(base.family) ? undefined : { base, prefix }
}

export const contains = ({ base, prefix }: IpRange, address: IpAddress): boolean =>
  base.family === address.family && top(base, prefix) === top(address, prefix)

export const isLoopback = ({ family, value }: IpAddress): boolean =>
  family === 4 ? value >> 24n === 127n : value === 1n

/** `0.0.0.0` and `::` stand for every address or none, and are nobody's. */
export const isUnspecified = ({ value }: IpAddress): boolean => value === 0n

const ranges = (...texts: ReadonlyArray<string>): ReadonlyArray<IpRange> =>
  texts.flatMap((range) => parseRange(range) ?? [])
const within = (of: ReadonlyArray<IpRange>) => (address: IpAddress) => of.some((range) => contains(range, address))

/** Tailscale gives a machine an address of these. */
export const isTailnet: (address: IpAddress) => boolean = within(ranges("100.64.0.0/10", "fd7a:115c:a1e0::/48"))

const LAN = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]

/** What a router gives the machines behind it (RFC 1918). */
export const isLan: (address: IpAddress) => boolean = within(ranges(...LAN))

/** Nobody on the internet answers there: this machine, its networks, link-local, carrier-grade NAT, unique local. */
export const isPrivate: (address: IpAddress) => boolean = within(
  ranges(...LAN, "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10", "::1", "fc00::/7", "fe80::/10")
)
