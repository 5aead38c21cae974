/**
 * The demo's narrator: one line a hop, with its time since the message was sent.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { plain } from "../../output.ts"

export interface Hops {
  /** Starts a new count at zero. */
  readonly restart: Effect.Effect<void>
  /** Prints one hop. Text from outside is made safe for the terminal and cut to a line. */
  readonly hop: (from: string, to: string, what: string) => Effect.Effect<void>
}

const MAX_TEXT = 110

const line = (text: string) => {
  const safe = plain(text.replaceAll(/\s+/g, " "))
  return safe.length > MAX_TEXT ? `${safe.slice(0, MAX_TEXT - 1)}…` : safe
}

/** A narrator whose count starts now. */
export const make: Effect.Effect<Hops> = Effect.gen(function* () {
  let zero = yield* Clock.currentTimeMillis
  return {
    restart: Effect.map(Clock.currentTimeMillis, (now) => {
      zero = now
    }),
    hop: Effect.fnUntraced(function* (from, to, what) {
      const elapsed = (yield* Clock.currentTimeMillis) - zero
      yield* Console.log(`${`+${elapsed} ms`.padStart(9)}  ${`${from} → ${to}`.padEnd(22)}  ${line(what)}`)
    })
  }
})
