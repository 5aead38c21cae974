/**
 * Looks for Gateways on the networks of this machine.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import { DOMAIN, SERVICE_NAME } from "../../services/Beacon.ts"
import { Multicast, type MulticastUnavailable, type Network, type Socket } from "../../services/Multicast.ts"
import { type Beacon, beacons, type Cache, learn, missing } from "./beacon.ts"

export interface Found {
  readonly domains: ReadonlyArray<string>
  /** One Gateway that is on two networks is here once. */
  readonly beacons: ReadonlyArray<Beacon>
  /** Networks that could not be asked. */
  readonly problems: ReadonlyArray<MulticastUnavailable>
}

/** Milliseconds after which the question is asked again, each time for as long again. */
const AGAIN_AFTER_MS = 500

const ask = ({ send }: Socket) =>
  Effect.gen(function* () {
    for (let pause = AGAIN_AFTER_MS; ; pause *= 2) {
      yield* send({ type: "query", questions: [{ name: SERVICE_NAME, type: "PTR" }] })
      yield* Effect.sleep(pause)
    }
  })

/** Takes in what is said, and asks once for what was left out. */
const listen = (socket: Socket, cache: Cache) => {
  const asked = new Set<string>()
  return Effect.forever(
    Effect.gen(function* () {
      const packet = yield* Queue.take(socket.received)
      if (packet.type !== "response") return
      learn(cache, [...packet.answers, ...packet.additionals])
      const questions = missing(cache).filter(({ name, type }) => !asked.has(`${type} ${name}`))
      for (const { name, type } of questions) asked.add(`${type} ${name}`)
      if (questions.length > 0) yield* socket.send({ type: "query", questions })
    })
  )
}

const on = Effect.fnUntraced(function* (network: Network, timeout: Duration.Duration) {
  const { open } = yield* Multicast
  const cache: Cache = new Map()
  const socket = yield* open(network)
  yield* Effect.raceFirst(ask(socket), listen(socket, cache)).pipe(Effect.timeoutOption(timeout))
  return beacons(cache)
}, Effect.scoped)

const merged = (all: ReadonlyArray<Beacon>): ReadonlyArray<Beacon> => {
  const found = new Map<string, Beacon>()
  for (const beacon of all) {
    const key = JSON.stringify([beacon.instanceName, beacon.host.toLowerCase(), beacon.port])
    const before = found.get(key)?.addresses ?? []
    found.set(key, { ...beacon, addresses: Array.from(new Set([...before, ...beacon.addresses])) })
  }
  return Array.from(found.values())
}

/** Asks for as long as the timeout says, because nobody knows how many will answer. */
export const browse = Effect.fn("Discovery.browse")(function* (timeout: Duration.Input) {
  const networks = yield* (yield* Multicast).networks
  const duration = Duration.fromInputUnsafe(timeout)
  const results = yield* Effect.forEach(networks, (network) => Effect.result(on(network, duration)), {
    concurrency: "unbounded"
  })
  const found: Found = {
    domains: [DOMAIN],
    beacons: merged(results.flatMap((result) => (Result.isSuccess(result) ? result.success : []))),
    problems: results.flatMap((result) => (Result.isFailure(result) ? [result.failure] : []))
  }
  return found
})
