/**
 * Where services announce what happened; the Gateway turns each announcement into event frames.
 *
 * Services know no sockets: they publish here and the listener fans out by the event table's audience.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import type { ConnId } from "../domain/Ids.ts"
import type { EventName, EventPayload } from "../protocol/EventTable.ts"

/** Of its audience, only this device or connection and those with `operator.admin` are meant. */
export interface Onlookers {
  readonly connId?: string
  readonly deviceId?: string
}

/**
 * One announcement. `to` names the connection of a targeted event; without it the event is broadcast to its audience, which
 * `only` narrows.
 */
export type BusEvent = {
  readonly [Name in EventName]: {
    readonly event: Name
    readonly payload: EventPayload<Name>
    readonly to?: ConnId
    readonly only?: Onlookers
  }
}[EventName]

export class EventBus extends Context.Service<
  EventBus,
  {
    /** Never waits for a receiver and never fails. */
    readonly publish: <Name extends EventName>(
      event: Name,
      payload: EventPayload<Name>,
      to?: ConnId,
      only?: Onlookers
    ) => Effect.Effect<void>
    /** Events published after this point, in order, until the scope closes. */
    readonly subscribe: Effect.Effect<PubSub.Subscription<BusEvent>, never, Scope.Scope>
  }
>()("openclaw/services/EventBus") {}
