/**
 * A line on the terminal for whatever takes longer than a second. Nothing is written when stderr is no terminal.
 */
import * as Effect from "effect/Effect"
import { Environment } from "./Environment.ts"
import { plain } from "./output.ts"

const CLEAR = "\r\u001b[2K"

/** Shows `label` and the seconds so far, from the first second on, until the effect ends. The label is read every second. */
export const waiting =
  (label: string | (() => string)) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Environment> =>
    Effect.flatMap(Environment, ({ terminal }) => {
      if (terminal === undefined) return effect
      let shown = 0
      const show = Effect.forever(
        Effect.andThen(
          Effect.sleep("1 second"),
          Effect.sync(() => {
            shown++
            terminal(`${CLEAR}${plain(typeof label === "string" ? label : label())} (${shown} s)`)
          })
        )
      )
      const clear = Effect.sync(() => {
        if (shown > 0) terminal(CLEAR)
      })
      return Effect.ensuring(Effect.raceFirst(effect, show), clear)
    })
