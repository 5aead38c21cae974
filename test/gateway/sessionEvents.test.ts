/** What becomes of changes of sessions that cannot be read at once. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import * as EventBusLayer from "../../src/layers/EventBus.ts"
import * as SupervisorLayer from "../../src/layers/Supervisor.ts"
import { type Connection, Connections } from "../../src/layers/gateway/Connections.ts"
import * as SessionEvents from "../../src/layers/gateway/SessionEvents.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { type SessionChange, Sessions, SessionStorageFailed } from "../../src/services/Sessions.ts"
import { configured } from "./services.ts"

const [a, b] = [SessionKey.make("agent:main:a"), SessionKey.make("agent:main:b")]
const broken = new SessionStorageFailed({ message: "disk full" })

/** Announces `changes`, whose sessions are read by `read`, and gives the first `count` events. */
const heard = Effect.fnUntraced(function* (
  changes: ReadonlyArray<SessionChange>,
  count: number,
  given: {
    readonly stored?: Effect.Effect<void, SessionStorageFailed>
    readonly read: (key: SessionKey) => Effect.Effect<void, SessionStorageFailed>
    readonly page?: Effect.Effect<void, SessionStorageFailed>
  }
) {
  const told = yield* PubSub.unbounded<SessionChange>()
  const listener = { subscriptions: { sessions: true, keys: new Set<string>() } } as unknown as Connection
  const layer = Layer.mergeAll(
    EventBusLayer.layer,
    SupervisorLayer.layer,
    configured({}),
    Layer.succeed(Connections, { all: () => [listener] } as unknown as Connections["Service"]),
    Layer.mock(Sessions, {
      changes: PubSub.subscribe(told),
      stored: given.stored ?? Effect.void,
      describe: (key) => Effect.as(given.read(key), { key, kind: "direct" as const }),
      page: (_, { after = 0 }) =>
        Effect.as(given.page ?? Effect.void, {
          sessionId: "s",
          messages: [{ role: "user", content: "hi", __openclaw: { id: "m", seq: after + 1 } }],
          total: 1,
          resetSeq: 0,
          lastSeq: after + 1
        })
    })
  )
  return yield* Effect.gen(function* () {
    const events = yield* (yield* EventBus).subscribe
    yield* SessionEvents.run
    yield* PubSub.publishAll(told, changes)
    const found: Array<string> = []
    while (found.length < count) {
      const { event, payload } = yield* PubSub.take(events)
      found.push(`${event} ${String((payload as { readonly sessionKey: unknown }).sessionKey)}`)
    }
    return found
  }).pipe(Effect.provide(layer), Effect.scoped)
})

/** Fails so often, then no more. */
const failing = (times: number) => {
  let left = times
  return Effect.suspend(() => (left-- > 0 ? Effect.fail(broken) : Effect.void))
}

describe("a change that cannot be read", () => {
  const both: ReadonlyArray<SessionChange> = [
    { sessionKey: a, reason: "patch" },
    { sessionKey: b, reason: "patch" }
  ]

  for (const [name, refuse] of [
    ["fails", Effect.fail(broken)],
    ["dies", Effect.die(new Error("a row that is none"))]
  ] as const) {
    it.live(`keeps no other from being told when reading it ${name}`, () =>
      Effect.gen(function* () {
        const events = yield* heard(both, 1, { read: (key) => (key === a ? refuse : Effect.void) })
        assert.deepStrictEqual(events, [`sessions.changed ${b}`])
      })
    )
  }

  it.live("is told once it can be, a message too", () =>
    Effect.gen(function* () {
      const read = failing(1)
      const changes = [{ sessionKey: a, seq: 1 }, ...both]
      const events = yield* heard(changes, 3, { read: () => read, page: failing(1), stored: failing(1) })
      assert.deepStrictEqual(events, [`session.message ${a}`, `sessions.changed ${a}`, `sessions.changed ${b}`])
    })
  )
})
