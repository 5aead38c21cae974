/**
 * A line on the terminal for whatever takes longer than a second. Nothing is written when stderr is no terminal, or with `--json`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Environment } from "./Environment.ts"
import { Json } from "./globals.ts"
import { plain } from "./output.ts"

const CLEAR = "\r\u001b[2K"

type Label = string | (() => string)

/** What the line that is there says: the last of these. */
const Shown = Context.Reference<Array<Label> | undefined>("openclaw/cli/progress/Shown", {
  defaultValue: () => undefined
})

const textOf = (label: Label | undefined): string => (typeof label === "function" ? label() : (label ?? ""))

/**
 * Shows `label` and the seconds so far, from the first second on, until the effect ends. The label is read every second. Inside
 * of another wait it stands in that one's place.
 */
export const waiting =
  (label: Label) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const { terminal } = yield* Environment
      const outer = yield* Shown
      if (terminal === undefined || (yield* Json)) return yield* effect
      if (outer !== undefined) {
        outer.push(label)
        return yield* Effect.ensuring(
          effect,
          Effect.sync(() => outer.splice(outer.lastIndexOf(label), 1))
        )
      }
      const labels: Array<Label> = [label]
      let shown = 0
      const show = Effect.forever(
        Effect.andThen(
          Effect.sleep("1 second"),
          Effect.sync(() => {
            shown++
            terminal(`${CLEAR}${plain(textOf(labels.at(-1)))} (${shown} s)`)
          })
        )
      )
      const clear = Effect.sync(() => {
        if (shown > 0) terminal(CLEAR)
      })
      return yield* Effect.raceFirst(Effect.provideService(effect, Shown, labels), show).pipe(Effect.ensuring(clear))
    })
