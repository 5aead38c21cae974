/**
 * Multicast DNS on the networks that this machine is on. What arrives here was written by anybody on such a network: it is
 * decoded and bounded, and proves nothing.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** A network cannot be spoken to by multicast. */
export class MulticastUnavailable extends Schema.TaggedError<MulticastUnavailable>()("MulticastUnavailable", {
  network: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `multicast does not work on ${this.network} (${this.detail})`
  }
}

/** One of this machine's networks. */
export interface Network {
  /** The interface, such as `eth0`. */
  readonly name: string
  /** This machine's IPv4 address there. */
  readonly address: string
  /** The bits of the address that all of the network share. */
  readonly prefix: number
  /** This machine's other addresses on the interface that are good beyond it: IPv6 ones. */
  readonly more: ReadonlyArray<string>
}

const Port = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })))
const Name = Schema.String.pipe(Schema.check(Schema.isMaxLength(255)))
const common = { name: Name, ttl: Schema.Finite, flush: Schema.optional(Schema.Boolean) }

/** A record that discovery is about. `flush`: it is the only one of its name. */
export const DnsRecord = Schema.Union([
  Schema.Struct({ ...common, type: Schema.Literal("PTR"), data: Name }),
  Schema.Struct({ ...common, type: Schema.Literal("SRV"), data: Schema.Struct({ port: Port, target: Name }) }),
  Schema.Struct({ ...common, type: Schema.Literal("TXT"), data: Schema.Array(Schema.Uint8Array) }),
  Schema.Struct({ ...common, type: Schema.Literals(["A", "AAAA"]), data: Name })
])
export type DnsRecord = typeof DnsRecord.Type

const types = ["PTR", "SRV", "TXT", "A", "AAAA", "ANY"] as const
export const Question = Schema.Struct({ name: Name, type: Schema.Literals(types) })
export type Question = typeof Question.Type

export interface Packet {
  readonly type: "query" | "response"
  /** Of a query by a resolver that does not take part in multicast; the answer repeats it. */
  readonly id: number
  readonly questions: ReadonlyArray<Question>
  readonly answers: ReadonlyArray<DnsRecord>
  readonly additionals: ReadonlyArray<DnsRecord>
  readonly authorities: ReadonlyArray<DnsRecord>
}

export interface Sender {
  readonly address: string
  readonly port: number
}

export interface Received extends Packet {
  readonly from: Sender
}

/** What is sent: to everybody on the network, or to one who asked by itself. */
export type Outgoing = Partial<Omit<Packet, "questions" | "type">> &
  Pick<Packet, "type"> & {
    readonly questions?: ReadonlyArray<{ readonly name: string; readonly type: Exclude<Question["type"], "ANY"> }>
    readonly to?: Sender | undefined
  }

export interface Socket {
  readonly send: (packet: Outgoing) => Effect.Effect<void, MulticastUnavailable>
  /** What machines of this network said, the newest when nobody reads. */
  readonly received: Queue.Dequeue<Received, MulticastUnavailable>
}

export class Multicast extends Context.Service<
  Multicast,
  {
    /** The networks as they are now. */
    readonly networks: Effect.Effect<ReadonlyArray<Network>>
    /** Takes part in one network until the scope closes. */
    readonly open: (network: Network) => Effect.Effect<Socket, MulticastUnavailable, Scope.Scope>
  }
>()("openclaw/services/Multicast") {}
