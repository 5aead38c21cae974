/**
 * The people of a world: they keep writing, and stop for a while when too many of them wait.
 */
import * as Effect from "effect/Effect"
import type { Dice } from "./random.ts"
import type { Kind } from "./script.ts"
import type { World } from "./World.ts"

const mix: ReadonlyArray<readonly [Kind, number]> = [
  ["short", 40],
  ["long", 10],
  ["longest", 3],
  ["run", 18],
  ["twice", 8],
  ["count", 12],
  ["both", 9]
]

export interface TrafficOptions {
  /** People who write, each in a chat of their own. */
  readonly people: number
  /** Milliseconds between two messages, on average. */
  readonly betweenMs: number
}

/** As much as a world takes while something dies every second or two. */
export const usual: TrafficOptions = { people: 12, betweenMs: 30 }

const firstChat = 1_001
/** Messages that may wait for their reply before nobody writes any more. */
const patience = 14
/** Messages of a burst, and the chats that they come from. */
const burst = { messages: 200, chats: 50 }

const drawKind = (dice: Dice): Kind => dice.weighted(mix)

/** Until it is interrupted. */
export const steady = (world: World, { betweenMs, people }: TrafficOptions = usual): Effect.Effect<never> =>
  Effect.gen(function* () {
    const { dice, record } = world
    for (;;) {
      yield* Effect.sleep(betweenMs * (0.4 + 1.2 * dice.next()))
      const waiting = record.open.size - world.overdue.size + world.written() - record.asked.length
      if (waiting < patience && !world.isQuiet())
        yield* world.write(drawKind(dice), firstChat + dice.whole(0, people - 1))
    }
  })

/** Everybody at once. */
export const rush = (world: World): Effect.Effect<void> =>
  Effect.forEach(
    Array.from({ length: burst.messages }, (_, index) => firstChat + 1_000 + (index % burst.chats)),
    (chatId) => world.write(drawKind(world.dice), chatId),
    { discard: true }
  )
