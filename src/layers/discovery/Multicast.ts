/**
 * Multicast DNS over UDP port 5353, a socket for each network: one socket for all would send by the default route only.
 */
import { BlockList } from "node:net"
import { networkInterfaces } from "node:os"
import type { Answer } from "dns-packet"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import {
  DnsRecord,
  Multicast,
  MulticastUnavailable,
  type Network,
  type Outgoing,
  type Packet,
  Question,
  type Received,
  type Sender
} from "../../services/Multicast.ts"

/** Packets that may wait for their reader. */
const WAITING = 128
/** Of one packet; what comes after is not looked at. */
const MAX_RECORDS = 128

const decodeRecord = Schema.decodeUnknownOption(DnsRecord)
const decodeQuestion = Schema.decodeUnknownOption(Question)

const those = <A>(found: unknown, decode: (value: unknown) => Option.Option<A>): ReadonlyArray<A> =>
  Array.isArray(found)
    ? found
        .slice(0, MAX_RECORDS)
        .flatMap((value) => Option.match(decode(value), { onNone: () => [], onSome: (a) => [a] }))
    : []

type Heard = { readonly [Key in keyof Packet]?: unknown }

/** What of a packet has a meaning here; the rest of it is left out. */
export const read = (heard: Heard, from: Sender): Received => ({
  type: heard.type === "response" ? "response" : "query",
  id: typeof heard.id === "number" ? heard.id : 0,
  questions: those(heard.questions, decodeQuestion),
  answers: those(heard.answers, decodeRecord),
  additionals: those(heard.additionals, decodeRecord),
  authorities: those(heard.authorities, decodeRecord),
  from
})

/** Networks with more than two machines, one for each interface. */
export const networksOf = (interfaces: ReturnType<typeof networkInterfaces>): ReadonlyArray<Network> =>
  Object.entries(interfaces).flatMap(([name, addresses = []]) => {
    const prefixOf = (cidr: string | null) => Number(cidr?.split("/")[1] ?? 32)
    const found = addresses.find(({ cidr, family, internal }) => family === "IPv4" && !internal && prefixOf(cidr) < 31)
    if (found === undefined) return []
    const more = addresses.flatMap(({ address, family, scopeid }) =>
      family === "IPv6" && scopeid === 0 ? [address] : []
    )
    return [{ name, address: found.address, prefix: prefixOf(found.cidr), more }]
  })

const isFromHere = ({ address, prefix }: Network) => {
  const members = new BlockList()
  members.addSubnet(address, prefix, "ipv4")
  return (sender: Sender) => members.check(sender.address, "ipv4")
}

/** As the encoder wants it. */
const written = (records: ReadonlyArray<DnsRecord> = []): Array<Answer> =>
  records.map((record) =>
    record.type === "TXT" ? { ...record, data: record.data.map((bytes) => Buffer.from(bytes)) } : record
  )

const open = Effect.fnUntraced(function* (network: Network) {
  const failed = (error: unknown) =>
    new MulticastUnavailable({
      network: network.name,
      detail: error instanceof Error && "code" in error ? String(error.code) : "it cannot be joined"
    })
  const { default: make } = yield* Effect.tryPromise({ try: () => import("multicast-dns"), catch: failed })
  const received = yield* Queue.sliding<Received, MulticastUnavailable>(WAITING)
  const ready = yield* Deferred.make<void, MulticastUnavailable>()
  const isMember = isFromHere(network)
  const fail = (error: Error) => {
    Deferred.doneUnsafe(ready, Effect.fail(failed(error)))
    Queue.failCauseUnsafe(received, Cause.fail(failed(error)))
  }
  const dns = yield* Effect.acquireRelease(
    Effect.sync(() => {
      // Bound to every address, because what is sent to a group does not arrive at a socket that is bound to one.
      const made = make({ interface: network.address, bind: "0.0.0.0", reuseAddr: true, loopback: true })
      made.on("ready", () => Deferred.doneUnsafe(ready, Effect.void))
      made.on("error", fail)
      // Either the group cannot be joined, or somebody sent what is no DNS packet.
      made.on("warning", (error) => {
        if ("syscall" in error) fail(error)
      })
      // It hears every network, for the same reason.
      made.on("packet", (packet, from) => {
        if (isMember(from)) Queue.offerUnsafe(received, read(packet, { address: from.address, port: from.port }))
      })
      return made
    }),
    (made) => Effect.callback<void>((resume) => made.destroy(() => resume(Effect.void)))
  )
  yield* Deferred.await(ready)
  const send = ({ to, type, ...packet }: Outgoing) =>
    Effect.callback<void, MulticastUnavailable>((resume) => {
      const done = (error: Error | null) => resume(error === null ? Effect.void : Effect.fail(failed(error)))
      const content = {
        id: packet.id ?? 0,
        questions: [...(packet.questions ?? [])],
        answers: written(packet.answers),
        additionals: written(packet.additionals),
        authorities: written(packet.authorities)
      }
      if (type === "query") dns.query(content, done)
      else dns.respond(content, to, done)
    })
  return { received, send }
})

/** Nothing is opened, and nothing loaded, before somebody asks for it. */
export const layer: Layer.Layer<Multicast> = Layer.succeed(Multicast)({
  networks: Effect.sync(() => networksOf(networkInterfaces())),
  open
})
