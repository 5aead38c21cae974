/**
 * From the event bus to event frames: who may see an event decides the table, each payload is encoded once.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type EventName, type EventRow, EventTable } from "../../protocol/EventTable.ts"
import { type BusEvent, EventBus } from "../../services/EventBus.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { concerns, type Connection, Connections } from "./Connections.ts"
import { Snapshots } from "./Snapshots.ts"
import * as Subscriptions from "./Subscriptions.ts"

type Encode = (payload: unknown) => Exit.Exit<unknown, Schema.SchemaError>

const encoders: ReadonlyMap<string, Encode> = new Map(
  Object.entries(EventTable).map(([name, row]) => [
    name,
    Schema.encodeUnknownExit(row.payload as Schema.Codec<unknown, unknown>)
  ])
)

/** The payload's JSON, or why it has none. */
export const encode = (event: EventName, payload: unknown): Result.Result<string, string> => {
  const exit = encoders.get(event)?.(payload)
  if (exit === undefined || Exit.isFailure(exit)) return Result.fail(`the payload of ${event} does not fit its schema`)
  return Result.try({
    try: () => JSON.stringify(exit.value),
    catch: () => `the payload of ${event} is no JSON`
  })
}

/** The frame of a targeted event, which carries no `seq`. */
export const targetedFrame = <Name extends EventName>(event: Name, json: string): string =>
  `{"type":"event","event":${JSON.stringify(event)},"payload":${json}}`

/** Delivers what the bus announces until the scope closes. Subscribed when it returns. */
export const run = Effect.gen(function* () {
  const connections = yield* Connections
  const snapshots = yield* Snapshots
  const supervisor = yield* Supervisor
  const subscription = yield* (yield* EventBus).subscribe

  const tellNodes = (frame: string) => {
    for (const { role, socket } of connections.all()) if (role === "node") socket.sendUnsafe(frame)
  }

  const deliver = ({ event, only, payload, to }: BusEvent): Effect.Effect<void> => {
    // A turn announces some twenty events, mostly to nobody.
    if (connections.size() === 0) return Effect.void
    const json = encode(event, payload)
    if (Result.isFailure(json)) return Effect.logError(`event dropped: ${json.failure}`)
    const row: EventRow = EventTable[event]
    const { delivery, versioned } = row
    if (to !== undefined) {
      connections.byConnId(to)?.socket.sendUnsafe(targetedFrame(event, json.success))
      return Effect.void
    }
    if (delivery._tag === "targeted") return Effect.logError(`event dropped: ${event} names no receiver`)
    const tail = versioned ? `,"stateVersion":${JSON.stringify(snapshots.stateVersion())}}` : "}"
    const head = `{"type":"event","event":${JSON.stringify(event)},"payload":${json.success},"seq":`
    const about = delivery._tag === "subscribed" && "sessionKey" in payload ? payload.sessionKey : undefined
    const isMeant =
      about === undefined && only === undefined
        ? undefined
        : (connection: Connection) =>
            (about === undefined || Subscriptions.wants(connection.subscriptions, event, String(about))) &&
            (only === undefined || concerns(connection, only))
    connections.broadcastUnsafe(delivery.audience, head, tail, isMeant)
    if (row.nodes === true) tellNodes(targetedFrame(event, json.success))
    return Effect.void
  }

  // All that are there at a time: one at a time it would give way to all others after each, and fall behind a burst of turns.
  const deliverAll = Effect.flatMap(PubSub.takeAll(subscription), (events) =>
    Effect.forEach(events, deliver, { discard: true })
  )
  yield* supervisor.supervise("gateway/events", Effect.forever(deliverAll), { restart: "always" })
})

/** Tells everyone that the Gateway stops. Written at once: the bus may already be gone when it matters. */
export const announceShutdown = Effect.map(Connections, (connections) =>
  connections.broadcastUnsafe(
    "everyone",
    `{"type":"event","event":"shutdown","payload":{"reason":"gateway stopping"},"seq":`,
    "}"
  )
)
