/**
 * How much memory a Gateway's process takes beyond what it holds. Left alone, V8 lets the young generation grow past 100 MB under
 * turns and the old one to several times what lives in it, and gives neither back for minutes: right for a program that has the
 * machine to itself, wrong for one that waits there all day. An app that embeds the Gateway decides for itself; this is for the
 * binary.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** Bytes of the young generation, both halves, from which on it does not grow any more. */
const youngBytes = 6 * 1024 * 1024

/** Percent that the heap may grow over what a collection left before the next one begins. */
const growingPercent = 60

const youngSize = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0

/** As V8 has the two by itself. */
const asItIs = () => {
  setFlagsFromString("--heap-growing-percent=0")
  setFlagsFromString("--semi-space-growth-factor=2")
}

/** V8 reads the factor each time it would grow; a factor of one is none. It shrinks by itself when there is nothing to do. */
const boundYoung = () => {
  setFlagsFromString(`--semi-space-growth-factor=${youngSize() < youngBytes ? 2 : 1}`)
}

let isModest = false

const bound = () => {
  isModest = true
  setFlagsFromString(`--heap-growing-percent=${growingPercent}`)
  boundYoung()
}

/** Before the Gateway's modules are loaded, which is what makes the heap grow first. */
export const modest: Effect.Effect<void> = Effect.sync(bound)

/**
 * Sets V8's own flags, and gives what sets these again. V8 refuses kept code that was made under other flags than those it is
 * loaded with, and the first of the program is loaded before there are any.
 */
export const plain = (): (() => void) => {
  asItIs()
  return () => {
    if (isModest) bound()
  }
}

/** Milliseconds from the start to the collection: by then those who waited for the Gateway have been answered. */
const settledMs = 1_500

/** Loading leaves garbage in pages that stay. Collected once, V8 finds by itself what else it can give back. */
const collect = Effect.sync(() => {
  setFlagsFromString("--expose-gc")
  const gc: unknown = runInNewContext("gc")
  setFlagsFromString("--no-expose-gc")
  if (typeof gc === "function") gc()
})

/** As long as a Gateway runs: collects what its start left, then looks every second after the young generation. */
export const watched: Effect.Effect<void> = Effect.delay(collect, settledMs).pipe(
  Effect.andThen(Effect.repeat(Effect.sync(boundYoung), Schedule.spaced("1 second"))),
  Effect.asVoid
)
