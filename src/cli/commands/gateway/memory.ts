/**
 * How much memory a Gateway's process takes beyond what it holds. Left alone, V8 lets the young generation grow past 100 MB under
 * turns and the old one to several times what lives in it, and gives neither back for minutes: right for a program that has the
 * machine to itself, wrong for one that waits there all day. An app that embeds the Gateway decides for itself; this is for the
 * binary.
 */
import { performance } from "node:perf_hooks"
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Rest from "./rest.ts"

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

let hasStarted = false
let onSettled = () => {}

/** What `cli/door/compiled.ts` has to know to keep the code of a Gateway. */
export const keeping = {
  /**
   * Sets V8's own flags, and gives what sets these again. V8 refuses kept code that was made under other flags than those it is
   * loaded with, and the first of the program is loaded before there are any.
   */
  plain: (): (() => void) => {
    asItIs()
    return () => {
      if (isModest) bound()
    }
  },
  /** Whether everything was called that a start calls. */
  hasStarted: () => hasStarted,
  /** Calls back when a Gateway has started and nobody waits for it. */
  onSettled: (keep: () => void) => {
    onSettled = keep
  }
}

/**
 * What loads or works leaves garbage in pages that stay. V8's last resort is the only collection on demand that gives them back
 * to the system; a usual one keeps them for the next work.
 */
const collect = () => {
  // Somebody may have asked Node for it.
  const isExposed = typeof globalThis.gc === "function"
  setFlagsFromString("--expose-gc")
  const gc: unknown = runInNewContext("globalThis.gc")
  if (!isExposed) setFlagsFromString("--no-expose-gc")
  if (typeof gc === "function") gc({ type: "major", execution: "sync", flavor: "last-resort" })
}

/** Collects whenever something was done and is over. */
const resting = () => {
  let before = performance.eventLoopUtilization()
  let state = Rest.begin
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    state = Rest.next(state, { busy: utilization, heapBytes: getHeapStatistics().total_heap_size })
    if (!state.isDue) return
    // First: V8 drops the code of what was not called for long.
    onSettled()
    collect()
  }
}

/** Milliseconds from the start to the first second that is looked at: what is still done then is the start itself. */
const settledMs = 500

/** Looks within a second: a burst lets the young generation double several times in one. */
const LOOKS = 4

/** As long as a Gateway runs: bounds the young generation, and once a second looks whether it is time to collect. */
export const watched: Effect.Effect<void> = Effect.sync(() => {
  hasStarted = true
}).pipe(
  Effect.andThen(Effect.delay(Effect.sync(resting), settledMs)),
  Effect.flatMap((rest) => {
    let looks = 0
    const look = Effect.sync(() => {
      boundYoung()
      looks = (looks + 1) % LOOKS
      if (looks === 0) rest()
    })
    return Effect.repeat(Effect.delay(look, 1_000 / LOOKS), Schedule.forever)
  }),
  Effect.asVoid
)
