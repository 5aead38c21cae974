/**
 * Event frames, decoded by the event table and fanned out to readers.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type EventName, type EventPayload, EventTable } from "../protocol/EventTable.ts"
import type { EventFrame, StateVersion } from "../protocol/Frame.ts"
import { EventsOverflowed } from "./errors.ts"

interface Numbered {
  /** Counts broadcasts on one connection from 1; targeted events have none. */
  readonly seq: number | undefined
  readonly stateVersion: StateVersion | undefined
}

/** An event of the table, its payload decoded. */
export type KnownEvent = {
  readonly [Name in EventName]: Numbered & { readonly event: Name; readonly payload: EventPayload<Name> }
}[EventName]

/** An event that the table does not have, or whose payload it does not describe: a newer Gateway's. */
export interface OtherEvent extends Numbered {
  readonly event: "*"
  readonly name: string
  readonly payload: unknown
}

export type GatewayEvent = KnownEvent | OtherEvent

const decoders = new Map(
  Object.entries(EventTable).map(([name, row]) => [
    name,
    Schema.decodeUnknownExit(row.payload as Schema.Codec<unknown>)
  ])
)

/** Never fails: what cannot be decoded is handed on as an `OtherEvent`. */
export const decode = (frame: EventFrame): GatewayEvent => {
  const numbered: Numbered = { seq: frame.seq, stateVersion: frame.stateVersion }
  const decoded = decoders.get(frame.event)?.(frame.payload)
  if (decoded === undefined || Exit.isFailure(decoded)) {
    return { ...numbered, event: "*", name: frame.event, payload: frame.payload }
  }
  // The decoder was looked up by this very name.
  return { ...numbered, event: frame.event, payload: decoded.value } as KnownEvent
}

/** Events that one reader may be behind. */
export const CAPACITY = 4096
/** Newest events kept for the first reader while there is none. */
const EARLY = 256

/** Hands every event to every reader. Outlives connections in a reconnecting client. */
export interface EventHub {
  readonly publish: (event: GatewayEvent) => void
  /** Ends every reader's stream after what it still has. */
  readonly end: () => void
  /**
   * Events from now on. The first reader also gets up to 256 events that came before it, so none is lost between
   * connecting and reading. A reader more than 4096 events behind is stopped with `EventsOverflowed`.
   */
  readonly events: Stream.Stream<GatewayEvent, EventsOverflowed>
}

type Reader = Queue.Queue<GatewayEvent, EventsOverflowed | Cause.Done>

export const makeHub = (): EventHub => {
  const readers = new Set<Reader>()
  let early: Array<GatewayEvent> | undefined = []
  let ended = false

  const publish = (event: GatewayEvent) => {
    if (early !== undefined) {
      early.push(event)
      if (early.length > EARLY) early.shift()
    }
    for (const reader of readers) {
      if (Queue.sizeUnsafe(reader) < CAPACITY) {
        Queue.offerUnsafe(reader, event)
      } else {
        readers.delete(reader)
        Queue.failCauseUnsafe(reader, Cause.fail(new EventsOverflowed({ capacity: CAPACITY })))
      }
    }
  }

  const subscribe = Effect.gen(function* () {
    const reader: Reader = yield* Queue.unbounded<GatewayEvent, EventsOverflowed | Cause.Done>()
    for (const event of early ?? []) Queue.offerUnsafe(reader, event)
    early = undefined
    if (ended) Queue.endUnsafe(reader)
    else readers.add(reader)
    return reader
  })

  return {
    publish,
    end: () => {
      ended = true
      for (const reader of readers) Queue.endUnsafe(reader)
      readers.clear()
    },
    events: Stream.unwrap(
      Effect.map(
        Effect.acquireRelease(subscribe, (reader) => Effect.sync(() => readers.delete(reader))),
        Stream.fromQueue
      )
    )
  }
}

/** Payloads of one event, in order. */
export const payloadsOf = <Name extends EventName, E, R>(
  events: Stream.Stream<GatewayEvent, E, R>,
  name: Name
): Stream.Stream<EventPayload<Name>, E, R> =>
  events.pipe(
    Stream.filter((event) => event.event === name),
    // The filter above leaves only events of this name, whose payload `decode` typed.
    Stream.map((event) => event.payload as EventPayload<Name>)
  )
