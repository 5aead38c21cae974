/**
 * Many clients: all of them come at once, and all of them are told the same.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import type { Endpoint } from "../../src/domain/Endpoint.ts"
import { alternate, attempt, type Contender, type Ground } from "../alternate.ts"
import { echo } from "../baselines.ts"
import { type Ask, open, type RawClient } from "../rawClient.ts"
import type { Working } from "../world.ts"

const CLIENTS = 200
const SUBSCRIBERS = 100
const BROADCASTS = 10

const STORM = `${CLIENTS} signed clients at once: until hello-ok`
const SPREAD = `broadcast to ${SUBSCRIBERS}: from the first to the last`
const WHOLE = `broadcast to ${SUBSCRIBERS}: from chat.send to the last`

/** Connects all clients at the same moment. One that is refused tries again, a random time of up to a second later. */
const rush = Effect.fnUntraced(function* (endpoint: Endpoint, count: number) {
  const devices = yield* Effect.replicateEffect(DeviceIdentity.ephemeral, count)
  let refused = 0
  const started = performance.now()
  const came = yield* Effect.forEach(
    devices,
    (device) =>
      open(endpoint, { device }).pipe(
        Effect.tapError(() => Effect.sync(() => refused++)),
        Effect.catch((error) =>
          Effect.andThen(
            Effect.flatMap(Random.next, (share) => Effect.sleep(share * 1000)),
            error
          )
        ),
        Effect.retry({ times: 120 }),
        Effect.map((client) => ({ client, ms: performance.now() - started }))
      ),
    { concurrency: "unbounded" }
  )
  return { clients: came.map(({ client }) => client), times: came.map(({ ms }) => ms), refused }
})

export const storm = Effect.fnUntraced(function* (ground: Ground, sides: ReadonlyArray<Working>, rounds: number) {
  const { endpoint, who } = yield* echo
  yield* alternate(
    ground,
    STORM,
    rounds,
    [{ ...who, endpoint }, ...sides].map((one: Contender & { readonly endpoint: Endpoint }) => ({
      who: one,
      warmUp: Effect.scoped(rush(one.endpoint, CLIENTS / 10)),
      run: Effect.map(Effect.scoped(rush(one.endpoint, CLIENTS)), ({ refused, times }) => ({
        operations: times.length,
        readings: [
          { measure: STORM, unit: "ms" as const, samples: times },
          ...(refused === 0
            ? []
            : [
                {
                  measure: `${CLIENTS} signed clients at once: refused attempts`,
                  unit: "times" as const,
                  samples: [refused]
                }
              ])
        ]
      }))
    }))
  )
}, Effect.scoped)

/** One turn whose end everybody is told. From the first who hears it to the last, and from the request to the last. */
const tell = Effect.fnUntraced(function* (subscribers: ReadonlyArray<RawClient>, ask: Ask) {
  const runId = randomUUID()
  const started = performance.now()
  const [heard] = yield* Effect.all(
    [
      Effect.forEach(
        subscribers,
        (client) =>
          Effect.callback<number>((resume) => {
            client.onFrame = (text) => {
              if (!text.startsWith('{"type":"event","event":"chat"')) return
              const { payload } = JSON.parse(text)
              if (payload.runId === runId && payload.state === "final") resume(Effect.succeed(performance.now()))
            }
          }),
        { concurrency: "unbounded" }
      ),
      ask("chat.send", { sessionKey: "agent:main:bench-0", message: "Hello.", idempotencyKey: runId })
    ],
    { concurrency: "unbounded" }
  ).pipe(Effect.timeout("30 seconds"))
  const last = Math.max(...heard)
  return { spread: last - Math.min(...heard), whole: last - started }
})

export const broadcast = Effect.fnUntraced(function* (ground: Ground, sides: ReadonlyArray<Working>, rounds: number) {
  const told = yield* Effect.forEach(sides, (side) =>
    attempt(
      ground,
      WHOLE,
      side.name,
      // A few at a time: a storm is measured elsewhere.
      Effect.map(
        Effect.forEach(Array.from({ length: SUBSCRIBERS }), () => open(side.endpoint), { concurrency: 4 }),
        (subscribers) => {
          const once = tell(subscribers, side.ask)
          return {
            who: side,
            warmUp: Effect.replicateEffect(once, 3, { discard: true }),
            run: Effect.map(Effect.replicateEffect(once, BROADCASTS), (all) => ({
              operations: all.length,
              readings: [
                { measure: SPREAD, unit: "ms" as const, samples: all.map(({ spread }) => spread) },
                { measure: WHOLE, unit: "ms" as const, samples: all.map(({ whole }) => whole) }
              ]
            }))
          }
        }
      )
    )
  )
  yield* alternate(
    ground,
    WHOLE,
    rounds,
    told.filter((one) => one !== undefined)
  )
}, Effect.scoped)
