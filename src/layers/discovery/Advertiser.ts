/**
 * Lets a Gateway be found on the networks of its machine for as long as it runs. Where that does not work the log says so
 * once, and the Gateway goes on without.
 */
import { hostname } from "node:os"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Config } from "../../services/Config.ts"
import { Gateway } from "../../services/Gateway.ts"
import { Multicast, type Network } from "../../services/Multicast.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { advertise } from "./advertise.ts"
import type { Offer } from "./records.ts"
import { networksFor, offerOf, type Variables } from "./settings.ts"

/** How often networks and configuration are looked at, in milliseconds. */
export const LOOK_EVERY_MS = 5000

export interface AdvertiserOptions {
  /** `OPENCLAW_DISABLE_BONJOUR` and its neighbours are looked at. */
  readonly env?: Variables | undefined
}

const keyOf = ({ address, more, name, prefix }: Network): string => JSON.stringify([name, address, prefix, more])

/** What the Gateway wants to tell as things are now; a configuration that is broken right now changes nothing. */
const wanted = Effect.fnUntraced(function* (options: AdvertiserOptions) {
  const gateway = yield* Gateway
  const config = yield* Config
  return offerOf(yield* config.get, options.env ?? {}, {
    platform: process.platform,
    hostname: hostname(),
    bind: gateway.host,
    port: gateway.port,
    tls: gateway.url.startsWith("wss:"),
    tlsFingerprint: yield* gateway.tlsFingerprint
  })
}, Effect.option)

const run = Effect.fnUntraced(function* (options: AdvertiserOptions, multicast: Multicast["Service"]) {
  const { host } = yield* Gateway
  const fibers = yield* FiberMap.make<string>()
  const told = new Set<string>()
  const own = new Set<string>()

  const on = (network: Network, offer: Offer) =>
    multicast.open(network).pipe(
      Effect.flatMap((socket) => advertise({ socket, network, offer, own: (address) => own.has(address) })),
      Effect.scoped,
      Effect.catch(({ message }) => {
        if (told.has(message)) return Effect.void
        told.add(message)
        return Effect.logWarning(
          `this Gateway is not found by its neighbours: ${message}. It is tried again quietly; everything else goes on.\nFix: let UDP port 5353 through, or set discovery.mdns.mode to "off".`
        )
      }),
      Effect.catchDefect((defect) => Effect.logError(`mDNS on ${network.name} ended`, defect))
    )

  let said: string | undefined
  let offer: Offer | undefined
  while (true) {
    const now = yield* wanted(options)
    if (Option.isSome(now)) {
      offer = now.value
      const text = JSON.stringify(offer)
      if (said !== text) yield* FiberMap.clear(fibers)
      said = text
    }
    const all = offer === undefined ? [] : yield* multicast.networks
    own.clear()
    for (const { address } of all) own.add(address)
    const reachable = networksFor(host, all)
    const keys = new Set(reachable.map(keyOf))
    for (const [key] of Array.from(fibers)) if (!keys.has(key)) yield* FiberMap.remove(fibers, key)
    for (const network of reachable) {
      if (offer !== undefined) yield* FiberMap.run(fibers, keyOf(network), on(network, offer), { onlyIfMissing: true })
    }
    yield* Effect.sleep(LOOK_EVERY_MS)
  }
}, Effect.scoped)

/** Without a `Multicast` nothing is told, so an embedding app decides by giving one. */
export const layer = (options: AdvertiserOptions = {}): Layer.Layer<never, never, Config | Gateway | Supervisor> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const multicast = yield* Effect.serviceOption(Multicast)
      if (Option.isNone(multicast)) return
      const supervisor = yield* Supervisor
      yield* supervisor.supervise("gateway/mdns", run(options, multicast.value), { restart: "always" })
    })
  )
