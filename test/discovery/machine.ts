/**
 * A machine for `namespaces.test.ts`, run inside a network namespace: `machine.ts advertise <port>` until it is told to stop,
 * `machine.ts browse` once. Prints lines that the test waits for.
 */
import * as Effect from "effect/Effect"
import { browse } from "../../src/client/discovery/browse.ts"
import { advertise } from "../../src/layers/discovery/advertise.ts"
import { layer } from "../../src/layers/discovery/Multicast.ts"
import { Multicast } from "../../src/services/Multicast.ts"

const [what, port] = process.argv.slice(2)

const found = Effect.gen(function* () {
  const { beacons, problems } = yield* browse("1500 millis")
  const seen = beacons.map(
    ({ addresses, instanceName, port }) => `${instanceName} ${port} ${addresses.toSorted().join(" ")}`
  )
  process.stdout.write(
    `${JSON.stringify({ seen: seen.toSorted(), problems: problems.map(({ message }) => message) })}\n`
  )
})

const told = Effect.gen(function* () {
  const multicast = yield* Multicast
  const networks = yield* multicast.networks
  const own = (address: string) => networks.some((network) => network.address === address)
  const offer = { instance: "den", host: "den", port: Number(port), txt: { role: "gateway" } }
  yield* Effect.forEach(
    networks,
    (network) =>
      Effect.scoped(Effect.flatMap(multicast.open(network), (socket) => advertise({ socket, network, offer, own }))),
    { concurrency: "unbounded", discard: true }
  )
})

const stopping = new AbortController()
process.once("SIGTERM", () => stopping.abort())
await Effect.runPromiseExit(Effect.provide(what === "browse" ? found : told, layer), { signal: stopping.signal })
