/**
 * The event bus over one sliding `PubSub`.
 *
 * A publisher never waits and memory is bounded: the bus holds at most `CAPACITY` events. A subscriber that falls further
 * behind loses its oldest events, which is logged; other subscribers lose nothing. The Gateway's own subscriber hands each
 * event to bounded per-connection writers without waiting, so it falls behind only when this process does.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import type { BusEvent } from "../services/EventBus.ts"
import { EventBus } from "../services/EventBus.ts"

/** Events held for the slowest subscriber. A power of two lets the ring buffer mask instead of divide. */
const CAPACITY = 16_384

export const layer: Layer.Layer<EventBus> = Layer.effect(
  EventBus,
  Effect.gen(function* () {
    const bus = yield* PubSub.sliding<BusEvent>(CAPACITY)
    yield* Effect.addFinalizer(() => PubSub.shutdown(bus))
    let overrun = false

    const publish: EventBus["Service"]["publish"] = (event, payload, to, only) =>
      Effect.suspend(() => {
        const where = { ...(to === undefined ? undefined : { to }), ...(only === undefined ? undefined : { only }) }
        // The parts agree because `publish` is generic in the event's name; TypeScript cannot see that through a union.
        const announcement = { event, payload, ...where } as BusEvent
        const full = PubSub.sizeUnsafe(bus) >= CAPACITY
        const warn = full && !overrun
        overrun = full
        const published = Effect.asVoid(PubSub.publish(bus, announcement))
        return warn
          ? Effect.andThen(
              published,
              Effect.logWarning(`event bus: a subscriber is ${CAPACITY} events behind and is losing the oldest`)
            )
          : published
      })

    return { publish, subscribe: PubSub.subscribe(bus) }
  })
)
