/**
 * One Gateway on one network: it claims a name, says that it is there, answers who asks, and says goodbye.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type { DnsRecord, MulticastUnavailable, Network, Received, Socket } from "../../services/Multicast.ts"
import { contests, goodbye, nameOf, type Offer, recordsOf, reply } from "./records.ts"

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

/** Listens for so long; `None` when nobody contested the name. */
const heard = (
  { own, socket }: Place,
  records: ReadonlyArray<DnsRecord>,
  millis: number
): Effect.Effect<Option.Option<"taken" | "wanted">, MulticastUnavailable> =>
  Queue.take(socket.received).pipe(
    Effect.map((packet) => contests(packet, records, own)),
    Effect.repeat({ until: (found) => found !== undefined }),
    Effect.map((found) => found ?? "taken"),
    Effect.timeoutOption(millis)
  )

/** Asks three times whether somebody has the name. */
const isFree = Effect.fnUntraced(function* (place: Place, records: ReadonlyArray<DnsRecord>) {
  const authorities = records.filter(({ type }) => type === "SRV")
  const questions = authorities.map(({ name }) => ({ name, type: "SRV" }) as const)
  yield* Effect.sleep(yield* Random.nextBetween(0, PROBE_EVERY_MS))
  for (let asked = 0; asked < PROBES; asked++) {
    yield* place.socket.send({ type: "query", questions, authorities })
    const found = yield* heard(place, records, PROBE_EVERY_MS)
    if (Option.isNone(found)) continue
    if (found.value === "taken") return false
    // Who wants it too and goes first has it in a second, or has gone.
    yield* Effect.sleep(ANNOUNCE_EVERY_MS)
    asked = -1
  }
  return true
})

/** The first name of this Gateway that nobody else has. */
const claim = Effect.fnUntraced(function* (place: Place) {
  for (let n = 1; ; n++) {
    const name = nameOf(place.offer.instance, n)
    const records = recordsOf(place.offer, name, place.network)
    if (yield* isFree(place, records)) return records
    yield* Effect.logDebug(`mDNS: "${name}" is taken on ${place.network.name}`)
    if (n >= PATIENCE) yield* Effect.sleep(AFTER_PATIENCE_MS)
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
      contests(packet, records, place.own) === "taken"
        ? Effect.succeed(true)
        : Effect.as(answer(place, records, packet), false)
    ),
    Effect.repeat({ until: (contested) => contested })
  )

/** Never ends by itself; fails when the network cannot be spoken to any more. The scope's end is the Gateway's on this network. */
export const advertise: (place: Place) => Effect.Effect<never, MulticastUnavailable> = Effect.fnUntraced(
  function* (place) {
    while (true) {
      const records = yield* claim(place)
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
