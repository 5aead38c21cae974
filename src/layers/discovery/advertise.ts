/**
 * One Gateway on one network: it claims a name, says that it is there, answers who asks, and says goodbye.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type { DnsRecord, MulticastUnavailable, Network, Received, Socket } from "../../services/Multicast.ts"
import { type Contest, contests, goodbye, nameOf, type Offer, recordsOf, reply, withHost } from "./records.ts"

/** Milliseconds, as RFC 6762 has them. */
const PROBE_EVERY_MS = 250
const PROBES = 3
const ANNOUNCE_EVERY_MS = 1000
const ANNOUNCEMENTS = 2
/** An answer that others may give too waits a little, so that not all speak at once. */
const ANSWER_AFTER_MS = { least: 20, most: 120 }
/** How long the goodbye may take. */
const GOODBYE_MS = 250
/** After so many names that were taken, somebody plays games: then only so often. */
const PATIENCE = 10
const AFTER_PATIENCE_MS = 30_000

interface Place {
  readonly socket: Socket
  readonly network: Network
  readonly offer: Offer
  readonly own: (address: string) => boolean
}

/** Listens for so long; `None` when nobody contested a name. */
const heard = (
  { own, socket }: Place,
  records: ReadonlyArray<DnsRecord>,
  millis: number
): Effect.Effect<Option.Option<Contest>, MulticastUnavailable> =>
  Queue.take(socket.received).pipe(
    Effect.map((packet) => contests(packet, records, own)),
    Effect.repeat({ until: (found): found is Contest => found !== undefined }),
    Effect.timeoutOption(millis)
  )

/** Asks three times whether somebody has the names, and says which one is not free. */
const contested = Effect.fnUntraced(function* (place: Place, records: ReadonlyArray<DnsRecord>) {
  const authorities = records.filter(({ type }) => type === "SRV" || type === "A")
  const questions = authorities.map(({ name, type }) => ({ name, type }))
  yield* Effect.sleep(yield* Random.nextBetween(0, PROBE_EVERY_MS))
  for (let asked = 0; asked < PROBES; asked++) {
    yield* place.socket.send({ type: "query", questions, authorities })
    const found = yield* heard(place, records, PROBE_EVERY_MS)
    if (Option.isNone(found)) continue
    if (found.value !== "wanted") return found.value
    // Who wants it too and goes first has it in a second, or has gone.
    yield* Effect.sleep(ANNOUNCE_EVERY_MS)
    asked = -1
  }
  return undefined
})

/** The first names of this Gateway and its host that nobody else has. `lost`: names that were had, and taken away. */
const claim = Effect.fnUntraced(function* (place: Place, lost: number) {
  const tried = { name: 1, host: 1 }
  while (true) {
    if (tried.name + tried.host - 2 + lost >= PATIENCE) yield* Effect.sleep(AFTER_PATIENCE_MS)
    const name = nameOf(place.offer.instance, tried.name)
    const records = recordsOf(withHost(place.offer, tried.host), name, place.network)
    const found = yield* contested(place, records)
    if (found === undefined) return records
    tried[found]++
    yield* Effect.logDebug(`mDNS: the ${found} of "${name}" is taken on ${place.network.name}`)
  }
})

const answer = Effect.fnUntraced(function* ({ socket }: Place, records: ReadonlyArray<DnsRecord>, packet: Received) {
  const response = packet.type === "query" ? reply(packet, records) : undefined
  if (response === undefined) return
  if (response.to === undefined) {
    yield* Effect.sleep(yield* Random.nextBetween(ANSWER_AFTER_MS.least, ANSWER_AFTER_MS.most))
  }
  yield* socket.send(response)
})

const announce = ({ socket }: Place, records: ReadonlyArray<DnsRecord>) =>
  Effect.gen(function* () {
    for (let said = 0; said < ANNOUNCEMENTS; said++) {
      if (said > 0) yield* Effect.sleep(ANNOUNCE_EVERY_MS)
      yield* socket.send({ type: "response", answers: records })
    }
  })

/** Answers until somebody else turns out to have the name. */
const serve = (place: Place, records: ReadonlyArray<DnsRecord>) =>
  Queue.take(place.socket.received).pipe(
    Effect.flatMap((packet) =>
      packet.type === "response"
        ? Effect.succeed(contests(packet, records, place.own) !== undefined)
        : Effect.as(answer(place, records, packet), false)
    ),
    Effect.repeat({ until: (contested) => contested })
  )

/** Never ends by itself; fails when the network cannot be spoken to any more. The scope's end is the Gateway's on this network. */
export const advertise: (place: Place) => Effect.Effect<never, MulticastUnavailable> = Effect.fnUntraced(
  function* (place) {
    for (let lost = 0; ; lost++) {
      const records = yield* claim(place, lost)
      yield* Effect.logInfo(`mDNS: found on ${place.network.name} as "${records[0]?.data}"`)
      yield* Effect.raceFirst(Effect.andThen(announce(place, records), Effect.never), serve(place, records)).pipe(
        // Not where somebody else has the name: the end would be taken for theirs.
        Effect.onInterrupt(() =>
          Effect.interruptible(place.socket.send(goodbye(records))).pipe(
            Effect.timeoutOption(GOODBYE_MS),
            Effect.ignore
          )
        )
      )
      yield* Effect.logInfo(`mDNS: another Gateway on ${place.network.name} has the same name`)
    }
  }
)
