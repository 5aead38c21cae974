/**
 * `SystemEvents` in memory, bounded: so many lines a session, so many sessions.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SessionKey } from "../domain/SessionKey.ts"
import { type SystemEvent, SystemEvents } from "../services/SystemEvents.ts"

export const MAX_EVENTS = 20
const MAX_SESSIONS = 1_000
/** Characters of a line; what is longer is cut. */
export const MAX_TEXT = 4_000

const cut = (text: string): string => (text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… (cut)`)

export const layer: Layer.Layer<SystemEvents> = Layer.sync(SystemEvents, () => {
  const waiting = new Map<SessionKey, ReadonlyArray<SystemEvent>>()
  const put = (sessionKey: SessionKey, events: ReadonlyArray<SystemEvent>) => {
    waiting.delete(sessionKey)
    waiting.set(sessionKey, events.slice(-MAX_EVENTS))
    // The session that was told nothing for longest.
    const [oldest] = waiting.keys()
    if (waiting.size > MAX_SESSIONS && oldest !== undefined) waiting.delete(oldest)
  }
  return {
    add: Effect.fn("SystemEvents.add")(function* (sessionKey, text) {
      const event = { text: cut(text.trim()), at: yield* Clock.currentTimeMillis }
      const before = waiting.get(sessionKey) ?? []
      if (event.text === "" || before.at(-1)?.text === event.text) return false
      put(sessionKey, [...before, event])
      return true
    }),
    take: Effect.fn("SystemEvents.take")((sessionKey) =>
      Effect.sync(() => {
        const taken = waiting.get(sessionKey) ?? []
        waiting.delete(sessionKey)
        return taken
      })
    ),
    putBack: Effect.fn("SystemEvents.putBack")((sessionKey, events) =>
      Effect.sync(() => {
        if (events.length > 0) put(sessionKey, [...events, ...(waiting.get(sessionKey) ?? [])])
      })
    ),
    waiting: (sessionKey) => Effect.sync(() => waiting.get(sessionKey) ?? [])
  }
})
