/**
 * Noticing that the machine slept or stands in another network, so that nobody waits for what is over.
 */
import * as Os from "node:os"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

const LOOK_EVERY_MS = 1000
/** A look that comes this much too late was not merely delayed by a busy machine. */
const GAP_MS = 5000

/**
 * The machine's addresses, as a text that differs when they do. Not those that an interface gives itself: each container that
 * starts brings one, and no way to another host leads over it.
 */
export const networkOf: Effect.Effect<string> = Effect.sync(() =>
  Object.entries(Os.networkInterfaces())
    .flatMap(([name, addresses]) => (addresses ?? []).map(({ address }) => `${name} ${address}`))
    .filter((line) => !/ fe[89ab][0-9a-f]:/i.test(line))
    .sort()
    .join("\n")
)

/** Waits until the clock jumped or the network changed, at most a second after it happened. */
export const awakened = (network: Effect.Effect<string> = networkOf): Effect.Effect<void> =>
  Effect.gen(function* () {
    const before = yield* network
    for (;;) {
      const asleep = yield* Clock.currentTimeMillis
      yield* Effect.sleep(LOOK_EVERY_MS)
      const late = (yield* Clock.currentTimeMillis) - asleep - LOOK_EVERY_MS
      if (late >= GAP_MS || (yield* network) !== before) return
    }
  })
